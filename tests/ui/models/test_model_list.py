from __future__ import annotations

from pathlib import Path

import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLineEdit
from tests.ui.runs import finished_run, stopped_run

from napari_segtrain.ui.latest_job import LatestJob
from napari_segtrain.ui.models.model_list import ModelList
from napari_segtrain.ui.session import session_of
from napari_segtrain.workflows.library import rename_run

WAIT = 5000


@pytest.fixture
def folder(tmp_path: Path, preferences) -> Path:
    preferences.run_folder = str(tmp_path)
    return tmp_path


def listing(qtbot, viewer, **options) -> ModelList:
    widget = ModelList(viewer, **options)
    qtbot.addWidget(widget)
    until_listed(qtbot, widget)
    return widget


def until_listed(qtbot, widget: ModelList) -> None:
    with qtbot.waitSignal(widget.listed, timeout=WAIT):
        pass


def names(widget: ModelList) -> list[str]:
    return [run.name for run in widget.shown_runs()]


def test_runs_are_listed_newest_first(qtbot, folder: Path) -> None:
    finished_run(folder / "axons")
    stopped_run(folder / "nuclei")
    widget = listing(qtbot, ViewerModel())
    created = [run.created for run in widget.runs]
    assert sorted(names(widget)) == ["axons", "nuclei"]
    assert created == sorted(created, reverse=True)
    states = {run.name: run.state for run in widget.runs}
    assert states == {"axons": "complete", "nuclei": "can be resumed"}
    widget.select(folder / "axons")
    index = widget.view.currentIndex()
    text = index.data(Qt.ItemDataRole.AccessibleTextRole)
    assert text.startswith("axons, foreground, score 0.")
    picture = index.data(Qt.ItemDataRole.DecorationRole)
    assert 0 < max(picture.width(), picture.height()) <= 48


def test_an_empty_folder_says_what_to_do(qtbot, folder: Path) -> None:
    widget = listing(qtbot, ViewerModel())
    assert not widget.view.isVisibleTo(widget)
    assert widget.runs == []


def test_search(qtbot, folder: Path) -> None:
    finished_run(folder / "axons")
    finished_run(folder / "nuclei")
    widget = listing(qtbot, ViewerModel())
    qtbot.keyClicks(widget.search_field, "AXO")
    assert names(widget) == ["axons"]
    qtbot.keyClicks(widget.search_field, "?")
    assert names(widget) == []
    assert not widget.view.isVisibleTo(widget)
    widget.search_field.clear()
    qtbot.keyClicks(widget.search_field, "disks 1")
    assert len(names(widget)) == 2


def test_only_what_can_predict(qtbot, folder: Path) -> None:
    finished_run(folder / "axons")
    (folder / "broken").mkdir()
    (folder / "broken/plan.json").write_text("{")
    assert len(names(listing(qtbot, ViewerModel()))) == 2
    assert names(listing(qtbot, ViewerModel(), needs_model=True)) == ["axons"]


def test_the_list_follows_the_session_and_keeps_the_selection(
    qtbot, folder: Path
) -> None:
    viewer = ViewerModel()
    first = finished_run(folder / "axons")
    widget = listing(qtbot, viewer)
    assert widget.select(first)
    second = finished_run(folder / "nuclei")
    assert not widget.select(second)
    session_of(viewer).models_changed.emit()
    until_listed(qtbot, widget)
    assert widget.selected().path == second
    rename_run(second, "cells")
    session_of(viewer).models_changed.emit()
    until_listed(qtbot, widget)
    assert widget.selected().name == "cells"


def test_a_name_is_edited_in_place(qtbot, folder: Path) -> None:
    run = finished_run(folder / "axons")
    widget = listing(qtbot, ViewerModel())
    widget.resize(300, 300)
    widget.show()
    until_listed(qtbot, widget)
    widget.select(run)
    widget.edit_name()
    editor = widget.view.viewport().findChild(QLineEdit)
    assert editor.text() == "axons"
    editor.clear()
    qtbot.keyClicks(editor, "my axons")
    with qtbot.waitSignal(widget.rename_asked, timeout=WAIT) as asked:
        qtbot.keyClick(editor, Qt.Key.Key_Return)
    assert asked.args[0].path == run
    assert asked.args[1] == "my axons"
    assert not widget.grab().isNull()


def test_the_last_question_is_answered(qtbot) -> None:
    viewer = ViewerModel()
    widget = ModelList(viewer)
    qtbot.addWidget(widget)
    job = LatestJob("a job", widget)
    answers: list[int] = []
    job.succeeded.connect(answers.append)
    for number in range(5):
        job.ask(lambda number=number: number)
        qtbot.wait(1)
    qtbot.waitUntil(lambda: not job.is_busy, timeout=WAIT)
    assert answers[-1] == 4
    job.ask(lambda: 5)
    qtbot.wait(1)
    job.forget()
    qtbot.wait(100)
    assert answers[-1] == 4
