"""What a run held out becomes layers that are compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes
from tests.ui.runs import finished_run

from napari_segtrain.ui.compare.comparison_widget import ComparisonWidget
from napari_segtrain.ui.layers.reading import read_class_table
from napari_segtrain.workflows.held_out import evaluate_held_out


@pytest.fixture
def dock(qtbot):
    viewer = ViewerModel()
    widget = ComparisonWidget(viewer)
    qtbot.addWidget(widget)
    widget.viewer_model = viewer  # the session holds it weakly
    yield widget
    widget.end()
    qtbot.waitUntil(lambda: not widget.held_out_button.is_running, timeout=30_000)
    qtbot.waitUntil(lambda: not widget.is_running, timeout=30_000)


def test_held_out_samples_are_compared(qtbot, dock, tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run")
    dock.held_out_button.ask_path = lambda: run
    with qtbot.waitSignal(dock.compared, timeout=60_000):
        dock.held_out_button.click()
    layers = list(dock.viewer_model.layers)
    images = [layer for layer in layers if type(layer) is Image]
    assert images
    truth, prediction = (
        dock.form.truth_choice.layer(),
        dock.form.prediction_choice.layer(),
    )
    assert truth.name.endswith("ground truth")
    assert prediction.name.endswith("prediction")
    assert isinstance(truth, Labels)
    assert read_class_table(truth) is not None
    np.testing.assert_allclose(truth.translate, prediction.translate)
    assert dock.comparison.context.model == run
    report = evaluate_held_out(run)
    first = report.images[0].scores.overall
    assert dock.comparison.report.total.scores.overall.iou == pytest.approx(first.iou)


def test_what_was_chosen_before_is_not_compared_with_it(
    qtbot, dock, tmp_path: Path
) -> None:
    viewer = dock.viewer_model
    for name in ("truth", "first", "second"):
        labels = np.zeros((30, 40), np.uint8)
        labels[5:15, 5:15] = 1
        viewer.add_layer(Labels(labels, name=name))
    square = np.array([[2, 2], [2, 20], [20, 20], [20, 2]])
    viewer.add_layer(Shapes([square], shape_type="polygon", name="area"))
    dock.form.choose(viewer.layers["truth"], viewer.layers["first"])
    dock.form.further.choose([viewer.layers["second"]])
    dock.form.region_choice.choice.set_layer(viewer.layers["area"])
    run = finished_run(tmp_path / "run")
    dock.held_out_button.ask_path = lambda: run
    with qtbot.waitSignal(dock.compared, timeout=60_000):
        dock.held_out_button.click()
    assert len(dock.results) == 1
    assert dock.comparison.region_name == ""


def test_what_cannot_be_predicted_is_said(qtbot, dock, tmp_path: Path) -> None:
    dock.held_out_button.ask_path = lambda: tmp_path
    with qtbot.waitSignal(dock.held_out_button.ended, timeout=30_000):
        dock.held_out_button.click()
    assert "no run folder" in dock.messages.text
    assert dock.held_out_button.isEnabled()


def test_no_run_is_no_error(dock) -> None:
    dock.held_out_button.ask_path = lambda: None
    dock.held_out_button.click()
    assert not dock.held_out_button.is_running
