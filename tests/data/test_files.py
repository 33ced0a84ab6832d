from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.io.helpers import write_hdf5, write_mrc

from napari_segtrain.config import DataConfig
from napari_segtrain.data.files import open_dataset, open_images
from napari_segtrain.errors import DataError


def write(path: Path, shape=(20, 30), *, labels=False) -> Path:
    path.parent.mkdir(exist_ok=True)
    values = np.random.default_rng(0).integers(0, 3 if labels else 255, shape)
    tifffile.imwrite(path, values.astype(np.uint8), photometric="minisblack")
    return path


@pytest.fixture
def folders(tmp_path):
    images, labels = tmp_path / "image", tmp_path / "label"
    for name in ("b.tif", "a.tif", "d.tif"):
        write(images / name)
    for name in ("a.tif", "b.tif", "c.tif"):
        write(labels / name, labels=True)
    return images, labels


def test_both_are_needed(tmp_path):
    with pytest.raises(DataError, match="--images and --labels"):
        open_dataset(DataConfig(images=tmp_path))


def test_two_files_are_one_sample(tmp_path):
    image = write(tmp_path / "image" / "a.tif")
    truth = write(tmp_path / "label" / "mask.tif", labels=True)
    opened = open_dataset(DataConfig(images=image, labels=truth))
    assert [sample.name for sample in opened.dataset.samples] == ["a"]
    assert opened.unmatched == ()


def test_two_parts_of_a_file_are_one_sample(tmp_path):
    file = tmp_path / "a.h5"
    write_hdf5(file, raw=np.ones((20, 30), "u2"), labels=np.eye(20, 30, dtype="u1"))
    config = DataConfig(images=file / "raw", labels=file / "labels")
    (sample,) = open_dataset(config).dataset.samples
    assert (sample.image.source, sample.labels.source) == (
        file / "raw",
        file / "labels",
    )
    assert [image.source for image in open_images(file / "raw")] == [file / "raw"]
    with pytest.raises(DataError, match="holds 2 arrays"):
        open_dataset(DataConfig(images=file, labels=file / "labels"))


def test_formats_are_paired_by_name(tmp_path):
    images, labels = tmp_path / "image", tmp_path / "label"
    for folder in (images, labels):
        folder.mkdir()
    for name in ("a", "b"):
        write_mrc(images / f"{name}.rec", np.ones((4, 20, 30), np.int16))
        write_hdf5(labels / f"{name}_labels.h5", exported=np.ones((4, 20, 30), "u1"))
    opened = open_dataset(DataConfig(images=images, labels=labels))
    assert [sample.name for sample in opened.dataset.samples] == ["a", "b"]
    assert opened.unmatched == ()


def test_folders_are_paired_by_name_and_the_others_are_listed(folders):
    images, labels = folders
    opened = open_dataset(DataConfig(images=images, labels=labels))
    assert [sample.name for sample in opened.dataset.samples] == ["a", "b"]
    assert opened.dataset.samples[0].labels.source == labels / "a.tif"
    assert set(opened.unmatched) == {images / "d.tif", labels / "c.tif"}


def test_what_the_files_do_not_say_comes_from_the_config(tmp_path):
    image = write(tmp_path / "image" / "a.tif", (4, 20, 30))
    truth = write(tmp_path / "label" / "a.tif", (4, 20, 30), labels=True)
    config = DataConfig(images=image, labels=truth, axes="TYX", voxel_size=(0.5, 0.5))
    dataset = open_dataset(config).dataset
    assert dataset.samples[0].image.axes == dataset.samples[0].labels.axes == "TYX"
    assert dataset.voxel_size == (0.5, 0.5)
    assert len(dataset.pairs()) == 4


def slices(tmp_path):
    for number in range(1, 6):
        write(tmp_path / "image" / f"z{number:02d}.tif")
        write(tmp_path / "label" / f"z{number:02d}.tif", labels=True)
    return {"images": tmp_path / "image", "labels": tmp_path / "label"}


def test_a_folder_is_read_as_one_volume_when_asked_for(tmp_path):
    config = DataConfig(stack=True, voxel_size=(2, 1, 1), **slices(tmp_path))
    dataset = open_dataset(config).dataset
    (pair,) = dataset.pairs()
    assert pair.shape == (5, 20, 30)
    assert dataset.voxel_size == (2, 1, 1)
    assert [image.axes for image in open_images(config.images, stack=True)] == ["ZYX"]


def test_slices_of_a_volume_are_not_taken_for_flat_images_in_3d(tmp_path):
    config = DataConfig(**slices(tmp_path))
    with pytest.raises(DataError, match=r"5 flat files.*--stack"):
        open_dataset(config, wants_3d=True)
    assert len(open_dataset(config).dataset.pairs()) == 5


def test_images_alone_are_opened_in_order(folders):
    images, _ = folders
    assert [image.name for image in open_images(images)] == ["a", "b", "d"]
    assert [image.name for image in open_images(images / "a.tif")] == ["a"]


def test_sizes_that_do_not_fit_are_found_when_the_files_are_opened(folders):
    images, labels = folders
    write(labels / "b.tif", (20, 31), labels=True)
    with pytest.raises(DataError, match=r"\(20, 31\).*\(20, 30\)"):
        open_dataset(DataConfig(images=images, labels=labels))
