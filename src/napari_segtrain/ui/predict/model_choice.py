"""Which model predicts: one of the list, or a file or folder from elsewhere."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QModelIndex, QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_segtrain.ui.latest_job import LatestJob
from napari_segtrain.ui.models.model_items import class_names, score_of
from napari_segtrain.ui.models.model_list import ModelList
from napari_segtrain.ui.predict.other_models import OtherModels
from napari_segtrain.ui.session import session_of

if TYPE_CHECKING:
    from napari_segtrain.ui.worker import Failure
    from napari_segtrain.workflows.library import RunInfo

_LIST_HEIGHT = 172
_FILTER = "Models (*.zip *.safetensors model.yaml plan.json);;All files (*)"
_NO_MODEL = "No model is chosen."


class ModelChoice(QWidget):
    """The list of models, and buttons for others.

    Parameters
    ----------
    viewer : ViewerModel
        Or napari's proxy of it; its session says what is chosen in other docks.

    Attributes
    ----------
    changed : Signal()
        Another model is chosen, or none any more; or others to average with.
    refused : Signal(str)
        Why what was chosen is no model.
    failed : Signal(Failure)
        What went wrong while it was looked at.
    """

    changed = Signal()
    refused = Signal(str)
    failed = Signal(object)

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session_of(viewer)
        self._info: RunInfo | None = None
        self._is_from_list = False
        self.list = ModelList(viewer, needs_model=True)
        self.file_button = _button("Open &file…", "Choose a zip or a checkpoint")
        self.folder_button = _button(
            "Open f&older…", "Choose the folder of a run or model"
        )
        self.others = OtherModels()
        self._chosen = QLabel(_NO_MODEL)
        self._job = LatestJob("Looking at a model", self)
        self._build_layout()
        self._connect()
        if self._session.model_path is not None:
            self.choose(self._session.model_path)

    @property
    def info(self) -> RunInfo | None:
        """Description of the chosen model."""
        return self._info

    @property
    def path(self) -> Path | None:
        """Path of the chosen model."""
        return None if self._info is None else self._info.path

    @property
    def paths(self) -> tuple[Path, ...]:
        """Paths of the chosen model, and of those that it is averaged with."""
        return () if self.path is None else (self.path, *self.others.paths())

    def choose(self, path: Path) -> None:
        """Choose a model by its path; it is looked at in a thread."""
        if self.list.select(path):
            self._job.forget()
        else:
            self._job.ask(partial(_describe, path))

    def refresh(self) -> None:
        """Read the list again."""
        self.list.refresh()

    def _build_layout(self) -> None:
        self.list.setFixedHeight(_LIST_HEIGHT)
        self._chosen.setWordWrap(True)
        self._chosen.setTextFormat(Qt.TextFormat.PlainText)
        self._chosen.setAccessibleName("Chosen model")
        self._chosen.hide()
        buttons = QHBoxLayout()
        for button in (self.file_button, self.folder_button):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.list)
        layout.addWidget(self._chosen)
        layout.addLayout(buttons)
        layout.addWidget(self.others)

    def _connect(self) -> None:
        self.list.selection_changed.connect(self._on_list_selection_changed)
        self.list.listed.connect(self._on_list_listed)
        self.list.failed.connect(self.failed)
        self.others.changed.connect(self.changed)
        self.file_button.clicked.connect(self._on_file_clicked)
        self.folder_button.clicked.connect(self._on_folder_clicked)
        self._job.succeeded.connect(self._on_job_succeeded)
        self._job.failed.connect(self._on_job_failed)
        self._session.model_chosen.connect(self.choose)

    def _on_list_selection_changed(self, run: RunInfo | None) -> None:
        if run is not None:
            self._job.forget()
            self._is_from_list = True
            self._set_info(run)
        elif self._is_from_list:
            self._set_info(None)

    def _on_list_listed(self) -> None:
        """Choose the newest model when none is chosen."""
        runs = self.list.runs
        self.others.set_models(runs, self._info)
        if self._info is None and not self._job.is_busy and runs:
            self.list.select(runs[0].path)

    def _on_job_succeeded(self, info: RunInfo) -> None:
        if info.has_model:
            self._is_from_list = False
            self.list.view.setCurrentIndex(QModelIndex())
            self._set_info(info)
            return
        what = info.problem or "It holds no model yet: it ended before it began."
        self.refused.emit(f"{info.path} cannot be used for prediction. {what}")

    def _on_job_failed(self, failure: Failure) -> None:
        self.failed.emit(failure)

    def _on_file_clicked(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, "Choose a model", self._start(), _FILTER
        )
        if name:
            self._session.choose_model(_model_of(Path(name)))

    def _on_folder_clicked(self) -> None:
        name = QFileDialog.getExistingDirectory(
            self, "Choose a run or model folder", self._start()
        )
        if name:
            self._session.choose_model(Path(name))

    def _start(self) -> str:
        return "" if self.path is None else str(self.path.parent)

    def _set_info(self, info: RunInfo | None) -> None:
        before = self._info
        self._info = info
        self._chosen.setText(_NO_MODEL if info is None else _words(info))
        self._chosen.setToolTip("" if info is None else str(info.path))
        self._chosen.setVisible(info is not None and not self._is_from_list)
        with QSignalBlocker(self.others):
            self.others.set_models(self.list.runs, info)
        if info != before:
            self.changed.emit()


def _words(info: RunInfo) -> str:
    score = score_of(info)
    parts = (info.name, class_names(info), f"score {score}" if score else "")
    return "Model: " + " · ".join(part for part in parts if part)


def _model_of(path: Path) -> Path:
    return path.parent if path.name in {"model.yaml", "plan.json"} else path


def _describe(path: Path) -> RunInfo:
    from napari_segtrain.ui.reader import model_at
    from napari_segtrain.workflows.run_info import read_run_info

    return read_run_info(model_at(path) or path)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAccessibleDescription(tip)
    return button
