from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QLineEdit
from tests.ui.keyboard import check_keyboard
from tests.ui.runs import finished_run, stopped_run

from napari_segtrain.training.checkpoint import load_checkpoint, save_checkpoint
from napari_segtrain.training.run_folder import epoch_name
from napari_segtrain.ui.models.models_widget import ModelsWidget
from napari_segtrain.ui.session import session_of

WAIT = 20_000


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def folder(tmp_path: Path, preferences) -> Path:
    preferences.run_folder = str(tmp_path)
    return tmp_path


@pytest.fixture
def dock(qtbot, viewer, folder: Path):
    """A dock with one run in it, which is selected."""

    def make(run) -> ModelsWidget:
        path = run(folder / "axons")
        widget = ModelsWidget(viewer)
        qtbot.addWidget(widget)
        qtbot.waitUntil(lambda: widget.list.select(path), timeout=WAIT)
        return widget

    return make


def listed(widget: ModelsWidget) -> list[str]:
    return [run.name for run in widget.list.runs]


def test_without_a_run_nothing_can_be_done(qtbot, viewer, folder: Path) -> None:
    widget = ModelsWidget(viewer)
    qtbot.addWidget(widget)
    with qtbot.waitSignal(widget.list.listed, timeout=WAIT):
        pass
    assert not any(button.isEnabled() for button in widget.buttons())


def test_a_run_is_renamed_in_the_list(qtbot, dock) -> None:
    widget = dock(finished_run)
    widget.show()
    widget.rename_button.click()
    editor = widget.list.view.viewport().findChild(QLineEdit)
    editor.clear()
    qtbot.keyClicks(editor, "best axons")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: listed(widget) == ["best axons"], timeout=WAIT)
    assert widget.list.selected().path.name == "axons"
    assert widget.messages.text == ""


def test_a_run_is_deleted_when_asked_twice(qtbot, dock, folder: Path) -> None:
    widget = dock(finished_run)
    widget.delete_button.click()
    assert widget.question.isVisibleTo(widget)
    widget.question.no_button.click()
    assert not widget.question.isVisibleTo(widget)
    assert (folder / "axons").exists()
    widget.delete_button.click()
    widget.question.yes_button.click()
    qtbot.waitUntil(lambda: listed(widget) == [], timeout=WAIT)
    assert not (folder / "axons").exists()
    assert not widget.delete_button.isEnabled()


def test_two_changes_at_once_both_tell_of_their_end(qtbot, dock) -> None:
    widget = dock(finished_run)
    run = widget.list.selected()
    widget.list.rename_asked.emit(run, "  ")
    widget.list.rename_asked.emit(run, "better")
    qtbot.waitUntil(lambda: "name is empty" in widget.messages.text, timeout=WAIT)
    qtbot.waitUntil(lambda: listed(widget) == ["better"], timeout=WAIT)


def test_what_is_not_ours_stays(qtbot, dock, folder: Path) -> None:
    widget = dock(finished_run)
    (folder / "axons/thesis.docx").write_text("years of work")
    widget.delete_button.click()
    widget.question.yes_button.click()
    qtbot.waitUntil(lambda: widget.messages.text != "", timeout=WAIT)
    assert "thesis.docx" in widget.messages.text
    assert (folder / "axons/thesis.docx").exists()
    assert widget.delete_button.isEnabled()


def test_a_model_is_chosen_for_prediction(qtbot, dock, viewer, folder: Path) -> None:
    widget = dock(finished_run)
    widget.predict_button.click()
    assert session_of(viewer).model_path == folder / "axons"
    assert not widget.resume_button.isEnabled()


def test_a_model_is_chosen_to_train_on(qtbot, dock, viewer, folder: Path) -> None:
    widget = dock(finished_run)
    widget.train_button.click()
    assert session_of(viewer).base_path == folder / "axons"


def test_a_stopped_run_is_resumed(qtbot, dock, viewer, folder: Path) -> None:
    widget = dock(stopped_run)
    n_before = widget.list.selected().iterations
    widget.resume_button.click()
    run = session_of(viewer).training
    qtbot.waitUntil(lambda: run.history.last is not None, timeout=WAIT)
    assert run.run_dir == folder / "axons"
    assert not widget.resume_button.isEnabled()
    assert not widget.delete_button.isEnabled()
    run.stop()
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    assert run.result.iterations > n_before
    qtbot.waitUntil(widget.resume_button.isEnabled, timeout=WAIT)


def test_a_run_is_resumed_from_an_epoch(qtbot, dock, viewer, folder: Path) -> None:
    def with_epochs(path: Path) -> Path:
        finished_run(path)
        checkpoints = path / "checkpoints"
        latest = load_checkpoint(checkpoints / "latest.safetensors")
        for epoch in (1, 12):
            progress = replace(latest.progress, is_complete=False, iteration=epoch)
            earlier = replace(latest, progress=progress)
            save_checkpoint(checkpoints / f"{epoch_name(epoch)}.safetensors", earlier)
        return path

    widget = dock(with_epochs)
    menu = widget.resume_button.menu()
    texts = [action.text() for action in menu.actions()]
    assert texts == ["From epoch 12", "From epoch 1"]
    menu.actions()[1].trigger()
    run = session_of(viewer).training
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    assert run.failure is None
    assert run.result.iterations == 10
    assert run.history.iterations[0].iteration == 2


def test_a_run_that_was_resumed_meanwhile_is_not_deleted(
    qtbot, dock, viewer, folder: Path
) -> None:
    widget = dock(stopped_run)
    widget.delete_button.click()
    widget.resume_button.click()
    assert not widget.question.isVisibleTo(widget)
    widget.question.agreed.emit()
    run = session_of(viewer).training
    qtbot.waitUntil(lambda: run.history.last is not None, timeout=WAIT)
    run.stop()
    qtbot.waitUntil(lambda: not run.is_running, timeout=WAIT)
    assert run.failure is None
    assert (folder / "axons/plan.json").exists()


def test_details_are_read_when_they_are_looked_at(qtbot, dock) -> None:
    widget = dock(finished_run)
    assert widget.details.text() == ""
    widget.folding.unfold()
    qtbot.waitUntil(lambda: "unet 2D" in widget.details.text(), timeout=WAIT)
    assert "0 background, 1 foreground" in widget.details.text()


def test_a_damaged_model_says_so(qtbot, dock, folder: Path) -> None:
    widget = dock(finished_run)
    (folder / "axons/model/weights.safetensors").write_bytes(b"rubbish")
    widget.folding.unfold()
    qtbot.waitUntil(lambda: "weights" in widget.details.text(), timeout=WAIT)
    assert "\n" not in widget.details.text()


def test_the_folder_is_opened(dock, folder: Path, monkeypatch) -> None:
    opened: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    widget = dock(finished_run)
    widget.folder_button.click()
    assert [url.toLocalFile() for url in opened] == [str(folder / "axons")]


def test_details_are_not_cut_off(qtbot, dock) -> None:
    widget = dock(finished_run)
    widget.resize(300, 700)
    widget.show()
    widget.folding.unfold()
    label = widget.details
    qtbot.waitUntil(lambda: "unet 2D" in label.text(), timeout=WAIT)
    qtbot.waitUntil(
        lambda: label.height() >= label.heightForWidth(label.width()), timeout=WAIT
    )


def test_everything_is_reached_by_the_keyboard(dock) -> None:
    widget = dock(finished_run)
    check_keyboard(widget)
