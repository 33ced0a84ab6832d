from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_segtrain.data.samples import SAMPLES, SampleInfo, sample_dir
from napari_segtrain.errors import DataError

SPLITS = ("train", "test")

each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
each_split = pytest.mark.parametrize("split", SPLITS)


def pairs(sample: SampleInfo, split: str, kind: str = "label") -> list[tuple]:
    folder = sample_dir(sample.name) / split
    images = {path.name: path for path in (folder / "image").iterdir()}
    labels = {path.name: path for path in (folder / kind).iterdir()}
    assert images.keys() == labels.keys()
    return [
        (tifffile.imread(images[name]), tifffile.imread(labels[name]))
        for name in sorted(images)
    ]


@each_sample
@each_split
def test_images_and_labels_pair_up(sample: SampleInfo, split: str) -> None:
    found = pairs(sample, split)
    assert found
    for image, labels in found:
        assert image.ndim == sample.dims
        assert image.shape == labels.shape
        assert image.min() < image.max()


@each_sample
@each_split
def test_label_values_are_the_classes_or_ids(sample: SampleInfo, split: str) -> None:
    for _, labels in pairs(sample, split):
        values = np.unique(labels)
        if sample.target == "semantic":
            assert values.tolist() == list(range(sample.n_classes))
        else:
            assert values[0] == 0
            assert len(values) > 10


def test_axons_are_tested_on_another_animal() -> None:
    folder = sample_dir("axons")
    animals = [
        {path.name.split("_")[0] for path in (folder / split / "image").iterdir()}
        for split in SPLITS
    ]
    assert animals[0].isdisjoint(animals[1])


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.has_strokes])
def test_strokes_are_sparse_and_agree_with_the_dense_labels(sample: SampleInfo) -> None:
    dense = [labels for _, labels in pairs(sample, "train")]
    sparse = [labels for _, labels in pairs(sample, "train", "strokes")]
    for labels, strokes in zip(dense, sparse, strict=True):
        painted = strokes > 0
        assert 0.03 < painted.mean() < 0.05
        assert set(np.unique(strokes)) == set(range(sample.n_classes + 1))
        np.testing.assert_array_equal(strokes[painted] - 1, labels[painted])


@each_split
def test_embryo_files_carry_their_voxel_size(split: str) -> None:
    for path in sample_dir("embryo").glob(f"{split}/*/*.ome.tif"):
        with tifffile.TiffFile(path) as tif:
            assert tif.series[0].axes == "ZYX"
            assert 'PhysicalSizeZ="1.75" PhysicalSizeZUnit="µm"' in tif.ome_metadata
            assert 'PhysicalSizeX="0.8" PhysicalSizeXUnit="µm"' in tif.ome_metadata


@each_sample
def test_licence_and_credit_lie_beside_the_data(sample: SampleInfo) -> None:
    folder = sample_dir(sample.name)
    for name in ("LICENSE.txt", "CREDIT.md"):
        assert len((folder / name).read_text(encoding="utf-8")) > 500


def test_samples_leave_room_in_a_package_of_eight_megabytes() -> None:
    folder = sample_dir(SAMPLES[0].name).parent
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert size < 8e6


def test_unknown_sample_names_the_known_ones() -> None:
    with pytest.raises(DataError, match="axons, nuclei, embryo"):
        sample_dir("nuclie")
