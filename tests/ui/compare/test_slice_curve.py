from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import Qt

from napari_segtrain.ui.compare.slice_curve import Curve, SliceCurve
from napari_segtrain.ui.layers.slice_jump import show_slice, shown_slice


@pytest.fixture
def plot(qtbot) -> SliceCurve:
    widget = SliceCurve()
    qtbot.addWidget(widget)
    widget.resize(400, 180)
    widget.set_curves(
        range(10, 30), [Curve("a", "#ff0000", (0.5,) * 20)], axis="slice (Z)"
    )
    widget.show()
    qtbot.waitExposed(widget)
    qtbot.wait(20)
    return widget


def click(qtbot, plot: SliceCurve, index: int) -> None:
    point = plot.slice_point(index).toPoint()
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=point)


@pytest.mark.parametrize("index", [10, 17, 29])
def test_a_click_names_the_slice_below_it(qtbot, plot, index) -> None:
    with qtbot.waitSignal(plot.slice_clicked, timeout=1000) as heard:
        click(qtbot, plot, index)
    assert heard.args == [index]


def test_a_click_where_nothing_is_drawn(qtbot, plot) -> None:
    plot.set_curves([], [], axis="slice (Z)")
    with qtbot.assertNotEmitted(plot.slice_clicked, wait=100):
        click(qtbot, plot, 17)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (Qt.Key.Key_Left, 16),
        (Qt.Key.Key_Right, 18),
        (Qt.Key.Key_Home, 10),
        (Qt.Key.Key_End, 29),
    ],
)
def test_keys_go_on_from_the_present_slice(qtbot, plot, key, expected) -> None:
    plot.set_present(17)
    with qtbot.waitSignal(plot.slice_clicked, timeout=1000) as heard:
        qtbot.keyClick(plot, key)
    assert heard.args == [expected]


def test_the_ends_hold(qtbot, plot) -> None:
    plot.set_present(29)
    with qtbot.waitSignal(plot.slice_clicked, timeout=1000) as heard:
        qtbot.keyClick(plot, Qt.Key.Key_Right)
    assert heard.args == [29]


def volume(**transform) -> tuple[ViewerModel, Labels]:
    viewer = ViewerModel()
    layer = Labels(np.zeros((20, 32, 40), np.uint8), **transform)
    viewer.add_layer(layer)
    return viewer, layer


TRANSFORMS = {
    "plain": {},
    "scaled and moved": {"scale": (2.5, 0.5, 0.5), "translate": (-7.25, 3, 100)},
    "mirrored": {"affine": np.diag([-2.0, 1, 1, 1])},
    "turned in the plane": {"rotate": (0, 0, 30), "scale": (3, 1, 1)},
    "turned out of the plane": {"rotate": (0, 12, 0), "scale": (3, 1, 1)},
}


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_viewer_shows_the_slice_that_was_asked_for(qtbot, name) -> None:
    """The Labels layer says itself what it shows: each slice has its own value."""
    viewer, layer = volume(**TRANSFORMS[name])
    layer.data[:] = np.arange(1, 21, dtype=np.uint8)[:, None, None]
    layer.refresh()
    viewer.dims.set_point([0], [1.0])
    for index in (3, 0, 19, 11):
        show_slice(viewer, layer, 0, index)
        assert shown_slice(viewer, layer, 0) == pytest.approx(index)
        drawn = as_drawn(layer)
        assert (drawn == index + 1).all()


def as_drawn(layer: Labels) -> np.ndarray:
    """Values of the slice that napari draws, from the thumbnail's source."""
    return np.asarray(layer._slice.image.raw)  # noqa: SLF001 - no public way


def test_slices_of_a_layer_with_fewer_dimensions_than_the_viewer(qtbot) -> None:
    viewer, layer = volume(scale=(2, 1, 1))
    viewer.add_layer(Labels(np.zeros((5, 20, 32, 40), np.uint8)))
    show_slice(viewer, layer, 0, 7)
    assert viewer.dims.point[1] == 14
    assert shown_slice(viewer, layer, 0) == pytest.approx(7)


def test_times_keep_the_slice_and_slices_the_time(qtbot) -> None:
    viewer = ViewerModel()
    layer = Labels(np.zeros((5, 20, 32, 40), np.uint8), scale=(1, 2, 1, 1))
    viewer.add_layer(layer)
    show_slice(viewer, layer, 1, 4)
    show_slice(viewer, layer, 0, 3)
    assert viewer.dims.point[:2] == (3, 8)


def test_all_slices_at_once_have_no_present_one(qtbot) -> None:
    viewer, layer = volume()
    viewer.dims.ndisplay = 3
    assert shown_slice(viewer, layer, 0) is None
    show_slice(viewer, layer, 0, 3)
