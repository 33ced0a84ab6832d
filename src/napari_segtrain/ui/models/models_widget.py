"""The Models dock: runs and models, and what can be done with them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QAction, QDesktopServices
from qtpy.QtWidgets import (
    QGridLayout,
    QLabel,
    QMenu,
    QPushButton,
    QVBoxLayout,
)

from napari_segtrain.ui.docks import DockContent, open_dock
from napari_segtrain.ui.latest_job import LatestJob
from napari_segtrain.ui.models.model_list import ModelList
from napari_segtrain.ui.session import session_of
from napari_segtrain.ui.train.training_setup import resumed_run
from napari_segtrain.ui.training_run import TrainingRun
from napari_segtrain.ui.widgets.folding import Folding
from napari_segtrain.ui.widgets.messages import MessageBar
from napari_segtrain.ui.widgets.question_bar import QuestionBar
from napari_segtrain.ui.widgets.texts import rows_html
from napari_segtrain.ui.worker import start_job

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_segtrain.ui.worker import Failure, Task
    from napari_segtrain.workflows.library import RunInfo

_DETAILS_DELAY = 200
_LIST_HEIGHT = 200


class ModelsWidget(DockContent):
    """Lists runs and models, the newest first; renames, deletes, resumes, uses them.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Held weakly.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self.list = ModelList(napari_viewer)
        self.messages = MessageBar()
        self.question = QuestionBar("&Delete for good", "&Keep")
        self.details = QLabel()
        self.folding = Folding("&Details")
        self._describer = LatestJob("Describing a model", self)
        self._tasks: list[Task] = []
        self._asked: RunInfo | None = None
        self.predict_button = _button("&Predict with it", "Use it in the Predict dock")
        self.train_button = _button(
            "&Train on", "Begin a new training with its weights, in the Train dock"
        )
        self.resume_button = _button(
            "&Resume", "Go on with a run that was stopped, or from one of its epochs"
        )
        self._epochs = QMenu(self)
        self.rename_button = _button("Re&name", "Type another name in the list (F2)")
        self.delete_button = _button("De&lete", "Remove it from the disk")
        self.folder_button = _button("&Open folder", "Show its files")
        self._build_layout()
        self._connect()
        self._show_actions()

    def _build_layout(self) -> None:
        flags = Qt.TextInteractionFlag
        self.details.setWordWrap(True)
        self.details.setTextInteractionFlags(
            flags.TextSelectableByMouse | flags.TextSelectableByKeyboard
        )
        self.folding.set_widget(self.details)
        self.list.setMinimumHeight(_LIST_HEIGHT)
        grid = QGridLayout()
        grid.setSpacing(4)
        for number, button in enumerate(self.buttons()):
            grid.addWidget(button, number // 3, number % 3)
        layout = QVBoxLayout(self)
        layout.addWidget(self.list, stretch=1)
        layout.addLayout(grid)
        for widget in (self.question, self.folding, self.messages):
            layout.addWidget(widget)

    def _connect(self) -> None:
        self.list.selection_changed.connect(self._on_list_selection_changed)
        self.list.activated.connect(self._on_list_activated)
        self.list.rename_asked.connect(self._on_list_rename_asked)
        self.list.failed.connect(self._on_task_failed)
        self.predict_button.clicked.connect(self._on_predict_clicked)
        self.train_button.clicked.connect(self._on_train_clicked)
        self.resume_button.clicked.connect(self._on_resume_clicked)
        self.rename_button.clicked.connect(self.list.edit_name)
        self.delete_button.clicked.connect(self._on_delete_clicked)
        self.folder_button.clicked.connect(self._on_folder_clicked)
        self.question.agreed.connect(self._on_question_agreed)
        self._describer.succeeded.connect(self._on_describer_succeeded)
        self._describer.failed.connect(self._on_describer_failed)
        self.folding.unfolded.connect(self._describe)
        self._session.training_changed.connect(self._show_actions)

    def buttons(self) -> tuple[QPushButton, ...]:
        """What can be done with the selected run."""
        return (
            self.predict_button,
            self.train_button,
            self.resume_button,
            self.rename_button,
            self.delete_button,
            self.folder_button,
        )

    def _show_actions(self) -> None:
        """Enable what can be done with the selected run."""
        run = self.list.selected()
        is_free = run is not None and not self._is_training(run)
        has_model = run is not None and run.has_model
        self.predict_button.setEnabled(has_model)
        self.train_button.setEnabled(has_model)
        can_resume = run is not None and run.is_run and run.state == "can be resumed"
        epochs = () if run is None else run.epochs
        self.resume_button.setEnabled(is_free and (can_resume or bool(epochs)))
        self._show_epochs(epochs, can_go_on=can_resume)
        self.rename_button.setEnabled(run is not None)
        self.delete_button.setEnabled(is_free)
        self.folder_button.setEnabled(run is not None)

    def _is_training(self, run: RunInfo) -> bool:
        training = self._session.training
        return (
            training is not None
            and training.is_running
            and training.run_dir == run.path
        )

    def _on_list_selection_changed(self, _run: RunInfo | None) -> None:
        self.question.hide()
        self._show_actions()
        self._describe()

    def _describe(self) -> None:
        """Ask for the description of the selected model, when it is looked at."""
        run = self.list.selected()
        self._describer.forget()
        if run is None or not self.folding.isExpanded():
            self.details.clear()
        elif run.problem is not None or not run.has_model:
            self.details.setText(run.problem or "It holds no model yet.")
        else:
            self._describer.ask(partial(_description, run.path), delay=_DETAILS_DELAY)

    def _on_describer_succeeded(self, lines: list[str]) -> None:
        pairs = (line.partition(": ") for line in lines)
        rows = [(name[:1].upper() + name[1:], text) for name, _, text in pairs]
        self.details.setText(rows_html(rows))

    def _on_describer_failed(self, failure: Failure) -> None:
        self.details.setText(failure.text)

    def _on_list_activated(self, _run: RunInfo) -> None:
        self._on_predict_clicked()

    def _on_predict_clicked(self) -> None:
        run = self.list.selected()
        if run is not None and run.has_model:
            self._session.choose_model(run.path)
            open_dock(self._session, "Predict")

    def _on_train_clicked(self) -> None:
        run = self.list.selected()
        if run is not None:
            self._session.choose_base(run.path)
            open_dock(self._session, "Train")

    def _show_epochs(self, epochs: Sequence[int], *, can_go_on: bool) -> None:
        """Let the button ask from where to resume, when there is a choice."""
        self._epochs.clear()
        if can_go_on:
            self._epochs.addAction("Where it &stopped").triggered.connect(
                self._on_resume_clicked
            )
        for epoch in reversed(epochs):
            action = self._epochs.addAction(f"From epoch {epoch}")
            action.setData(epoch)
            action.setToolTip("Later epochs are dropped and made again")
            action.triggered.connect(self._on_epoch_triggered)
        self.resume_button.setMenu(self._epochs if epochs else None)

    def _on_resume_clicked(self) -> None:
        self._resume(None)

    def _on_epoch_triggered(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            self._resume(action.data())

    def _resume(self, epoch: int | None) -> None:
        run = self.list.selected()
        if run is None:
            return
        training = self._session.training
        if training is not None and training.is_running:
            self.messages.show_text(
                "warning",
                "Another training is running; stop it first, or wait for its end.",
            )
            return
        self.question.hide()
        self._session.training = TrainingRun(
            partial(resumed_run, run.path, epoch=epoch),
            f"Training {run.name}",
            run_dir=run.path,
        )
        open_dock(self._session, "Train")

    def _on_delete_clicked(self) -> None:
        self._asked = self.list.selected()
        if self._asked is not None:
            self.question.ask(
                f"Delete '{self._asked.name}' with its model and checkpoints? This "
                "cannot be undone."
            )

    def _on_question_agreed(self) -> None:
        if self._asked is not None and not self._is_training(self._asked):
            self._change(partial(_delete, self._asked.path), "Deleting a run")

    def _on_list_rename_asked(self, run: RunInfo, name: str) -> None:
        self._change(partial(_rename, run.path, name), "Renaming a run")

    def _on_folder_clicked(self) -> None:
        run = self.list.selected()
        if run is not None:
            folder = run.path if run.path.is_dir() else run.path.parent
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def _change(self, function: Callable[[], Any], title: str) -> None:
        self.messages.clear()
        task = start_job(function, title=title)
        task.failed.connect(self._on_task_failed)
        task.ended.connect(self._on_task_ended)
        self._tasks.append(task)

    def _on_task_failed(self, failure: Failure) -> None:
        self.messages.show_failure(failure)

    def _on_task_ended(self) -> None:
        self._tasks = [task for task in self._tasks if task.is_running]
        self._session.models_changed.emit()


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAccessibleDescription(tip)
    return button


def _description(path: Path) -> list[str]:
    from napari_segtrain.workflows.models import describe_model, load_model

    return describe_model(load_model(path))


def _rename(path: Path, name: str) -> None:
    from napari_segtrain.workflows.library import rename_run

    rename_run(path, name)


def _delete(path: Path) -> None:
    from napari_segtrain.workflows.library import delete_run

    delete_run(path)
