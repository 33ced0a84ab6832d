from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import tifffile
from tests.io.helpers import voxels

from napari_segtrain.errors import DataError
from napari_segtrain.io import list_images, looks_like_slices, read_stack


def write_slices(folder, data, name="z{}.png", first=1):
    folder.mkdir(exist_ok=True)
    for index, plane in enumerate(data, first):
        path = folder / name.format(index)
        if path.suffix == ".png":
            PIL.Image.fromarray(plane).save(path)
        else:
            tifffile.imwrite(path, plane, compression="zlib")


def test_files_are_slices_in_natural_order(tmp_path):
    data = voxels(12, 20, 30)
    write_slices(tmp_path / "stack", data)
    image = read_stack(tmp_path / "stack")
    assert (image.axes, image.voxel_size, image.name) == ("ZYX", None, "stack")
    assert image.source == tmp_path / "stack"
    np.testing.assert_array_equal(image.array, data)
    np.testing.assert_array_equal(image.array[9:11, 3:5], data[9:11, 3:5])


def test_labels_axes_and_voxel_size(tmp_path):
    data = voxels(3, 20, 30, dtype=np.uint16) % 5
    write_slices(tmp_path / "stack", data, "{}.tif")
    labels = read_stack(tmp_path / "stack", voxel_size=(2, 1, 1), labels=True)
    assert (labels.axes, labels.voxel_size) == ("ZYX", (2.0, 1.0, 1.0))
    np.testing.assert_array_equal(labels.array, data)
    image = read_stack(tmp_path / "stack", axes="TYX")
    assert image.axes == "TYX"


def test_color_slices(tmp_path):
    data = voxels(3, 20, 30, 3)
    write_slices(tmp_path / "stack", data)
    image = read_stack(tmp_path / "stack")
    assert image.axes == "ZYXC"
    np.testing.assert_array_equal(image.array, data)


def test_reading_a_slice_opens_its_file_only(tmp_path):
    data = voxels(4, 20, 30)
    write_slices(tmp_path / "stack", data)
    array = read_stack(tmp_path / "stack").array
    for index in (1, 3, 4):
        (tmp_path / "stack" / f"z{index}.png").unlink()
    np.testing.assert_array_equal(array[1], data[1])


def test_odd_one_out_is_named(tmp_path):
    write_slices(tmp_path / "stack", voxels(4, 20, 30))
    PIL.Image.fromarray(voxels(20, 31)).save(tmp_path / "stack" / "z3.png")
    with pytest.raises(DataError, match=r"z3\.png is 20 Y × 31 X, but the first"):
        read_stack(tmp_path / "stack")


def test_types_must_agree(tmp_path):
    write_slices(tmp_path / "stack", voxels(2, 20, 30), "{}.tif")
    write_slices(tmp_path / "stack", voxels(1, 20, 30, dtype=np.uint16), "{}.tif", 3)
    with pytest.raises(DataError, match=r"3\.tif has values of type uint16"):
        read_stack(tmp_path / "stack")


def test_volumes_are_no_slices(tmp_path):
    (tmp_path / "stack").mkdir()
    for index in range(2):
        path = tmp_path / "stack" / f"{index}.tif"
        tifffile.imwrite(path, voxels(4, 20, 30), photometric="minisblack")
    with pytest.raises(DataError, match=r"0\.tif is not 2D"):
        read_stack(tmp_path / "stack")
    assert not looks_like_slices(list_images(tmp_path / "stack"))


def test_file_is_no_stack(tmp_path):
    write_slices(tmp_path, voxels(1, 20, 30))
    with pytest.raises(DataError, match="no folder"):
        read_stack(tmp_path / "z1.png")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["z1", "z2", "z3"], True),
        (["z08", "z09", "z10", "z11"], True),
        (["a_001_crop", "a_002_crop"], True),
        (["c1_z1", "c1_z2"], True),
        (["z1", "z3", "z4"], False),
        (["z1"], False),
        (["a1", "b2"], False),
        (["axon", "myelin"], False),
    ],
)
def test_consecutive_names_look_like_slices(tmp_path, names, expected):
    for name in names:
        PIL.Image.fromarray(voxels(12, 16)).save(tmp_path / f"{name}.png")
    assert looks_like_slices(list_images(tmp_path)) is expected


def test_other_sizes_do_not_look_like_slices(tmp_path):
    write_slices(tmp_path, voxels(2, 12, 16))
    PIL.Image.fromarray(voxels(12, 18)).save(tmp_path / "z3.png")
    assert not looks_like_slices(list_images(tmp_path))
