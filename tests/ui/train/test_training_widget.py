from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.compat import isalive
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices, QGuiApplication
from qtpy.QtWidgets import QWidget
from tests.training.tasks import disks, make_config, make_dataset
from tests.ui.keyboard import check_keyboard

from napari_segtrain import load_model
from napari_segtrain.cli.app import main
from napari_segtrain.config import IterationsLength
from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.ui.layers.reading import write_class_table
from napari_segtrain.ui.session import session_of
from napari_segtrain.ui.train.training_widget import TrainingWidget
from napari_segtrain.workflows.running import run as run_to_end
from napari_segtrain.workflows.settings import load_config
from napari_segtrain.workflows.training import iter_training_run, plan_training

WAIT = 30_000
ONE = {"kind": "iterations", "iterations": 1}
ENDLESS = {"length": IterationsLength(iterations=100_000)}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, preferences) -> Path:
    preferences.run_folder = str(tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def dock(qtbot, viewer):
    """A Train dock of a viewer with one image and its labels."""
    image, labels = disks((96, 96), 0)
    viewer.add_image(image, name="disks")
    viewer.add_labels(labels, name="truth")
    return open_dock(qtbot, viewer)


def open_dock(qtbot, viewer, n_iterations: int = 10) -> TrainingWidget:
    widget = TrainingWidget(viewer)
    qtbot.addWidget(widget)
    set_length(widget, n_iterations)
    return widget


def set_length(widget: TrainingWidget, n_iterations: int) -> None:
    length = {"kind": "iterations", "iterations": n_iterations}
    widget.setup_page.form.set_config(make_config(training={"length": length}))


def until_planned(qtbot, widget: TrainingWidget) -> None:
    view = widget.setup_page.plan_view
    qtbot.waitUntil(lambda: "network" in view.headline.text(), timeout=WAIT)


def trained(qtbot, widget: TrainingWidget):
    """Start, and wait for the end."""
    widget.controls.start_button.click()
    run = widget.run_page.run
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    return run


def until_iterating(qtbot, widget: TrainingWidget):
    run = widget.run_page.run
    qtbot.waitUntil(lambda: run.history.last is not None, timeout=WAIT)
    return run


def ended(qtbot, run) -> None:
    run.stop()
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)


def test_importing_the_docks_loads_no_torch() -> None:
    code = (
        "import sys, napari_segtrain.ui.train.training_widget, "
        "napari_segtrain.ui.models.models_widget; "
        "sys.exit('torch' in sys.modules or 'monai' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_plan_is_shown_before_start(qtbot, dock) -> None:
    until_planned(qtbot, dock)
    view = dock.setup_page.plan_view
    assert "2D network" in view.headline.text()
    assert "background, foreground" in view.headline.text()
    qtbot.waitUntil(lambda: "CPU" in view.device_label.text(), timeout=WAIT)
    assert "--" not in view.details.text()
    assert "class table" in view.details.text()


def test_the_network_of_the_plan_is_drawn(qtbot, dock) -> None:
    until_planned(qtbot, dock)
    view = dock.setup_page.plan_view.network
    assert "U-Net, 3 levels" in view.text()
    view.unfold()
    dock.resize(400, 900)
    rows = view.table.text().count("<tr>")
    assert rows == 4
    widths = [bar.width() for bar in view.drawing.bars()]
    thicknesses = [bar.height() for bar in view.drawing.bars()]
    assert widths == sorted(widths, reverse=True)
    assert thicknesses == sorted(thicknesses)
    assert "32 channels" in view.drawing.accessibleDescription()
    assert "multiples of" in view.facts.text()


def test_warnings_of_the_plan_stand_out(qtbot, viewer) -> None:
    image, labels = disks((96, 96), 0)
    few = np.zeros_like(labels)
    few[40:50, 40:50] = 1
    few[60:70, 60:70] = 2
    viewer.add_image(image)
    viewer.add_labels(few)
    dock = open_dock(qtbot, viewer)
    until_planned(qtbot, dock)
    remarks = dock.setup_page.plan_view.remarks()
    assert any("has only 100 labelled voxels" in text for text in remarks)


def test_start_trains_and_ends_in_a_model(qtbot, dock, folder: Path) -> None:
    run = trained(qtbot, dock)
    assert run.failure is None
    assert run.result.run_dir == folder / "disks"
    assert load_model(folder / "disks").spec.dims == 2
    assert dock.tabs.currentIndex() == 1
    outcome = dock.run_page.outcome
    assert outcome.isVisibleTo(dock.run_page)
    assert dock.controls.start_button.isVisibleTo(dock)
    assert dock.messages.text == ""
    assert len(dock.run_page.preview.captions) > 0


def test_start_with_nothing_set(qtbot, viewer, folder: Path) -> None:
    image, labels = disks((96, 96), 0)
    viewer.add_image(image, name="disks")
    viewer.add_labels(labels, name="truth")
    widget = TrainingWidget(viewer)
    qtbot.addWidget(widget)
    widget.controls.start_button.click()
    run = until_iterating(qtbot, widget)
    assert run.plan.config.training.length.kind == "plateau"
    ended(qtbot, run)
    assert run.result.run_dir == folder / "disks"


def test_a_name_is_not_taken_twice(qtbot, dock, folder: Path) -> None:
    dock.setup_page.name_field.setText("my run")
    assert trained(qtbot, dock).result.run_dir == folder / "my run"
    assert trained(qtbot, dock).result.run_dir == folder / "my run 2"


def test_while_one_trains_no_other_starts(qtbot, dock) -> None:
    dock.setup_page.form.set_config(make_config(training=ENDLESS))
    dock.controls.start_button.click()
    run = until_iterating(qtbot, dock)
    assert not dock.controls.start_button.isVisibleTo(dock)
    dock.start()
    assert "A training is running" in dock.messages.text
    assert dock.run_page.run is run
    ended(qtbot, run)


def test_a_stopped_run_is_resumed_from_the_dock(qtbot, dock) -> None:
    dock.setup_page.form.set_config(make_config(training=ENDLESS))
    dock.controls.start_button.click()
    first = until_iterating(qtbot, dock)
    ended(qtbot, first)
    outcome = dock.run_page.outcome
    assert outcome.resume_button.isVisibleTo(outcome)
    outcome.resume_button.click()
    second = until_iterating(qtbot, dock)
    assert second is not first
    assert second.run_dir == first.run_dir
    ended(qtbot, second)
    assert second.result.iterations >= first.result.iterations


def test_train_on_begins_with_the_weights(qtbot, viewer, dock, folder: Path) -> None:
    first = trained(qtbot, dock)
    dock.run_page.outcome.train_button.click()
    assert session_of(viewer).base_path == first.result.run_dir
    assert dock.setup_page.base.isVisibleTo(dock.setup_page)
    run = dock.run_page.run
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    assert run.failure is None
    assert run.result.run_dir == folder / "disks 2"
    assert run.history.epochs[0].training_loss < first.history.epochs[0].training_loss
    dock.setup_page.base.clear_button.click()
    assert not dock.setup_page.base.isVisibleTo(dock.setup_page)


def test_the_form_shows_the_network_of_the_model_to_go_on_from(
    qtbot, viewer, dock, folder: Path, tmp_path: Path
) -> None:
    """Which is the one that is trained and exported, whatever was chosen before."""
    network = {"depth": 2, "first_filters": 4, "norm": "instance"}
    config = make_config(network=network, training={"length": ONE})
    run_to_end(iter_training_run(make_dataset(), config, folder / "base"))
    model = load_model(folder / "base")
    page, own = dock.setup_page, make_config(network={**network, "norm": "group"})
    page.form.set_config(own)
    session_of(viewer).choose_base(folder / "base")
    setup = page.setup()
    assert setup.plan().network == model.spec.network
    written = load_config(setup.export(tmp_path / "mine.yaml"))
    assert plan_training(setup.dataset, written, model).network.norm == "instance"
    shown = page.form.config
    qtbot.waitUntil(lambda: shown().network == model.spec.network, timeout=WAIT)
    assert page.setup().plan().network == model.spec.network
    another = open_dock(qtbot, viewer)
    again = another.setup_page.form.config
    qtbot.waitUntil(lambda: again().network == model.spec.network, timeout=WAIT)
    page.base.clear_button.click()
    assert shown().network == page.setup().config.network == own.network


def test_predict_with_this_model(qtbot, dock, viewer) -> None:
    run = trained(qtbot, dock)
    dock.run_page.outcome.predict_button.click()
    assert session_of(viewer).model_path == run.result.run_dir


def test_the_run_folder_is_opened(qtbot, dock, folder: Path, monkeypatch) -> None:
    trained(qtbot, dock)
    opened: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    dock.run_page.outcome.folder_button.click()
    assert [url.toLocalFile() for url in opened] == [str(folder / "disks")]


def test_a_closed_dock_leaves_the_run_going(qtbot, viewer, dock) -> None:
    first = TrainingWidget(viewer)
    set_length(first, 100_000)
    first.controls.start_button.click()
    run = until_iterating(qtbot, first)
    parent = QWidget()
    first.setParent(parent)
    first.setParent(None)
    qtbot.waitUntil(lambda: not isalive(first), timeout=WAIT)
    n_seen = run.history.last.iteration
    qtbot.waitUntil(lambda: run.history.last.iteration > n_seen, timeout=WAIT)
    again = open_dock(qtbot, viewer)
    assert again.run_page.run is run
    assert again.tabs.currentIndex() == 1
    assert again.controls.stop_button.isVisibleTo(again)
    again.controls.stop_button.click()
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    assert again.controls.start_button.isVisibleTo(again)
    third = open_dock(qtbot, viewer)
    assert third.run_page.outcome.isVisibleTo(third.run_page)
    assert third.tabs.currentIndex() == 0


def weights(folder: Path) -> bytes:
    return (folder / "model/weights.safetensors").read_bytes()


@pytest.mark.slow
def test_the_yaml_gives_the_same_model(qtbot, dock, tmp_path, monkeypatch) -> None:
    run = trained(qtbot, dock)
    exports = dock.setup_page.export_row
    monkeypatch.setattr(exports, "ask_path", lambda *_: tmp_path / "again.yaml")
    exports.yaml_button.click()
    assert not exports.isEnabled()
    qtbot.waitUntil(exports.isEnabled, timeout=WAIT)
    assert f"segtrain train --config {tmp_path / 'again.yaml'}" in dock.messages.text
    again = tmp_path / "again"
    config = str(tmp_path / "again.yaml")
    assert main(["train", "--config", config, "--output", str(again)]) == 0
    assert weights(again) == weights(run.result.run_dir)


@pytest.mark.slow
def test_the_command_gives_the_same_model(qtbot, dock, tmp_path, monkeypatch) -> None:
    first = trained(qtbot, dock)
    dock.run_page.outcome.train_button.click()
    run = dock.run_page.run
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    assert run is not first
    QGuiApplication.clipboard().clear()
    dock.setup_page.export_row.command_button.click()
    qtbot.waitUntil(lambda: dock.messages.text != "", timeout=WAIT)
    program, *words = shlex.split(QGuiApplication.clipboard().text())
    assert program == "segtrain"
    assert main([*words, "--output", str(tmp_path / "again")]) == 0
    assert weights(tmp_path / "again") == weights(run.result.run_dir)


def test_an_export_that_cannot_be_written(qtbot, dock, tmp_path, monkeypatch) -> None:
    exports = dock.setup_page.export_row
    monkeypatch.setattr(exports, "ask_path", lambda *_: tmp_path / "no/file.yaml")
    (tmp_path / "no").write_text("a file where a folder should be")
    exports.yaml_button.click()
    qtbot.waitUntil(lambda: dock.messages.text != "", timeout=WAIT)
    assert dock.messages.level == "error"
    assert exports.isEnabled()


def test_samples_that_disagree_are_shown_before_start(qtbot, viewer, dock) -> None:
    image, labels = disks((96, 96), 1)
    viewer.add_image(image, name="more disks")
    more = viewer.add_labels(labels, name="more truth")
    table = dock.setup_page.samples.table
    table.add_button.click()
    assert len(table.rows()) == 2
    for layer, name in ((viewer.layers["truth"], "disk"), (more, "nucleus")):
        dock.setup_page.samples.classes.set_layer(layer)
        rows = (
            ClassInfo(0, "background", "#000000", "background"),
            ClassInfo(1, name, "#ff0000"),
        )
        write_class_table(layer, ClassTable(rows))
    dock.setup_page.form.changed.emit()
    view = dock.setup_page.plan_view
    qtbot.waitUntil(
        lambda: any("nucleus" in text for text in view.remarks()), timeout=WAIT
    )


def test_the_plan_follows_the_brush(qtbot, viewer, dock) -> None:
    viewer.layers["truth"].data = np.zeros((96, 96), np.uint8)
    view = dock.setup_page.plan_view
    qtbot.waitUntil(lambda: "empty" in " ".join(view.remarks()), timeout=WAIT)
    layer = viewer.layers["truth"]
    layer.brush_size = 30
    layer.paint((30, 30), 1)
    layer.paint((70, 70), 2)
    until_planned(qtbot, dock)
    assert view.remarks() == [] or "empty" not in " ".join(view.remarks())


def test_the_classes_are_those_of_the_active_labels(qtbot, viewer, dock) -> None:
    image, labels = disks((96, 96), 1)
    viewer.add_image(image, name="more disks")
    more = viewer.add_labels(labels, name="more truth")
    section = dock.setup_page.samples
    section.table.add_button.click()
    viewer.layers.selection.active = viewer.layers["truth"]
    assert section.classes.layer is viewer.layers["truth"]
    viewer.layers.selection.active = more
    assert section.classes.layer is more
    viewer.layers.selection.active = viewer.layers["disks"]
    assert section.classes.layer is section.table.labels()[0]


def test_everything_is_reached_by_the_keyboard(qtbot, dock) -> None:
    check_keyboard(dock)
    dock.setup_page.form.unfold_all()
    check_keyboard(dock.setup_page)
    trained(qtbot, dock)
    check_keyboard(dock.run_page)


def test_nothing_is_cut_off_at_the_side(qtbot, dock) -> None:
    dock.show()
    dock.resize(100, 400)
    qtbot.waitUntil(lambda: dock.width() > 250, timeout=WAIT)
    page = dock.setup_page
    assert page.width() <= page.parentWidget().width()
    assert dock.minimumSizeHint().width() <= 400
