"""The Compare dock in a real viewer, on bundled 3D labels."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.compat import isalive
from qtpy.QtCore import Qt

from napari_segtrain import evaluate
from napari_segtrain.ui import sample_data
from napari_segtrain.ui.compare.comparison_widget import ComparisonWidget
from napari_segtrain.ui.compare.error_layer import is_error_map

SHIFT = (1, 2, -3)


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    """The embryo's ground truth, and a copy that lies a bit off."""
    viewer = make_napari_viewer_proxy()
    data, attributes, _ = sample_data.embryo()[-1]
    truth = Labels(data, **attributes)
    viewer.add_layer(truth)
    place = {key: getattr(truth, key) for key in ("scale", "translate", "units")}
    viewer.add_layer(
        Labels(np.roll(data, SHIFT, (0, 1, 2)), name="segmentation", **place)
    )
    return viewer


@pytest.fixture
def dock(qtbot, viewer):
    _, widget = viewer.window.add_plugin_dock_widget("napari-segtrain", "Compare")
    yield widget
    if isalive(widget):
        widget.cancel()
    qtbot.waitUntil(
        lambda: not isalive(widget) or not widget.is_running, timeout=10_000
    )


def compare(qtbot, dock: ComparisonWidget) -> None:
    with qtbot.waitSignal(dock.ended, timeout=60_000):
        qtbot.mouseClick(dock.compare_button, Qt.MouseButton.LeftButton)


def errors_of(viewer) -> Labels:
    (layer,) = (layer for layer in viewer.layers if is_error_map(layer))
    return layer


def test_a_shifted_copy_of_the_embryo(qtbot, viewer, dock) -> None:
    assert isinstance(dock, ComparisonWidget)
    assert dock.form.truth_choice.currentText() == "embryo test ground truth"
    compare(qtbot, dock)
    truth, copy = (np.asarray(viewer.layers[i].data) for i in (0, 1))
    expected = evaluate(truth, copy)
    rows = [line.split("\t") for line in dock.view.table.text().splitlines()[1:]]
    for row, scores in zip(rows, expected.total.scores.classes, strict=False):
        found = [float(cell) for cell in row[1:5]]
        wanted = [scores.iou, scores.dice, scores.precision, scores.recall]
        assert found == pytest.approx(wanted)
    assert 0.2 < expected.iou < 0.95

    errors = errors_of(viewer)
    counts = np.bincount(np.asarray(errors.data).ravel(), minlength=5)
    is_true, is_found = truth > 0, copy > 0
    assert counts[1] == (is_true & is_found).sum()
    assert counts[2] == (~is_true & is_found).sum()
    assert counts[3] == (is_true & ~is_found).sum()
    assert counts[4] == 0
    np.testing.assert_allclose(errors.scale, viewer.layers[0].scale)
    assert errors.units == viewer.layers[0].units


def test_a_click_on_the_curve_and_its_slice_on_the_screen(qtbot, viewer, dock) -> None:
    compare(qtbot, dock)
    qtbot.wait(50)
    curve = dock.view.curve
    qtbot.mouseClick(
        curve.viewport(),
        Qt.MouseButton.LeftButton,
        pos=curve.slice_point(31).toPoint(),
    )
    assert round(viewer.layers[0].world_to_data(viewer.dims.point)[0]) == 31
    assert viewer.dims.current_step[0] == 31
    assert curve.present == pytest.approx(31)
    viewer.dims.set_current_step(0, 12)
    assert curve.present == pytest.approx(12)


def test_a_later_comparison_updates_the_error_map(qtbot, viewer, dock) -> None:
    compare(qtbot, dock)
    errors = errors_of(viewer)
    viewer.layers["segmentation"].data = np.array(viewer.layers[0].data)
    assert dock.is_stale
    assert not dock.again_button.isHidden()
    with qtbot.waitSignal(dock.ended, timeout=60_000):
        qtbot.mouseClick(dock.again_button, Qt.MouseButton.LeftButton)
    assert errors_of(viewer) == errors
    assert set(np.unique(errors.data)) == {0, 1}


@pytest.mark.slow
def test_a_swipe_on_the_screen(qtbot, viewer, dock) -> None:
    """What the canvas shows left and right of the line is what each layer shows."""
    compare(qtbot, dock)
    names = ("embryo test ground truth", "segmentation")
    layers = [viewer.layers[name] for name in names]
    layers[1].data = np.where(layers[1].data, 2, 0).astype(layers[1].data.dtype)
    compare(qtbot, dock)
    viewer.dims.set_current_step(0, 25)
    viewer.window.show()  # a hidden window draws nothing
    for _ in range(2):  # the canvas gets the size that it has during a swipe
        dock.swipe_box.box.click()
        qtbot.wait(200)
    viewer.reset_view()
    dock.errors_box.setChecked(False)
    pictures = []
    for shown, hidden in (layers, layers[::-1]):
        shown.visible, hidden.visible = True, False
        pictures.append(viewer.screenshot(flash=False)[..., :3].astype(int))
    dock.swipe_box.box.click()
    swipe = dock.swipe_box.swipe
    swipe.line.visible = False
    qtbot.wait(50)
    found = viewer.screenshot(flash=False)[..., :3].astype(int)
    is_left = (found == pictures[0]).all(axis=(0, 2))
    is_right = (found == pictures[1]).all(axis=(0, 2))
    assert np.abs(pictures[0] - pictures[1]).max() > 30
    edge = int(is_left.argmin())
    assert 0 < edge < found.shape[1]
    assert is_right[edge + 1 :].all()
    assert not is_left[edge + 1 :].all()
    viewer.layers.remove("segmentation")
    qtbot.waitUntil(lambda: dock.swipe_box.swipe is None, timeout=2000)
    assert not viewer.layers[names[0]].visible, "as it was before"


def test_closing_the_dock_during_a_comparison(qtbot, viewer, dock) -> None:
    dock.compare()
    viewer.window.remove_dock_widget(dock)
    qtbot.wait(500)
    viewer.layers[0].paint((3, 3, 3), 1)
    assert not any(is_error_map(layer) for layer in viewer.layers)


def test_closing_the_viewer_during_a_comparison(qtbot, viewer, dock) -> None:
    dock.compare()
    viewer.close()
    qtbot.wait(500)
