from __future__ import annotations

import struct

import mrcfile
import numpy as np
import pytest
from tests.io.helpers import voxels, write_mrc

from napari_segtrain.errors import DataError
from napari_segtrain.io import list_images, read_image, read_labels

IMOD_STAMP = 1146047817


def patch(path, offset, form, *values):
    """Write values over the header."""
    with path.open("rb+") as file:
        file.seek(offset)
        file.write(struct.pack(form, *values))


@pytest.mark.parametrize("name", ["a.mrc", "a.rec", "a.st", "a.map", "a.MRC"])
@pytest.mark.parametrize("dtype", ["i1", "i2", "u2", "f4", "f2"])
def test_modes(tmp_path, name, dtype):
    data = (voxels(4, 20, 30) / 4 - 20).astype(dtype)
    write_mrc(tmp_path / name, data)
    image = read_image(tmp_path / name)
    assert (image.axes, image.name, image.array.dtype) == ("ZYX", "a", np.dtype(dtype))
    assert image.voxel_size is None
    np.testing.assert_array_equal(image.array, data)
    np.testing.assert_array_equal(image.array[1, ::-4], data[1, ::-4])
    assert list_images(tmp_path) == [tmp_path / name]


@pytest.mark.parametrize("dtype", [">i2", ">f4", ">i1"])
@pytest.mark.parametrize("stamp", [b"\x11\x11\x00\x00", bytes(4), b"\x44\x44\x00\x00"])
def test_other_order_of_bytes(tmp_path, dtype, stamp):
    data = (voxels(4, 20, 130) / 4).astype(dtype)
    with mrcfile.new(tmp_path / "b.mrc") as mrc:
        mrc.set_data(data)
        header = mrc.header.astype(mrc.header.dtype.newbyteorder(">"))
    (tmp_path / "a.mrc").write_bytes(header.tobytes() + data.tobytes())
    patch(tmp_path / "a.mrc", 212, "4s", stamp)
    image = read_image(tmp_path / "a.mrc")
    assert image.array.dtype.isnative
    np.testing.assert_array_equal(image.array, data)


def test_single_image(tmp_path):
    write_mrc(tmp_path / "a.mrc", np.int16(voxels(20, 30)))
    assert read_image(tmp_path / "a.mrc").axes == "YX"


def test_image_stack_has_sections(tmp_path):
    data = np.int16(voxels(4, 20, 30))
    with mrcfile.new(tmp_path / "a.st") as mrc:
        mrc.set_data(data)
        mrc.set_image_stack()
    assert read_image(tmp_path / "a.st").axes == "ZYX"
    assert read_image(tmp_path / "a.st", axes="TYX").axes == "TYX"


def test_volumes_of_a_stack_are_items(tmp_path):
    data = np.int16(voxels(3, 4, 20, 30))
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(data)
        assert mrc.is_volume_stack()
        mrc.voxel_size = (2.0, 3.0, 5.0)
    image = read_image(tmp_path / "a.mrc")
    assert image.axes == "TZYX"
    assert image.voxel_size == pytest.approx((5e-4, 3e-4, 2e-4))
    np.testing.assert_array_equal(image.array, data)
    patch(tmp_path / "a.mrc", 36, "i", 5)  # does not divide the number of sections
    assert read_image(tmp_path / "a.mrc").array.shape == (12, 20, 30)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((40.0, 40.0, 50.0), (5e-3, 4e-3, 4e-3)),
        ((2.0, 3.0, 5.0), (5e-4, 3e-4, 2e-4)),
        ((1.0, 1.0, 2.0), (2e-4, 1e-4, 1e-4)),
        ((1.0, 1.0, 1.0), None),  # IMOD, where nothing is known
        ((0.0, 0.0, 0.0), None),
    ],
)
def test_voxel_size(tmp_path, size, expected):
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(np.int16(voxels(4, 20, 30)))
        mrc.voxel_size = size
    found = read_image(tmp_path / "a.mrc").voxel_size
    assert found == (expected and pytest.approx(expected))


def test_cell_without_a_grid_is_unknown(tmp_path):
    write_mrc(tmp_path / "a.mrc", np.int16(voxels(4, 20, 30)))
    patch(tmp_path / "a.mrc", 28, "3i3f", 0, 0, 0, 120.0, 120.0, 40.0)
    assert read_image(tmp_path / "a.mrc").voxel_size is None


def test_voxel_size_of_a_part_of_a_cell(tmp_path):
    write_mrc(tmp_path / "a.mrc", np.int16(voxels(4, 20, 30)))
    patch(tmp_path / "a.mrc", 28, "3i3f", 60, 40, 8, 120.0, 120.0, 40.0)
    found = read_image(tmp_path / "a.mrc").voxel_size
    assert found == pytest.approx((5e-4, 3e-4, 2e-4))


def test_sections_along_another_axis(tmp_path):
    write_mrc(tmp_path / "a.map", np.int16(voxels(4, 20, 30)))
    patch(tmp_path / "a.map", 28, "3i3f", 10, 10, 10, 20.0, 30.0, 50.0)
    patch(tmp_path / "a.map", 64, "3i", 3, 1, 2)  # columns along Z, sections along Y
    found = read_image(tmp_path / "a.map").voxel_size
    assert found == pytest.approx((3e-4, 2e-4, 5e-4))
    patch(tmp_path / "a.map", 64, "3i", 0, 0, 0)  # old files do not say
    found = read_image(tmp_path / "a.map").voxel_size
    assert found == pytest.approx((5e-4, 3e-4, 2e-4))


@pytest.mark.parametrize(
    ("stamp", "flags", "maximum", "dtype"),
    [
        (0, 0, 100.0, "i1"),
        (0, 0, 200.0, "u1"),
        (IMOD_STAMP, 0, 100.0, "u1"),
        (IMOD_STAMP, 1, 100.0, "i1"),
        (IMOD_STAMP, 13, 100.0, "i1"),
        (IMOD_STAMP, 4, 100.0, "u1"),
    ],
)
def test_bytes_of_imod(tmp_path, stamp, flags, maximum, dtype):
    data = voxels(4, 20, 30)
    write_mrc(tmp_path / "a.rec", data.view(np.int8))
    patch(tmp_path / "a.rec", 152, "2i", stamp, flags)
    patch(tmp_path / "a.rec", 80, "f", maximum)
    image = read_image(tmp_path / "a.rec")
    assert image.array.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(image.array, data.view(dtype))


def test_extended_header_is_skipped(tmp_path):
    data = np.float32(voxels(4, 20, 30))
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(data)
        mrc.set_extended_header(np.arange(500, dtype="u1"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.mrc").array, data)


def test_old_header_without_a_mark(tmp_path):
    data = np.int16(voxels(4, 20, 30))
    write_mrc(tmp_path / "a.mrc", data)
    patch(tmp_path / "a.mrc", 208, "8s", bytes(8))
    np.testing.assert_array_equal(read_image(tmp_path / "a.mrc").array, data)
    with (tmp_path / "a.mrc").open("ab") as file:
        file.write(b"more")
    with pytest.raises(DataError, match="is no MRC file"):
        read_image(tmp_path / "a.mrc")


@pytest.mark.parametrize(
    ("mode", "words"), [(3, "complex numbers"), (4, "complex"), (16, "colors")]
)
def test_other_modes_are_refused(tmp_path, mode, words):
    write_mrc(tmp_path / "a.mrc", np.int16(voxels(4, 20, 30)))
    patch(tmp_path / "a.mrc", 12, "i", mode)
    with pytest.raises(DataError, match=rf"MRC mode {mode} \({words}"):
        read_image(tmp_path / "a.mrc")


def test_labels(tmp_path):
    data = np.int16(voxels(4, 20, 30) % 3)
    write_mrc(tmp_path / "a.mrc", data)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.mrc").array, data)
    write_mrc(tmp_path / "b.mrc", np.float32(data))
    assert read_labels(tmp_path / "b.mrc").array.dtype == np.int64


def test_only_the_box_is_read(tmp_path):
    path = tmp_path / "a.mrc"
    write_mrc(path, np.int16(voxels(2, 20, 30)))
    patch(path, 0, "3i", 6000, 6000, 3000)
    with path.open("rb+") as file:
        file.truncate(1024 + 2 * 6000 * 6000 * 3000)  # holes take no space
        file.seek(1024 + 2 * (1500 * 6000 * 6000 + 10 * 6000 + 20))
        file.write(np.arange(5, dtype="i2").tobytes())
    array = read_image(path).array
    np.testing.assert_array_equal(array[1500, 10, 20:26], [0, 1, 2, 3, 4, 0])
    assert not array[2999, 5990:, 5990:].any()
