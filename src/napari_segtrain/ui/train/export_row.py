"""A training to be repeated elsewhere: as a command, as a YAML file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QWidget

from napari_segtrain.config import training_command
from napari_segtrain.ui.worker import start_job

if TYPE_CHECKING:
    from napari_segtrain.ui.train.training_setup import TrainingSetup
    from napari_segtrain.ui.worker import Task

_FOLDER = "experiments"
_FILE = "experiment.yaml"
_FILTER = "YAML (*.yaml)"


class ExportRow(QWidget):
    """Buttons that write an experiment, and the thread that does.

    Attributes
    ----------
    command_asked, yaml_asked : Signal()
        The user wants a command, or a file; answered by `copy_command` and `save`.
    told : Signal(str)
        What was done.
    failed : Signal(Failure)
        Why it was not.
    """

    command_asked = Signal()
    yaml_asked = Signal()
    told = Signal(str)
    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.command_button = QPushButton("&Copy command")
        self.yaml_button = QPushButton("Sa&ve as YAML…")
        self.command_button.setToolTip(
            "Save samples and settings in the run folder, and copy the command that "
            "trains the same model"
        )
        self.yaml_button.setToolTip(
            "Save settings, and the samples beside them, for 'segtrain train --config'"
        )
        self._task: Task | None = None
        self._setup: TrainingSetup | None = None
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.command_button)
        layout.addWidget(self.yaml_button)
        self.command_button.clicked.connect(self.command_asked)
        self.yaml_button.clicked.connect(self.yaml_asked)

    def ask_path(self, folder: Path, name: str) -> Path | None:
        """Let the user choose a file."""
        start = str(folder / f"{name}.yaml")
        path, _ = QFileDialog.getSaveFileName(self, "Save the training", start, _FILTER)
        return Path(path) if path else None

    def copy_command(self, setup: TrainingSetup, folder: Path, name: str) -> None:
        """Write an experiment beside the runs, and copy the command that trains it."""
        work = partial(_written, setup, folder, name)
        task = self._started(work, setup)
        task.succeeded.connect(self._on_command_ready)

    def save(self, setup: TrainingSetup, path: Path) -> None:
        """Write an experiment."""
        task = self._started(partial(setup.export, path), setup)
        task.succeeded.connect(self._on_file_saved)

    def _started(self, work: partial[Path], setup: TrainingSetup) -> Task:
        self.setEnabled(False)
        self._setup = setup
        task = self._task = start_job(work, title="Saving an experiment")
        task.failed.connect(self.failed)
        task.ended.connect(self._on_task_ended)
        return task

    def _on_command_ready(self, path: Path) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self._command(path))
        self.told.emit(f"The command is copied; it reads {path}.")

    def _on_file_saved(self, path: Path) -> None:
        self.told.emit(f"Saved. This trains the same model: {self._command(path)}")

    def _command(self, path: Path) -> str:
        setup = self._setup
        if setup is None:
            return ""
        return training_command(
            setup.config, config_path=path, continue_from=setup.base
        )

    def _on_task_ended(self) -> None:
        self._task = self._setup = None
        self.setEnabled(True)


def _written(setup: TrainingSetup, folder: Path, name: str) -> Path:
    """Write into a folder of its own, under a name that is free."""
    from napari_segtrain.workflows.library import unique_run_dir

    target = unique_run_dir(folder / _FOLDER, name)
    target.mkdir(parents=True)
    return setup.export(target / _FILE)
