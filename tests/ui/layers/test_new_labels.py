from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from napari.components import ViewerModel
from napari.layers import Image

from napari_segtrain.errors import DataError, OutputError
from napari_segtrain.ui.layers import new_labels
from napari_segtrain.ui.layers.new_labels import (
    add_labels,
    add_stored_labels,
    fits_in_memory,
    open_stored_labels,
)
from napari_segtrain.ui.layers.reading import label_box, read_class_table
from napari_segtrain.ui.layers.samples import SampleRow, check_row
from napari_segtrain.ui.layers.stored_labels import StoredLabels


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def add(viewer: ViewerModel, *shape: int, **options: Any) -> Image:
    layer = Image(
        np.zeros(shape, np.uint8), **{"name": "cells", "rgb": False} | options
    )
    viewer.add_layer(layer)
    return layer


def show(layer: Image, low: tuple[int, ...], high: tuple[int, ...]) -> None:
    layer.corner_pixels = np.array([low, high])


def test_ready_to_paint(viewer) -> None:
    layer = add_labels(viewer, add(viewer, 30, 40))
    assert layer in viewer.layers
    assert viewer.layers.selection.active is layer
    assert (layer.name, layer.data.dtype) == ("cells labels", np.uint8)
    assert (layer.mode, layer.brush_size, layer.contiguous) == ("paint", 10, False)
    table = read_class_table(layer)
    assert table is not None
    assert [(row.value, row.role) for row in table.rows if row.value] == [
        (1, "background"), (2, "class"),
    ]  # fmt: skip
    assert table.zero == "auto"


def test_a_box_around_the_view(viewer) -> None:
    image = add(viewer, 5, 300, 400, scale=(4, 0.5, 0.5), units="um")
    show(image, (0, 100, 50), (0, 179, 149))
    layer = add_labels(viewer, image)
    assert layer.data.shape == (5, 80, 100)
    assert label_box(image, layer, "ZYX").offset == {"Z": 0, "Y": 100, "X": 50}
    assert [str(unit) for unit in layer.units] == ["micrometer"] * 3


def test_a_frame_shows_where_labels_end(viewer) -> None:
    image = add(viewer, 300, 400)
    show(image, (100, 50), (179, 149))
    assert add_labels(viewer, image).bounding_box.visible
    show(image, (0, 0), (299, 399))
    assert not add_labels(viewer, image).bounding_box.visible


def test_nearly_the_whole_view_is_the_whole(viewer) -> None:
    image = add(viewer, 300, 400)
    show(image, (10, 0), (299, 380))
    assert add_labels(viewer, image).data.shape == (300, 400)


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
@pytest.mark.parametrize(
    ("shape", "options", "axes"),
    [
        ((30, 40), {"rotate": 30, "shear": [0.2], "translate": (5, 6)}, "YX"),
        ((5, 30, 40), {"affine": np.diag([2, 0.5, 3, 1.0])}, "ZYX"),
        ((3, 30, 40), {}, "CYX"),
        ((3, 5, 30, 40), {"scale": (1, 4, 2, 2)}, "CZYX"),
        ((5, 3, 30, 40), {"scale": (4, 1, 2, 2)}, "ZCYX"),
        ((4, 30, 40), {"axis_labels": ("t", "y", "x")}, "TYX"),
        ((4, 3, 5, 30, 40), {}, "TCZYX"),
        ((30, 40, 3), {"rgb": True}, "YXC"),
    ],
)
def test_new_labels_fit_images_of_every_kind(viewer, shape, options, axes) -> None:
    image = add(viewer, *shape, **options)
    layer = add_labels(viewer, image, axes=axes)
    check_row(SampleRow((image,), layer, axes=axes))
    assert set(label_box(image, layer, axes).offset.values()) == {0}


def test_every_channel_shows_the_labels(viewer) -> None:
    layer = add_labels(viewer, add(viewer, 5, 3, 30, 40), axes="ZCYX")
    layer.data[:] = np.arange(1, 6).reshape(5, 1, 1, 1)
    for z, c in itertools.product(range(5), range(3)):
        viewer.dims.set_point((0, 1), (z, c))
        assert layer.get_value((z, c, 10, 10), world=True) == z + 1


def test_labels_of_a_level(viewer) -> None:
    levels = [np.zeros((5, 64, 64)), np.zeros((5, 32, 32))]
    image = Image(levels, multiscale=True, name="cells")
    viewer.add_layer(image)
    image.corner_pixels = np.array([[0, 8, 4], [0, 23, 19]])  # of level 1, on show
    assert image.data_level == 1
    layer = add_labels(viewer, image, level=1)
    assert layer.data.shape == (5, 16, 16)
    assert label_box(image, layer, "ZYX", level=1).offset == {"Z": 0, "Y": 8, "X": 4}
    layer = add_labels(viewer, image, level=0)
    assert layer.data.shape == (5, 32, 32)
    assert label_box(image, layer, "ZYX").offset == {"Z": 0, "Y": 16, "X": 8}


def test_slices_around_the_current_one_of_a_large_stack(viewer, monkeypatch) -> None:
    monkeypatch.setattr(new_labels, "MAX_BYTES", 5 * 30 * 40)
    image = add(viewer, 50, 30, 40, scale=(2, 1, 1))
    assert not fits_in_memory(image)
    viewer.dims.set_point(0, 40)
    layer = add_labels(viewer, image)
    assert layer.data.shape == (5, 30, 40)
    assert label_box(image, layer, "ZYX").offset["Z"] == 18
    viewer.dims.set_point(0, 98)
    assert label_box(image, add_labels(viewer, image), "ZYX").offset["Z"] == 45


def test_a_large_view_is_cut_around_its_middle(viewer, monkeypatch) -> None:
    monkeypatch.setattr(new_labels, "MAX_BYTES", 600)
    image = add(viewer, 30, 40)
    layer = add_labels(viewer, image)
    assert layer.data.size <= 600
    offset = label_box(image, layer, "YX").offset
    assert offset["Y"] == pytest.approx(15 - layer.data.shape[0] / 2, abs=1)


def test_all_of_a_volume_in_3d(viewer) -> None:
    image = add(viewer, 5, 30, 40)
    viewer.dims.ndisplay = 3
    assert add_labels(viewer, image).data.shape == (5, 30, 40)


def test_stored_labels(viewer, tmp_path) -> None:
    image = add(viewer, 5, 300, 400, name="a/b: c", scale=(2, 1, 1))
    layer = add_stored_labels(viewer, image, tmp_path / "new")
    assert isinstance(layer.data, StoredLabels)
    check_row(SampleRow((image,), layer))
    layer.paint((3, 250, 260), 2)
    path = layer.metadata["segtrain"]["store"]
    saved = zarr.open_array(path, mode="r")
    assert saved.shape == (5, 300, 400)
    assert saved[3, 250, 260] == 2
    again = add_stored_labels(viewer, image, tmp_path / "new")
    assert again.metadata["segtrain"]["store"] != path


def test_stepping_through_stored_labels_reads_a_slice_each(viewer, tmp_path) -> None:
    image = add(viewer, 40, 300, 400)
    layer = add_stored_labels(viewer, image, tmp_path)
    logged = Logged(layer.data)
    layer.data = logged
    logged.n_read = 0
    for z in range(10):
        viewer.dims.set_point(0, z)
    assert 0 < logged.n_read <= 10 * 300 * 400


class Logged:
    """A store that counts the voxels it is asked for."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.n_read = 0

    def __getitem__(self, key: Any) -> Any:
        part = self._array[key]
        self.n_read += np.size(part)
        return part

    def __setitem__(self, key: Any, value: Any) -> None:
        self._array[key] = value


def test_a_folder_that_cannot_be_written(viewer, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose a folder"):
        add_stored_labels(viewer, add(viewer, 30, 40), tmp_path / "file")
    assert len(viewer.layers) == 1


def test_stored_labels_are_opened_again(viewer, tmp_path) -> None:
    image = add(viewer, 5, 300, 400, scale=(2, 1, 1))
    layer = add_stored_labels(viewer, image, tmp_path)
    layer.paint((3, 250, 260), 2)
    layer.paint((0, 10, 260), 1)
    path = Path(layer.metadata["segtrain"]["store"])
    again = open_stored_labels(viewer, image, path)
    np.testing.assert_array_equal(np.asarray(again.data), np.asarray(layer.data))
    np.testing.assert_array_equal(again.scale, (2, 1, 1))
    assert read_class_table(again) == read_class_table(layer)
    again.paint((4, 10, 10), 2)
    assert zarr.open_array(str(path), mode="r")[4, 10, 10] == 2
    with pytest.raises(DataError, match=r"shape \(5, 300, 400\), but the image"):
        open_stored_labels(viewer, add(viewer, 5, 30, 40, name="other"), path)
    with pytest.raises(DataError, match="no Zarr array"):
        open_stored_labels(viewer, image, tmp_path)
