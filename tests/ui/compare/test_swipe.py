"""The swipe of the Compare dock: what is shown left and right of the line."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from tests.ui.compare.test_comparison_widget import (
    add,
    compare,
    errors_of,
    open_dock,
    shifted,
    volume,
)
from tests.ui.compare.test_several_segmentations import tick

from napari_segtrain.ui.compare.comparison_widget import ComparisonWidget
from napari_segtrain.ui.compare.error_layer import is_error_map
from napari_segtrain.ui.compare.small_labels import small_labels
from napari_segtrain.ui.compare.swipe import Swipe, is_swipe
from napari_segtrain.ui.compare.swiped_array import SwipedArray


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_layer(Image(volume().astype(float), scale=(3, 1, 1), name="image"))
    add(viewer, volume(), "truth", scale=(3, 1, 1))
    add(viewer, shifted(volume()), "bad", scale=(3, 1, 1))
    add(viewer, volume() % 2, "good", scale=(3, 1, 1))
    return viewer


@pytest.fixture
def dock(qtbot, viewer):
    widget = open_dock(qtbot, viewer)
    tick(widget)
    compare(qtbot, widget)
    yield widget
    widget.end()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=10_000)


def begin(qtbot, dock: ComparisonWidget) -> Swipe:
    dock.swipe_box.box.click()
    swipe = dock.swipe_box.swipe
    assert swipe is not None
    return swipe


def move(qtbot, dock: ComparisonWidget, position: int) -> None:
    dock.swipe_box.slider.setValue(position)
    qtbot.wait(20)


def drawn(layer: Labels, viewer: ViewerModel) -> np.ndarray:
    """Slice of a layer that is on the screen."""
    shown = np.asarray(layer.data[viewer.dims.current_step[0]])
    np.testing.assert_array_equal(layer._slice.image.raw, shown)  # noqa: SLF001
    return shown


@pytest.mark.parametrize("position", [0, 13, 40])
def test_left_of_the_line_is_one_layer_and_right_the_other(
    qtbot, dock, viewer, position
) -> None:
    swipe = begin(qtbot, dock)
    move(qtbot, dock, position)
    for z in (1, 3):
        viewer.dims.set_current_step(0, z)
        left, right = (drawn(layer, viewer) for layer in swipe.layers)
        truth, good = (viewer.layers[name].data[z] for name in ("truth", "good"))
        np.testing.assert_array_equal(left[:, :position], truth[:, :position])
        np.testing.assert_array_equal(right[:, position:], good[:, position:])
        assert not left[:, position:].any()
        assert not right[:, :position].any()
    assert swipe.line.data[0, 0, 1] == position - 0.5
    np.testing.assert_array_equal(swipe.line.data[0, 1], [32, 0])


def test_everything_is_as_before_when_it_is_off(qtbot, dock, viewer) -> None:
    viewer.layers["good"].visible = False
    viewer.layers.selection.active = viewer.layers["image"]
    before = [(layer.name, layer.visible) for layer in viewer.layers]
    begin(qtbot, dock)
    assert viewer.layers.selection.active is viewer.layers["image"]
    hidden = {"truth", "good", errors_of(viewer).name}
    assert {layer.name for layer in viewer.layers if not layer.visible} == hidden
    dock.swipe_box.box.click()
    assert [(layer.name, layer.visible) for layer in viewer.layers] == before
    assert dock.swipe_box.swipe is None
    assert dock.swipe_box.controls.isHidden()


def test_of_two_segmentations_these_are_shown(qtbot, dock, viewer) -> None:
    tick(dock, "bad")
    compare(qtbot, dock)
    swipe = begin(qtbot, dock)
    assert [layer.name for layer in swipe.layers] == [
        "swipe left: good", "swipe right: bad"
    ]  # fmt: skip
    dock.swipe_box.left_choice.setCurrentIndex(0)
    swipe = dock.swipe_box.swipe
    assert swipe.layers[0].name == "swipe left: truth"
    assert sum(is_swipe(layer) for layer in viewer.layers) == 3
    assert not viewer.layers["good"].visible
    dock.swipe_box.right_choice.setCurrentIndex(0)
    assert dock.swipe_box.swipe is None
    assert not any(is_swipe(layer) for layer in viewer.layers)
    assert viewer.layers["good"].visible
    dock.swipe_box.right_choice.setCurrentIndex(1)
    assert dock.swipe_box.swipe is not None


@pytest.mark.parametrize("name", ["truth", "good", "swipe left: truth", "swipe"])
def test_it_ends_when_a_layer_is_removed(qtbot, dock, viewer, name) -> None:
    begin(qtbot, dock)
    viewer.layers.remove(name)
    qtbot.waitUntil(lambda: dock.swipe_box.swipe is None, timeout=1000)
    assert not any(is_swipe(layer) for layer in viewer.layers)
    assert not dock.swipe_box.box.isChecked()
    for other in ("truth", "good"):
        assert other == name or viewer.layers[other].visible


def test_removing_all_layers_at_once(qtbot, dock, viewer) -> None:
    begin(qtbot, dock)
    viewer.layers.clear()
    qtbot.waitUntil(lambda: dock.swipe_box.swipe is None, timeout=1000)
    assert len(viewer.layers) == 0
    assert dock.swipe_box.isHidden()


def test_a_part_lies_where_it_lies(qtbot, viewer) -> None:
    part = volume()[2:, :, 5:].copy()
    add(viewer, part, "part", scale=(3, 1, 1), translate=(6, 0, 5))
    dock = open_dock(qtbot, viewer)
    dock.form.choose(viewer.layers["truth"], viewer.layers["part"])
    compare(qtbot, dock)
    swipe = begin(qtbot, dock)
    assert (dock.swipe_box.slider.minimum(), dock.swipe_box.slider.maximum()) == (5, 40)
    move(qtbot, dock, 20)
    viewer.dims.set_current_step(0, 3)
    left, right = swipe.layers
    np.testing.assert_array_equal(left.data[3][:, :20], volume()[3][:, :20])
    np.testing.assert_array_equal(right.data[1][:, 15:], volume()[3][:, 20:])
    assert not right.data[1][:, :15].any()
    np.testing.assert_array_equal(right.translate, (6, 0, 5))
    dock.end()


def test_other_axes_to_the_right(qtbot, dock, viewer) -> None:
    swipe = begin(qtbot, dock)
    viewer.dims.order = (2, 1, 0)
    assert swipe.axis == "Z"
    assert dock.swipe_box.slider.maximum() == 6
    move(qtbot, dock, 2)
    left, right = swipe.layers
    truth, good = viewer.layers["truth"].data, viewer.layers["good"].data
    np.testing.assert_array_equal(left.data[:2], truth[:2])
    np.testing.assert_array_equal(right.data[2:], good[2:])
    assert not swipe.line.visible
    viewer.dims.order = (0, 1, 2)
    assert swipe.axis == "X"
    assert swipe.line.visible


def test_the_view_of_volumes_ends_it(qtbot, dock, viewer) -> None:
    begin(qtbot, dock)
    viewer.dims.ndisplay = 3
    qtbot.waitUntil(lambda: dock.swipe_box.swipe is None, timeout=1000)
    assert viewer.layers["truth"].visible


def test_an_edit_is_shown(qtbot, dock, viewer) -> None:
    swipe = begin(qtbot, dock)
    viewer.layers["truth"].data = np.full_like(volume(), 2)
    qtbot.wait(20)
    shown = drawn(swipe.layers[0], viewer)
    assert (shown[:, : swipe.position] == 2).all()
    viewer.layers["truth"].data = volume()[:, :8]
    qtbot.waitUntil(lambda: dock.swipe_box.swipe is None, timeout=1000)


def test_a_new_comparison_ends_it(qtbot, dock, viewer) -> None:
    begin(qtbot, dock)
    compare(qtbot, dock)
    assert dock.swipe_box.swipe is None
    assert errors_of(viewer).visible


def test_swipes_cannot_be_compared_or_painted_on(qtbot, dock, viewer) -> None:
    swipe = begin(qtbot, dock)
    offered = dock.form.truth_choice.layers()
    assert not any(layer in offered for layer in swipe.layers)
    assert not any(layer.editable for layer in swipe.layers)


def test_errors_of_another_segmentation_wait_for_the_end(qtbot, dock, viewer) -> None:
    tick(dock, "bad")
    compare(qtbot, dock)
    begin(qtbot, dock)
    dock.segmentations.table.selectRow(1)
    assert not errors_of(viewer).visible
    dock.swipe_box.box.click()
    assert errors_of(viewer).name == "errors of bad"
    assert errors_of(viewer).visible


def test_of_a_store_each_slice_is_read_once() -> None:
    n_read = []

    def counted(block):
        n_read.append(block.shape)
        return block

    source = np.arange(4 * 6 * 8).reshape(4, 6, 8)
    store = da.from_array(source, chunks=(1, 6, 8)).map_blocks(
        counted, dtype=source.dtype, meta=np.zeros((0, 0, 0), source.dtype)
    )
    swiped = SwipedArray(store)
    for position in (2, 5, 8):
        swiped.kept = range(position)
        plane = swiped[1, :, :]
        np.testing.assert_array_equal(plane[:, :position], source[1, :, :position])
    assert n_read == [(1, 6, 8)]
    swiped.replace(store)
    np.testing.assert_array_equal(swiped[1], source[1])
    assert len(n_read) == 2


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_any_part_of_it_is_as_of_the_whole(axis) -> None:
    source = np.random.default_rng(0).integers(1, 9, (5, 6, 7))
    swiped = SwipedArray(source)
    swiped.axis, swiped.kept = axis, range(2, 4)
    expected = np.zeros_like(source)
    inside = (*(slice(None),) * axis, slice(2, 4))
    expected[inside] = source[inside]
    for key in (
        (), ..., 3, (slice(1, 5), 2), (2, slice(None), slice(None)),
        (slice(None), 3), (..., 2), (1, 2, 3), (slice(4, 1, -1), ...),
    ):  # fmt: skip
        np.testing.assert_array_equal(swiped[key], expected[key])
    np.testing.assert_array_equal(np.asarray(swiped), expected)


def test_labels_that_are_picked_above_a_byte(qtbot) -> None:
    """napari keeps in a colormap which label is selected."""
    viewer = ViewerModel()
    ids = np.arange(400, dtype=np.int32).reshape(20, 20)
    layer = Labels(ids, name="ids")
    viewer.add_layer(layer)
    layer.selected_label = 399
    layer.show_selected_label = True
    shrink, colormap = small_labels(layer)
    assert shrink is not None
    assert colormap is not layer.colormap
    assert not colormap.use_selection
    viewer.add_layer(Labels(shrink(ids), colormap=colormap))
    viewer.layers[-1].selected_label = 3
    assert layer.colormap.selection == 399


def test_a_swipe_does_not_bring_errors_back(qtbot, dock, viewer) -> None:
    compare(qtbot, dock)
    dock.swipe_box.box.setChecked(True)
    dock.errors_box.setChecked(False)
    dock.swipe_box.box.setChecked(False)
    (errors,) = (layer for layer in viewer.layers if is_error_map(layer))
    assert not errors.visible
