from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import tifffile
from tests.io.helpers import voxels

from napari_segtrain.errors import DataError
from napari_segtrain.io import read_labels


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "i8", "u8", "?"])
def test_integers_and_booleans_stay(tmp_path, dtype):
    data = (voxels(3, 12, 16) % 4).astype(dtype)
    np.save(tmp_path / "a.npy", data)
    labels = read_labels(tmp_path / "a.npy")
    assert labels.array.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(labels.array, data)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_whole_floats_become_integers(tmp_path, dtype):
    data = (voxels(3, 12, 16) % 4).astype(dtype) - 1
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack")
    labels = read_labels(tmp_path / "a.tif")
    assert labels.array.dtype == np.int64
    np.testing.assert_array_equal(labels.array, data)


@pytest.mark.parametrize("value", [0.5, -0.25, np.nan, np.inf, 1e30])
def test_other_floats_fail_where_they_are_read(tmp_path, value):
    data = np.ones((3, 12, 16), np.float32)
    data[1, 5, 7] = value
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack")
    labels = read_labels(tmp_path / "a.tif")
    assert labels.array[0].sum() == 12 * 16
    with pytest.raises(
        DataError, match=f"the value {np.float32(value):g}".replace("+", r"\+")
    ):
        labels.array[1]


def test_gray_rgb_is_one_channel(tmp_path):
    data = voxels(12, 16) % 3
    PIL.Image.fromarray(np.dstack([data] * 3)).save(tmp_path / "a.png")
    labels = read_labels(tmp_path / "a.png")
    assert labels.axes == "YX"
    np.testing.assert_array_equal(labels.array, data)
    np.testing.assert_array_equal(labels.array[3:5, -1], data[3:5, -1])


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_gray_rgb_stack(tmp_path, planar):
    data = voxels(4, 24, 32) % 3
    axis = -1 if planar == "contig" else 1
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.stack([data] * 3, axis),
        photometric="rgb",
        planarconfig=planar,
    )
    labels = read_labels(tmp_path / "a.tif")
    assert labels.axes == "ZYX"
    np.testing.assert_array_equal(labels.array, data)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_colors_are_refused_at_once(tmp_path, name):
    data = voxels(12, 16, 3)
    if name == "a.png":
        PIL.Image.fromarray(data).save(tmp_path / name)
    else:
        tifffile.imwrite(tmp_path / name, data, photometric="rgb")
    with pytest.raises(DataError, match="color picture; save one whole number"):
        read_labels(tmp_path / name)


def test_colors_in_a_later_slice_are_refused_when_read(tmp_path):
    data = np.ones((4, 24, 32, 3), np.uint8)
    data[2, 3, 4, 1] = 9
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb")
    labels = read_labels(tmp_path / "a.tif")
    with pytest.raises(DataError, match="color picture"):
        labels.array[2]


def test_two_channels_are_refused(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.ome.tif", voxels(2, 12, 16), metadata={"axes": "CYX"}
    )
    with pytest.raises(DataError, match="have 2 channels"):
        read_labels(tmp_path / "a.ome.tif")


def test_complex_numbers_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((12, 16), np.complex64))
    with pytest.raises(DataError, match="type complex64; save them as integers"):
        read_labels(tmp_path / "a.npy")


def test_classes_of_others_are_unknown(tmp_path):
    tifffile.imwrite(tmp_path / "a.ome.tif", voxels(12, 16))
    assert read_labels(tmp_path / "a.ome.tif").classes is None


def test_items_and_boxes(tmp_path):
    data = (voxels(2, 3, 12, 16) % 4).astype(np.float32)
    np.save(tmp_path / "a.npy", data)
    labels = read_labels(tmp_path / "a.npy", axes="TZYX")
    items = labels.items()
    assert [item.shape for item in items] == [(3, 12, 16)] * 2
    box = (slice(1, 3), slice(2, 5), slice(0, 16))
    np.testing.assert_array_equal(items[1].read(box)[0], data[1, 1:3, 2:5])
