from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.helpers import RecordingArray
from tests.data.test_classes import table_of
from tests.io.helpers import write_hdf5, write_mrc, write_n5, write_ome_zarr

from napari_segtrain.config import ExperimentConfig, parse_experiment
from napari_segtrain.data import voxel_samples
from napari_segtrain.data.dataset import Dataset, Sample
from napari_segtrain.data.facts import gather_facts
from napari_segtrain.data.intensity_map import measure
from napari_segtrain.data.restricted import RegionMask, restrict
from napari_segtrain.data.storage import read_samples, reads_back, write_samples
from napari_segtrain.data.voxel_samples import sample_voxels
from napari_segtrain.errors import DataError
from napari_segtrain.image import Image, Item, LabelImage
from napari_segtrain.io import read_image


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 200, shape).astype(np.uint8)


def labels_of(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 3, shape).astype(np.uint8)


def regional_sample():
    pixels = noise((5, 70, 80))
    plane = np.zeros((70, 80), bool)
    plane[10:60, 20:70] = True
    return restrict(
        Image(pixels, "ZYX", (2.0, 0.5, 0.5), name="part"),
        LabelImage(
            labels_of((60, 50)), "YX", classes=table_of("dense", v1="class axon")
        ),
        offset={"Z": 3, "Y": 5, "X": 30},
        region=RegionMask({(): plane}),
        margin=(1, 4, 4),
    )


def stored(tmp_path, *samples):
    write_samples(tmp_path / "data", Dataset(samples))
    return read_samples(tmp_path / "data").samples


def entries(folder):
    return json.loads((folder / "samples.json").read_text("utf-8"))


def test_a_restricted_sample_comes_back(tmp_path):
    sample = regional_sample()
    (back,) = stored(tmp_path, sample)
    for a, b in ((sample.image, back.image), (sample.labels, back.labels)):
        np.testing.assert_array_equal(a.array[...], b.array[...])
        assert (a.axes, a.voxel_size, a.name) == (b.axes, b.voxel_size, b.name)
    assert back.labels.classes == sample.labels.classes


@pytest.mark.parametrize("scope", ["image", "training-set"])
def test_what_comes_back_is_understood_in_the_same_way(tmp_path, scope):
    config = parse_experiment({"normalization": {"scope": scope}}, source="x")
    other = Sample(
        Image(noise((6, 60, 60)), "ZYX", name="other"),
        LabelImage(labels_of((6, 60, 60)), "ZYX", (1.0, 1.0, 1.0)),
    )
    dataset = Dataset((regional_sample(), other))
    back = stored(tmp_path, *dataset.samples)
    assert gather_facts(Dataset(back), config) == gather_facts(dataset, config)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 3), *[st.integers(1, 12)] * 3),
    st.integers(1, 90),
    st.sampled_from([np.uint8, np.uint16, np.float32]),
    st.booleans(),
)
def test_sampled_voxels_are_measured_as_the_image_is(shape, budget, dtype, is_flat):
    array = noise(shape).astype(dtype)
    if is_flat:
        array[..., 1:] = 7
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(voxel_samples, "MAX_SAMPLED_VOXELS", budget)
        item = Item(array, "CZYX")
        kept = sample_voxels(item)
        again = Item(kept.reshape(len(kept), 1, -1), "CYX")
        assert measure([again], (1, 99)) == measure([item], (1, 99))


def test_image_files_are_referenced(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noise((40, 40)))
    image = read_image(tmp_path / "a.tif", voxel_size=(0.5, 0.5))
    image = replace(image, name="cell")
    (back,) = stored(tmp_path, Sample(image, LabelImage(labels_of((40, 40)))))
    assert back.image.source == (tmp_path / "a.tif").resolve()
    assert (back.image.name, back.image.voxel_size) == ("cell", (0.5, 0.5))
    assert not list((tmp_path / "data").glob("image*"))


def test_an_image_that_is_not_as_its_file_is_copied(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noise((6, 40, 40)))
    image = read_image(tmp_path / "a.tif")
    assert reads_back(image)
    assert reads_back(replace(image, axes="TYX"))
    assert not reads_back(replace(image, array=noise((6, 40, 20))))
    assert not reads_back(replace(image, array=noise((6, 40, 40)).astype(float)))
    assert not reads_back(replace(image, source=tmp_path / "gone.tif"))
    assert not reads_back(replace(image, source=None))
    crop = replace(image, array=noise((5, 40, 40)))
    (back,) = stored(tmp_path, Sample(crop, LabelImage(labels_of((5, 40, 40)))))
    assert back.image.source is None
    np.testing.assert_array_equal(back.image.array[...], crop.array)


def test_time_points_of_a_file_come_back_as_such(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noise((6, 40, 40)))
    image = read_image(tmp_path / "a.tif", axes="TYX")
    (back,) = stored(tmp_path, Sample(image, LabelImage(labels_of((6, 40, 40)), "TYX")))
    assert back.image.axes == "TYX"


def test_a_level_of_a_store_comes_back(tmp_path):
    write_ome_zarr(tmp_path / "a.ome.zarr", noise((40, 40)), "YX", (1.0, 1.0))
    image = read_image(tmp_path / "a.ome.zarr")
    assert image.level
    (back,) = stored(tmp_path, Sample(image, LabelImage(labels_of((40, 40)))))
    assert (back.image.source, back.image.level) == (image.source, image.level)


def test_a_part_of_a_file_comes_back(tmp_path):
    path = tmp_path / "a.h5" / "raw"
    write_hdf5(path.parent, raw=noise((40, 40)), labels=labels_of((40, 40)))
    image = read_image(path)
    (back,) = stored(tmp_path, Sample(image, LabelImage(labels_of((40, 40)))))
    assert back.image.source == path
    assert not list((tmp_path / "data").glob("image*"))
    np.testing.assert_array_equal(back.image.array[...], noise((40, 40)))
    write_hdf5(path.parent, more=noise((9, 9)))
    with pytest.raises(DataError, match=r"raw has changed since"):
        read_samples(tmp_path / "data")
    path.parent.unlink()
    with pytest.raises(DataError, match=r"raw, which was trained on, is not there"):
        read_samples(tmp_path / "data")


@pytest.mark.parametrize("name", ["a.mrc", "a.n5"])
def test_other_formats_come_back(tmp_path, name):
    pixels = noise((4, 40, 40)).astype(np.int16)
    write = write_mrc if name == "a.mrc" else write_n5
    write(tmp_path / name, pixels)
    image = read_image(tmp_path / name)
    (back,) = stored(tmp_path, Sample(image, LabelImage(labels_of((4, 40, 40)))))
    assert back.image.source == tmp_path / name
    np.testing.assert_array_equal(back.image.array[...], pixels)


def test_a_level_of_n5_comes_back(tmp_path):
    write_n5(tmp_path / "a.n5/raw/s0", noise((40, 40)))
    write_n5(tmp_path / "a.n5/raw/s1", noise((20, 20)))
    image = read_image(tmp_path / "a.n5")
    (back,) = stored(tmp_path, Sample(image, LabelImage(labels_of((40, 40)))))
    assert (back.image.source, back.image.level) == (tmp_path / "a.n5", "raw/s0")


def test_samples_of_older_formats_are_read(tmp_path):
    sample = Sample(Image(noise((40, 40))), LabelImage(labels_of((40, 40))))
    stored(tmp_path, sample)
    index = entries(tmp_path / "data")
    assert index["format_version"] == 2
    index["format_version"] = 1
    for entry in index["samples"]:
        del entry["wholes"], entry["image"]["level"]
        del entry["labels"]["classes"], entry["labels"]["voxel_size"]
    (tmp_path / "data/samples.json").write_text(json.dumps(index))
    (back,) = read_samples(tmp_path / "data").samples
    np.testing.assert_array_equal(back.labels.array[...], sample.labels.array)


def test_samples_of_newer_formats_are_refused(tmp_path):
    stored(tmp_path, Sample(Image(noise((9, 9))), LabelImage(labels_of((9, 9)))))
    index = entries(tmp_path / "data") | {"format_version": 3}
    (tmp_path / "data/samples.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match=r"version 3.*up to 2; update"):
        read_samples(tmp_path / "data")


@pytest.mark.parametrize("text", ["{", "[]", '{"format_version": 2}', '"x"'])
def test_damaged_samples(tmp_path, text):
    (tmp_path / "samples.json").write_text(text)
    with pytest.raises(DataError, match="damaged"):
        read_samples(tmp_path)


def test_a_folder_without_samples(tmp_path):
    with pytest.raises(DataError, match=r"holds no samples .*samples\.json"):
        read_samples(tmp_path)


def test_large_arrays_are_copied_in_parts(tmp_path):
    pixels = RecordingArray(shape=(3, 3000, 3000))
    sample = Sample(
        Image(pixels, "ZYX"), LabelImage(RecordingArray(shape=pixels.shape))
    )
    stored(tmp_path, sample)
    assert max(pixels.reads) <= 1 << 24


def test_facts_of_the_default_config_are_the_same(tmp_path):
    sample = Sample(Image(noise((60, 60))), LabelImage(labels_of((60, 60)) > 1))
    config = ExperimentConfig()
    back = stored(tmp_path, sample)
    assert gather_facts(Dataset(back), config) == gather_facts(
        Dataset((sample,)), config
    )
