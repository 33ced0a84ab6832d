"""Training in a real viewer: what goes on around it changes nothing in it."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import psutil
import pytest
from qtpy.compat import isalive
from qtpy.QtCore import QThreadPool
from tests.training.tasks import disks, make_config
from tests.viewer.activities import cancel_buttons

from napari_segtrain import load_model, resume
from napari_segtrain.ui.layers import samples
from napari_segtrain.ui.session import session_of
from napari_segtrain.ui.train.training_widget import TrainingWidget
from napari_segtrain.ui.training_run import TrainingRun

WAIT = 60_000
PLUGIN = "napari-segtrain"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, preferences) -> Path:
    preferences.run_folder = str(tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    """A viewer with an image and its labels."""
    viewer = make_napari_viewer_proxy()
    image, labels = disks((96, 96), 0)
    viewer.add_image(image, name="disks")
    viewer.add_labels(labels, name="truth")
    return viewer


def open_dock(viewer, n_iterations: int) -> TrainingWidget:
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")
    length = {"kind": "iterations", "iterations": n_iterations}
    widget.setup_page.form.set_config(make_config(training={"length": length}))
    return widget


def start(qtbot, widget: TrainingWidget, name: str):
    """Start a run and wait for its first iteration."""
    widget.setup_page.name_field.setText(name)
    widget.controls.start_button.click()
    run = widget.run_page.run
    qtbot.waitUntil(
        lambda: run.history.last is not None or not run.is_running, timeout=WAIT
    )
    assert run.failure is None
    return run


def until_ended(qtbot, run) -> None:
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    assert run.failure is None


def weights(run) -> bytes:
    return (run.result.run_dir / "model/weights.safetensors").read_bytes()


def paint_everywhere(viewer) -> None:
    layer = viewer.layers["truth"]
    layer.selected_label = 1
    layer.brush_size = 30
    for center in range(10, 90, 8):
        layer.paint((center, center), 1)


@pytest.mark.slow
def test_painting_changes_nothing_in_the_run(qtbot, viewer) -> None:
    widget = open_dock(viewer, 60)
    quiet = start(qtbot, widget, "quiet")
    until_ended(qtbot, quiet)
    before = viewer.layers["truth"].data.copy()
    busy = start(qtbot, widget, "busy")
    paint_everywhere(viewer)
    assert busy.is_running
    until_ended(qtbot, busy)
    assert weights(busy) == weights(quiet)
    assert (viewer.layers["truth"].data != before).any()
    after = start(qtbot, widget, "after")
    until_ended(qtbot, after)
    assert weights(after) != weights(quiet)


def test_painting_right_after_start_changes_nothing(qtbot, viewer) -> None:
    widget = open_dock(viewer, 10)
    quiet = start(qtbot, widget, "quiet")
    until_ended(qtbot, quiet)
    widget.controls.start_button.click()
    paint_everywhere(viewer)
    busy = widget.run_page.run
    until_ended(qtbot, busy)
    assert weights(busy) == weights(quiet)


def test_nobody_paints_on_labels_that_are_not_copied_yet(
    qtbot, viewer, monkeypatch
) -> None:
    """Those of a store, and large ones, are read by the thread of the run."""
    monkeypatch.setattr(samples, "MAX_COPIED_BYTES", 0)
    widget = open_dock(viewer, 20)
    layer = viewer.layers["truth"]
    layer.mode = "paint"
    widget.controls.start_button.click()
    run = widget.run_page.run
    assert not layer.editable
    seen = []
    run.reported.connect(lambda _event: seen.append(layer.editable))
    until_ended(qtbot, run)
    assert all(seen)
    assert (layer.editable, layer.mode) == (True, "paint")


def test_a_run_that_fails_gives_the_labels_back(qtbot, viewer, monkeypatch) -> None:
    monkeypatch.setattr(samples, "MAX_COPIED_BYTES", 0)
    widget = open_dock(viewer, 20)
    layer = viewer.layers["truth"]
    layer.data = np.zeros_like(layer.data)
    widget.controls.start_button.click()
    run = widget.run_page.run
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    assert run.failure is not None
    assert layer.editable


@pytest.mark.slow
def test_layers_may_come_and_go_during_a_run(qtbot, viewer) -> None:
    widget = open_dock(viewer, 60)
    quiet = start(qtbot, widget, "quiet")
    until_ended(qtbot, quiet)
    busy = start(qtbot, widget, "busy")
    image, labels = viewer.layers["disks"], viewer.layers["truth"]
    image.name, labels.name = "renamed", "renamed labels"
    image.translate = (5, 5)
    labels.scale = (2, 2)
    labels.data = np.zeros_like(labels.data)
    viewer.layers.move(0, 1)
    viewer.layers.remove(labels)
    viewer.layers.clear()
    viewer.add_image(np.zeros((8, 8)))
    assert busy.is_running
    until_ended(qtbot, busy)
    assert weights(busy) == weights(quiet)


def test_a_closed_dock_leaves_the_run_going(qtbot, viewer) -> None:
    widget = open_dock(viewer, 100_000)
    run = start(qtbot, widget, "run")
    viewer.window.remove_dock_widget(widget)
    qtbot.waitUntil(lambda: not isalive(widget), timeout=WAIT)
    n_seen = run.history.last.iteration
    qtbot.waitUntil(lambda: run.history.last.iteration > n_seen, timeout=WAIT)
    _, again = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")
    assert again is not widget
    assert again.run_page.run is run
    again.controls.stop_button.click()
    until_ended(qtbot, run)


def test_cancelling_in_the_activity_list_ends_in_a_checkpoint(qtbot, viewer) -> None:
    widget = open_dock(viewer, 100_000)
    run = start(qtbot, widget, "run")
    qtbot.waitUntil(lambda: len(cancel_buttons(run.title)) == 1)
    (cancel,) = cancel_buttons(run.title)
    cancel.click()
    assert run.state == "stopping"
    assert not widget.controls.stop_button.isEnabled()
    until_ended(qtbot, run)
    assert run.result.is_complete is False
    assert load_model(run.run_dir).spec.dims == 2
    assert widget.controls.start_button.isVisibleTo(widget)


def test_closing_the_viewer_ends_the_run_in_a_checkpoint(
    qtbot, viewer, folder: Path
) -> None:
    widget = open_dock(viewer, 100_000)
    run = start(qtbot, widget, "run")
    n_seen = run.history.last.iteration
    checkpoint = folder / "run/checkpoints/latest.safetensors"
    before = checkpoint.stat().st_mtime_ns
    viewer.close()
    assert QThreadPool.globalInstance().waitForDone(WAIT)
    assert checkpoint.stat().st_mtime_ns > before
    resumed = []
    control = _stopping_at_once()
    resume(folder / "run", control=control, on_event=resumed.append)
    assert resumed[0].plan.config.training.length.iterations == 100_000
    assert load_model(folder / "run").spec.provenance["iterations"] >= n_seen


def _stopping_at_once():
    from napari_segtrain.control import RunControl

    control = RunControl()
    control.stop()
    return control


def test_the_session_outlives_the_dock_but_not_the_viewer(qtbot, viewer) -> None:
    widget = open_dock(viewer, 5)
    run = start(qtbot, widget, "run")
    until_ended(qtbot, run)
    assert session_of(viewer).training is run


def alive(kind: type) -> int:
    gc.collect()
    return sum(type(found) is kind for found in gc.get_objects())


def open_train_and_close(qtbot, viewer, name: str) -> int:
    """Number of threads after a training whose dock was opened and closed."""
    widget = open_dock(viewer, 5)
    until_ended(qtbot, start(qtbot, widget, name))
    qtbot.waitUntil(lambda: not widget.setup_page.is_planning, timeout=WAIT)
    viewer.window.remove_dock_widget(widget)
    qtbot.waitUntil(lambda: not isalive(widget), timeout=WAIT)
    return psutil.Process().num_threads()


@pytest.mark.slow
def test_runs_and_docks_leave_nothing_behind(qtbot, viewer) -> None:
    n_threads = [open_train_and_close(qtbot, viewer, f"run {n}") for n in range(4)]
    assert n_threads[-1] <= n_threads[0] + 1
    assert alive(TrainingWidget) == 0
    assert alive(TrainingRun) == 1


def test_docks_lead_to_one_another(qtbot, viewer) -> None:
    widget = open_dock(viewer, 5)
    run = start(qtbot, widget, "run")
    until_ended(qtbot, run)
    widget.run_page.outcome.predict_button.click()
    assert any("Predict" in name for name in viewer.window.dock_widgets)
    assert session_of(viewer).model_path == run.result.run_dir
    _, models = viewer.window.add_plugin_dock_widget(PLUGIN, "Models")
    qtbot.waitUntil(lambda: models.list.select(run.result.run_dir), timeout=WAIT)
    viewer.window.remove_dock_widget(widget)
    models.train_button.click()
    _, again = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")
    assert again.setup_page.base.isVisibleTo(again.setup_page)
    assert "'run'" in again.setup_page.base.label.text()


def test_a_stopped_run_is_resumed_from_the_models_dock(qtbot, viewer) -> None:
    widget = open_dock(viewer, 100_000)
    first = start(qtbot, widget, "run")
    first.stop()
    until_ended(qtbot, first)
    _, models = viewer.window.add_plugin_dock_widget(PLUGIN, "Models")
    qtbot.waitUntil(lambda: models.list.select(first.run_dir), timeout=WAIT)
    models.resume_button.click()
    second = session_of(viewer).training
    assert second is not first
    assert widget.run_page.run is second
    qtbot.waitUntil(lambda: second.history.last is not None, timeout=WAIT)
    second.stop()
    until_ended(qtbot, second)
    assert second.result.iterations >= first.result.iterations
