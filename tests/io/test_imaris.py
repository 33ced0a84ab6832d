from __future__ import annotations

import h5py
import numpy as np
import pytest
from tests.io.helpers import voxels

from napari_segtrain.errors import DataError
from napari_segtrain.io import read_image


def characters(text):
    return np.array(list(str(text)), "S1")


def write_imaris(path, data, *, padding=0, extent=(3.0, 8.0, 6.0), unit="um"):
    """Write TCZYX voxels with a coarser level, sizes as single characters."""
    n_times, n_channels = data.shape[:2]
    with h5py.File(path, "w") as hdf5:
        info = hdf5.create_group("DataSetInfo/Image")
        info.attrs["Unit"] = characters(unit)
        for number, size in enumerate(extent[::-1]):
            info.attrs[f"ExtMin{number}"] = characters(-1.5)
            info.attrs[f"ExtMax{number}"] = characters(size - 1.5)
        for channel in range(n_channels):
            names = hdf5.create_group(f"DataSetInfo/Channel {channel}")
            names.attrs["Name"] = characters(f"dye {channel}")
        for level, step in enumerate((1, 2)):
            for t in range(n_times):
                for c in range(n_channels):
                    where = f"DataSet/ResolutionLevel {level}/TimePoint {t}/Channel {c}"
                    stored = data[t, c, :, ::step, ::step]
                    group = hdf5.create_group(where)
                    for axis, size in zip("ZYX", stored.shape, strict=True):
                        group.attrs[f"ImageSize{axis}"] = characters(size)
                    group["Data"] = np.pad(stored, (0, padding))
                    group["Histogram"] = np.zeros(256, np.uint64)
        hdf5["Thumbnail/Data"] = voxels(16, 64)


@pytest.mark.parametrize("padding", [0, 5])
def test_times_and_channels(tmp_path, padding):
    data = voxels(3, 2, 4, 20, 30, dtype=np.uint16)
    write_imaris(tmp_path / "a.ims", data, padding=padding)
    image = read_image(tmp_path / "a.ims")
    assert (image.axes, image.array.shape) == ("TCZYX", data.shape)
    assert image.voxel_size == pytest.approx((0.75, 0.4, 0.2))
    assert image.channel_names == ("dye 0", "dye 1")
    np.testing.assert_array_equal(image.array, data)
    np.testing.assert_array_equal(image.array[1:, -1, 2, ::3], data[1:, -1, 2, ::3])


def test_one_channel_is_a_volume(tmp_path):
    data = voxels(1, 1, 4, 20, 30)
    write_imaris(tmp_path / "a.ims", data, unit="nm")
    image = read_image(tmp_path / "a.ims")
    assert image.axes == "ZYX"
    assert image.voxel_size == pytest.approx((0.75e-3, 0.4e-3, 0.2e-3))
    np.testing.assert_array_equal(image.array, data[0, 0])


def test_eleven_times_are_in_order(tmp_path):
    data = voxels(11, 1, 1, 8, 9)
    write_imaris(tmp_path / "a.ims", data)
    np.testing.assert_array_equal(read_image(tmp_path / "a.ims").array, data[:, 0, 0])


@pytest.mark.parametrize(
    ("extent", "unit"), [((4.0, 20.0, 30.0), "um"), ((3.0, 8.0, 6.0), "pixel")]
)
def test_without_calibration_the_size_is_unknown(tmp_path, extent, unit):
    write_imaris(tmp_path / "a.ims", voxels(1, 1, 4, 20, 30), extent=extent, unit=unit)
    assert read_image(tmp_path / "a.ims").voxel_size is None


def test_what_is_not_told_is_unknown(tmp_path):
    data = voxels(1, 2, 4, 20, 30)
    write_imaris(tmp_path / "a.ims", data, padding=2)
    with h5py.File(tmp_path / "a.ims", "a") as hdf5:
        del hdf5["DataSetInfo/Image"].attrs["ExtMax1"]
        del hdf5["DataSetInfo/Channel 1"].attrs["Name"]
        for axis in "ZYX":
            first = hdf5["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0"]
            del first.attrs[f"ImageSize{axis}"]
    image = read_image(tmp_path / "a.ims")
    assert (image.voxel_size, image.channel_names) == (None, ())
    assert image.array.shape == (2, 6, 22, 32)


def test_coarser_level_by_its_path(tmp_path):
    data = voxels(1, 1, 4, 20, 30)
    write_imaris(tmp_path / "a.ims", data)
    where = "DataSet/ResolutionLevel 1/TimePoint 0/Channel 0/Data"
    image = read_image(tmp_path / "a.ims" / where)
    np.testing.assert_array_equal(image.array, data[0, 0, :, ::2, ::2])


def test_one_channel_is_read_although_another_is_gone(tmp_path):
    data = voxels(1, 3, 4, 20, 30)
    write_imaris(tmp_path / "a.ims", data)
    with h5py.File(tmp_path / "a.ims", "a") as hdf5:
        del hdf5["DataSet/ResolutionLevel 0/TimePoint 0/Channel 1/Data"]
    array = read_image(tmp_path / "a.ims").array
    np.testing.assert_array_equal(array[2, 1:3], data[0, 2, 1:3])
    with pytest.raises(DataError, match=r"a\.ims cannot be read"):
        array[1]
