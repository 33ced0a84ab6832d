from __future__ import annotations

import errno

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.io.helpers import voxels

from napari_segtrain.errors import DataError, OutputError
from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.io import (
    Planes,
    read_image,
    read_labels,
    write_labels,
    write_probabilities,
)

CLASSES = ClassTable(
    (
        ClassInfo(0, "background", "#000000", "background", 100),
        ClassInfo(7, 'Zélle "A" <& µ>', "#e6194b", "class", 12),
        ClassInfo(255, "unlabelled", "#ffffff", "unlabelled", 3),
    ),
    zero="painted-slices",
)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
@pytest.mark.parametrize("compression", ["zlib", None])
def test_labels_come_back(tmp_path, dtype, compression):
    path = tmp_path / "a.ome.tif"
    data = voxels(4, 30, 40).astype(dtype)
    write_labels(
        path,
        data,
        axes="ZYX",
        voxel_size=(2, 0.5, 0.25),
        classes=CLASSES,
        compression=compression,
    )
    labels = read_labels(path)
    assert labels.axes == "ZYX"
    assert labels.voxel_size == (2.0, 0.5, 0.25)
    assert labels.array.dtype == np.dtype(dtype)
    assert labels.classes == CLASSES
    np.testing.assert_array_equal(labels.array, data)


def test_table_of_objects_comes_back(tmp_path):
    rows = (ClassInfo(0, "background", "#000000", "background"),)
    table = ClassTable(rows, is_objects=True, zero="dense")
    write_labels(tmp_path / "a.tif", voxels(9, 9), axes="YX", classes=table)
    assert read_labels(tmp_path / "a.tif").classes == table


def test_other_programs_can_read_it(tmp_path):
    data = voxels(4, 30, 40)
    write_labels(
        tmp_path / "a.ome.tif", data, axes="ZYX", voxel_size=(2, 1, 1), classes=CLASSES
    )
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert tif.is_ome
        assert tif.series[0].axes == "ZYX"
        np.testing.assert_array_equal(tif.asarray(), data)
        assert 'PhysicalSizeZ="2' in tif.ome_metadata
        assert "Zélle" in tif.ome_metadata


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_axes_come_back(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("axes") / "a.ome.tif"
    leading = data.draw(st.lists(st.sampled_from("TZAP"), unique=True, max_size=3))
    axes = "".join(leading) + data.draw(st.sampled_from(["YX", "XY"]))
    shape = [data.draw(st.integers(2, 4)) for _ in axes]
    labels = voxels(*shape)
    write_labels(path, labels, axes=axes)
    found = read_labels(path)
    assert sorted(found.axes) == sorted(axes)
    order = [axes.index(axis) for axis in found.axes]
    np.testing.assert_array_equal(found.array, labels.transpose(order))


def test_scenes_stay_an_item_axis(tmp_path):
    data = voxels(3, 4, 20, 30)
    write_labels(tmp_path / "a.ome.tif", data, axes="SZYX")
    labels = read_labels(tmp_path / "a.ome.tif")
    assert labels.axes == "TZYX"
    np.testing.assert_array_equal(labels.array, data)


@pytest.mark.parametrize(("dtype", "stored"), [("?", "u1"), ("i8", "i4"), ("u8", "u4")])
def test_types_that_ome_lacks_are_narrowed(tmp_path, dtype, stored):
    data = (voxels(3, 20, 30) % 2).astype(dtype)
    write_labels(tmp_path / "a.ome.tif", data, axes="ZYX")
    labels = read_labels(tmp_path / "a.ome.tif")
    assert labels.array.dtype == np.dtype(stored)
    np.testing.assert_array_equal(labels.array, data)


@pytest.mark.parametrize("value", [2**40, -(2**40)])
def test_values_beyond_32_bits_leave_no_file(tmp_path, value):
    data = np.zeros((3, 20, 30), np.int64)
    data[2, 1, 1] = value
    with pytest.raises(DataError, match=f"label value {value} does not fit"):
        write_labels(tmp_path / "a.ome.tif", data, axes="ZYX")
    assert list(tmp_path.iterdir()) == []


def test_planes_are_taken_one_by_one(tmp_path):
    data = voxels(4, 20, 30, dtype=np.uint16)
    alive = []

    def planes():
        for plane in data:
            alive.append(not (tmp_path / "a.ome.tif").exists())
            yield plane

    made = Planes(planes(), data.shape, data.dtype)
    write_labels(tmp_path / "a.ome.tif", made, axes="ZYX")
    assert alive == [True] * 4
    np.testing.assert_array_equal(read_labels(tmp_path / "a.ome.tif").array, data)


@pytest.mark.parametrize(
    "planes",
    [[np.zeros((20, 31), np.uint8)] * 4, [np.zeros((20, 30), np.uint8)] * 3],
    ids=["wrong size", "too few"],
)
def test_wrong_planes_leave_no_file(tmp_path, planes):
    made = Planes(planes, (4, 20, 30), np.dtype(np.uint8))
    with pytest.raises(ValueError, match="plane"):
        write_labels(tmp_path / "a.ome.tif", made, axes="ZYX")
    assert list(tmp_path.iterdir()) == []


def test_lazy_labels_are_copied_slice_by_slice(tmp_path):
    data = (voxels(5, 20, 30) % 3).astype(np.float32)
    np.save(tmp_path / "a.npy", data)
    labels = read_labels(tmp_path / "a.npy")
    write_labels(tmp_path / "b.ome.tif", labels.array, axes=labels.axes)
    np.testing.assert_array_equal(read_labels(tmp_path / "b.ome.tif").array, data)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("axes", ["CYX", "CZYX", "TCZYX", "TCYX", "ZCYX"])
def test_probabilities_come_back(tmp_path, dtype, axes):
    shape = [{"C": 3, "T": 2, "Z": 4, "Y": 20, "X": 30}[axis] for axis in axes]
    data = voxels(*shape, dtype=dtype)
    size = (2, 0.5, 0.25)[-3 if "Z" in axes else -2 :]
    names = ("background", "myelin", "axön")
    path = tmp_path / "a.ome.tif"
    write_probabilities(path, data, axes=axes, voxel_size=size, class_names=names)
    image = read_image(path)
    assert (image.axes, image.voxel_size) == (axes, size)
    assert image.channel_names == names
    assert image.array.dtype == dtype
    np.testing.assert_array_equal(image.array, data)


def test_probability_of_one_class(tmp_path):
    data = voxels(1, 20, 30)
    write_probabilities(
        tmp_path / "a.ome.tif", data, axes="CYX", class_names=["nucleus"]
    )
    image = read_image(tmp_path / "a.ome.tif")
    assert (image.axes, image.channel_names) == ("YX", ("nucleus",))


def test_wrong_types_are_refused(tmp_path):
    with pytest.raises(TypeError, match="labels must be integers"):
        write_labels(tmp_path / "a.tif", np.zeros((9, 9)), axes="YX")
    with pytest.raises(TypeError, match="uint8 or float32"):
        write_probabilities(tmp_path / "a.tif", np.zeros((2, 9, 9)), axes="CYX")
    planes = Planes([], (9, 9, 2), np.dtype(np.uint8))
    with pytest.raises(ValueError, match="end in YX"):
        write_labels(tmp_path / "a.tif", planes, axes="YXZ")


def test_large_files_are_big_tiff(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_segtrain.io.writing.BIG_TIFF_BYTES", 1000)
    write_labels(tmp_path / "a.ome.tif", voxels(40, 40), axes="YX")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert tif.is_bigtiff


def test_full_disk_leaves_no_file(tmp_path):
    def planes():
        yield np.zeros((20, 30), np.uint8)
        raise OSError(errno.ENOSPC, "No space left on device")

    made = Planes(planes(), (2, 20, 30), np.dtype(np.uint8))
    with pytest.raises(OutputError, match="disk is full"):
        write_labels(tmp_path / "a.ome.tif", made, axes="ZYX")
    assert list(tmp_path.iterdir()) == []


def test_broken_class_table_is_ignored(tmp_path):
    path = tmp_path / "a.ome.tif"
    notes = {"Namespace": "napari-segtrain/classes/1", "class 0": "{", "zero": "x"}
    metadata = {"axes": "YX", "MapAnnotation": notes}
    tifffile.imwrite(path, voxels(9, 9), metadata=metadata)
    labels = read_labels(path)
    assert labels.classes is None
