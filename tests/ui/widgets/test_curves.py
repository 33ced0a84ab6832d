from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pyqtgraph as pg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qtpy.QtCore import QPointF
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel

from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.ui.widgets.curve_history import (
    MAX_POINTS,
    CurveHistory,
    EpochPoint,
    LossTrack,
    smooth,
)
from napari_segtrain.ui.widgets.curve_plot import CurvePlot
from napari_segtrain.ui.widgets.curves import TrainingCurves
from napari_segtrain.ui.widgets.theme import palette_of

CLASSES = ClassTable(
    (
        ClassInfo(0, "background", "#000000", "background"),
        ClassInfo(1, "axon <1>", "#e6194b"),
    )
)


def epoch(number, *, iou=0.5, is_best=False, validation_loss=0.4):
    return {
        "epoch": number,
        "iteration": number * 10,
        "seconds": number * 60.0,
        "training_loss": 0.5,
        "validation_loss": validation_loss,
        "iou": {"background": 0.9, "axon <1>": iou},
        "is_best": is_best,
    }


@pytest.fixture
def curves(qtbot):
    curves = TrainingCurves()
    qtbot.addWidget(curves)
    curves.set_classes(CLASSES)
    curves.resize(400, 420)
    curves.show()
    return curves


def filled(curves):
    for iteration in range(1, 41):
        curves.add_iteration(iteration, iteration * 6.0, 1 / iteration)
    for number in range(1, 5):
        curves.add_epoch(**epoch(number, iou=0.2 * number, is_best=number < 4))
    curves.redraw()
    return curves


def plots(curves):
    return curves.findChildren(CurvePlot)


def view_of(plot):
    return plot.findChild(pg.PlotWidget)


def item_of(plot):
    return view_of(plot).getPlotItem()


def marks(plot):
    """The lines at the best epoch and at the pointer."""
    return [item for item in item_of(plot).items if isinstance(item, pg.InfiniteLine)]


def drawn(plot):
    """Points of the lines that are not empty."""
    data = [item.getOriginalDataset() for item in item_of(plot).listDataItems()]
    return [(x, y) for x, y in data if x is not None and len(x)]


def readout(curves):
    labels = curves.findChildren(QLabel)
    return next(
        label.text()
        for label in labels
        if label.accessibleName() == "Values of the curves"
    )


def test_losses_and_scores_are_drawn(curves):
    losses, scores = plots(filled(curves))
    raw, _, validation = drawn(losses)
    assert raw[0].tolist() == list(range(1, 41))
    assert raw[1][3] == 0.25
    assert validation[0].tolist() == [10, 20, 30, 40]
    background, axon = drawn(scores)
    assert background[1].tolist() == [0.9] * 4
    assert axon[1].tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_names_are_in_the_legends_in_the_colors_of_the_classes(curves):
    losses, scores = plots(filled(curves))
    assert "training" in losses.legend
    assert "validation" in losses.legend
    assert "axon&nbsp;&lt;1&gt;" in scores.legend
    assert "#e6194b" in scores.legend
    assert "best" in losses.legend


def test_nothing_held_out_means_no_validation_line(curves):
    number = epoch(1, validation_loss=None)
    curves.add_epoch(**{**number, "iou": {}})
    curves.redraw()
    assert "validation" not in plots(curves)[0].legend
    assert drawn(plots(curves)[1]) == []


def test_a_class_that_does_not_occur_is_a_gap(curves):
    curves.add_epoch(**epoch(1, iou=None))
    curves.add_epoch(**epoch(2, iou=0.3))
    curves.redraw()
    axon = drawn(plots(curves)[1])[1]
    assert np.isnan(axon[1][0])
    assert axon[1][1] == 0.3
    assert "axon <1> 0.300" in readout(curves)


def test_minutes_or_iterations(curves):
    filled(curves)
    curves.findChild(QComboBox).setCurrentText("minutes")
    losses, scores = plots(curves)
    assert drawn(losses)[0][0][-1] == 4.0
    assert drawn(scores)[0][0].tolist() == [1, 2, 3, 4]
    assert best_line(scores).value() == 3.0


def x_range(plot):
    return item_of(plot).getViewBox().viewRange()[0]


def test_all_of_x_is_in_view_before_the_first_epoch_and_after(curves):
    for iteration in range(1, 101):
        curves.add_iteration(iteration, iteration * 6.0, 1 / iteration)
        curves.redraw()
    for plot in plots(curves):
        assert x_range(plot) == pytest.approx([1, 100], abs=3)
    curves.add_epoch(**epoch(5))
    curves.redraw()
    for plot in plots(curves):
        assert x_range(plot) == pytest.approx([1, 100], abs=3)


def best_line(plot):
    return marks(plot)[0]


def test_the_last_epoch_that_was_best_is_marked(curves):
    assert not best_line(plots(curves)[0]).isVisible()
    filled(curves)
    for plot in plots(curves):
        assert best_line(plot).value() == 30
        assert best_line(plot).isVisible()


def test_logarithms_leave_out_what_has_none(curves):
    curves.add_iteration(1, 1.0, 0.0)
    curves.add_iteration(2, 2.0, 0.5)
    curves.findChild(QCheckBox).click()
    raw = drawn(plots(curves)[0])[0]
    assert np.isnan(raw[1][0])
    assert raw[1][1] == 0.5


def test_the_pointer_reads_values(curves, qtbot):
    filled(curves)
    assert readout(curves).startswith("iteration 40 · 4.0 min")
    losses, scores = plots(curves)
    box = item_of(losses).getViewBox()
    qtbot.waitUntil(lambda: box.viewRect().width() > 30)
    place = box.mapViewToScene(QPointF(10.2, 0.5))
    view_of(losses).scene().sigMouseMoved.emit(place)
    assert readout(curves).splitlines() == [
        "iteration 10 · 1.0 min · loss 0.1",
        "epoch 1 · loss 0.4 · background 0.900 · axon <1> 0.200",
    ]
    assert marks(scores)[1].isVisible()
    view_of(losses).scene().sigMouseMoved.emit(QPointF(-100, -100))
    assert readout(curves).startswith("iteration 40")
    assert not marks(scores)[1].isVisible()


def test_a_history_of_events_is_shown_as_a_whole(curves):
    steps = [SimpleNamespace(iteration=n, seconds=n, loss=1.0) for n in range(1, 31)]
    ends = [SimpleNamespace(**epoch(n), dice={}, score=0.5) for n in range(1, 4)]
    filled(curves)
    curves.set_history([*steps, *ends])
    curves.redraw()
    losses, scores = plots(curves)
    assert len(drawn(losses)[0][0]) == 30
    assert drawn(scores)[0][0].tolist() == [10, 20, 30]
    curves.clear()
    curves.redraw()
    assert drawn(losses) == drawn(scores) == []
    assert readout(curves) == ""


def test_values_are_drawn_a_little_later_all_at_once(curves, qtbot):
    filled(curves)
    n_before = len(drawn(plots(curves)[0])[0][0])
    for iteration in range(41, 60):
        curves.add_iteration(iteration, iteration * 6.0, 0.1)
    assert len(drawn(plots(curves)[0])[0][0]) == n_before
    qtbot.waitUntil(lambda: len(drawn(plots(curves)[0])[0][0]) == 59)


def test_what_came_in_while_hidden_is_there_when_shown(curves):
    curves.hide()
    for iteration in range(1, 6):
        curves.add_iteration(iteration, iteration, 0.5)
    curves.show()
    assert len(drawn(plots(curves)[0])[0][0]) == 5


@pytest.mark.parametrize("theme_id", ["dark", "light"])
def test_plots_take_the_colors_of_the_theme(curves, theme_id):
    filled(curves).apply_theme(theme_id)
    curves.redraw()
    for plot in plots(curves):
        background = view_of(plot).backgroundBrush().color()
        assert background == QColor(palette_of(theme_id).background)
    assert ("#000000" in plots(curves)[1].legend) == (theme_id == "light")


def test_a_picture_of_the_curves_shows_their_colors(curves):
    filled(curves)
    picture = plots(curves)[1].grab().toImage()
    colors = {
        picture.pixelColor(x, y).name()
        for x in range(picture.width())
        for y in range(picture.height())
    }
    assert "#e6194b" in colors


@given(st.integers(1, 9000))
def test_any_run_fits(n_iterations):
    track = LossTrack()
    for iteration in range(1, n_iterations + 1):
        track.add(iteration, iteration / 10, iteration % 2)
    points = track.points()
    assert len(points) <= MAX_POINTS
    assert len(points) >= min(n_iterations, MAX_POINTS // 2 - 1)
    assert (np.diff(points[:, 0]) > 0).all()
    assert points[0, 0] >= 1
    assert points[-1, 0] > n_iterations * 0.99 - 8
    np.testing.assert_allclose(points[:, 1], points[:, 0] / 10)
    assert ((points[:, 2] >= 0) & (points[:, 2] <= 1)).all()


def test_many_epochs_are_thinned_but_the_best_and_the_last_stay():
    history = CurveHistory()
    for number in range(1, 3 * MAX_POINTS):
        history.add_epoch(EpochPoint(**epoch(number, is_best=number == 2)))
        assert history.epochs[-1].epoch == number
    assert len(history.epochs) <= MAX_POINTS
    assert history.best.epoch == 2
    assert [e.epoch for e in history.epochs] == sorted(e.epoch for e in history.epochs)


def test_smoothing_is_a_mean_that_follows_and_leaps_over_gaps():
    noise = np.random.default_rng(0).random(1000)
    smoothed = smooth(noise)
    assert smoothed.std() < noise.std() / 3
    assert smooth(np.full(5, 2.0)).tolist() == pytest.approx([2] * 5)
    with_gap = smooth(np.array([1.0, math.nan, 1.0]))
    assert with_gap.tolist() == pytest.approx([1, 1, 1])
    assert smooth(np.array([])).size == 0
