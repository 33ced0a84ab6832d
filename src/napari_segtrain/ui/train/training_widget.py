"""The Train dock."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QTabWidget, QVBoxLayout

from napari_segtrain.errors import SegtrainError
from napari_segtrain.ui.docks import DockContent, open_dock
from napari_segtrain.ui.layers.samples import uncopied_labels
from napari_segtrain.ui.preferences import read_preferences
from napari_segtrain.ui.session import session_of
from napari_segtrain.ui.train.label_hold import LabelHold
from napari_segtrain.ui.train.run_page import RunPage
from napari_segtrain.ui.train.setup_page import SetupPage
from napari_segtrain.ui.train.training_controls import TrainingControls
from napari_segtrain.ui.train.training_setup import resumed_run
from napari_segtrain.ui.training_run import TrainingRun
from napari_segtrain.ui.widgets.messages import MessageBar
from napari_segtrain.ui.widgets.page_area import PageArea
from napari_segtrain.workflows.failures import explain

if TYPE_CHECKING:
    from pathlib import Path

    from napari_segtrain.ui.train.training_setup import TrainingSetup
    from napari_segtrain.ui.worker import Failure

_SETUP, _RUN = 0, 1


class TrainingWidget(DockContent):
    """Sets a training up, starts it and follows it.

    The training belongs to the session of the viewer: it goes on when the dock is
    closed, and a dock that is opened later shows it.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Held weakly.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self.tabs = QTabWidget()
        self.setup_page = SetupPage(napari_viewer)
        self.run_page = RunPage(napari_viewer)
        self.controls = TrainingControls()
        self.messages = MessageBar()
        self._build_layout()
        self._connect()
        self._attach()

    def start(self) -> None:
        """Train with what is set; what is wrong is said in a sentence."""
        self.messages.clear()
        if self._is_training():
            self.messages.show_text(
                "warning",
                "A training is running; stop it first, or wait for its end.",
            )
            return
        setup = self._setup()
        if setup is None:
            return
        name = self.setup_page.run_name()
        folder = read_preferences().run_folder
        run = TrainingRun(partial(setup.train, folder, name), f"Training {name}")
        LabelHold(uncopied_labels(self.setup_page.samples.rows()), run)
        self._session.training = run

    def _build_layout(self) -> None:
        self.tabs.addTab(PageArea(self.setup_page), "Set &up")
        self.tabs.addTab(PageArea(self.run_page), "R&un")
        self.tabs.setDocumentMode(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.tabs, stretch=1)
        layout.addWidget(self.messages)
        layout.addWidget(self.controls)

    def _connect(self) -> None:
        self.controls.start_asked.connect(self.start)
        self._session.training_changed.connect(self._on_session_training_changed)
        outcome = self.run_page.outcome
        outcome.predict_asked.connect(self._on_outcome_predict_asked)
        outcome.train_asked.connect(self._on_outcome_train_asked)
        outcome.resume_asked.connect(self._on_outcome_resume_asked)

        exports = self.setup_page.export_row
        exports.command_asked.connect(self._on_export_command_asked)
        exports.yaml_asked.connect(self._on_export_yaml_asked)
        exports.told.connect(self._on_export_told)
        exports.failed.connect(self._on_export_failed)

    def _setup(self) -> TrainingSetup | None:
        """What is set; ``None``, and a sentence for the user, when that cannot be."""
        try:
            return self.setup_page.setup()
        except SegtrainError as error:
            self.messages.show_text("error", explain(error) or str(error))
            self.tabs.setCurrentIndex(_SETUP)
            return None

    def _attach(self) -> None:
        """Show the session's training, if there is one."""
        run = self._session.training
        self._show_run(run)
        self.tabs.setCurrentIndex(_RUN if self._is_training() else _SETUP)
        if run is not None and run.failure is not None:
            self.messages.show_failure(run.failure)

    def _show_run(self, run: TrainingRun | None) -> None:
        self.run_page.show_run(run)
        self.controls.show_run(run)
        self.setup_page.set_training(is_running=self._is_training())

    def _is_training(self) -> bool:
        run = self._session.training
        return run is not None and run.is_running

    def _on_session_training_changed(self) -> None:
        run = self._session.training
        is_new = run is not self.run_page.run
        self._show_run(run)
        if is_new and run is not None:
            self.messages.clear()
            self.tabs.setCurrentIndex(_RUN)
        if run is not None and run.failure is not None:
            self.messages.show_failure(run.failure)
            if run.history.last is None:
                self.tabs.setCurrentIndex(_SETUP)

    def _on_outcome_predict_asked(self, path: Path) -> None:
        self._session.choose_model(path)
        open_dock(self._session, "Predict")

    def _on_outcome_train_asked(self, path: Path) -> None:
        self._session.choose_base(path)
        self.start()

    def _on_outcome_resume_asked(self, path: Path) -> None:
        self._session.training = TrainingRun(
            partial(resumed_run, path), f"Training {path.name}", run_dir=path
        )

    def _on_export_command_asked(self) -> None:
        self.messages.clear()
        setup, page = self._setup(), self.setup_page
        if setup is not None:
            folder = read_preferences().run_folder
            page.export_row.copy_command(setup, folder, page.run_name())

    def _on_export_yaml_asked(self) -> None:
        self.messages.clear()
        setup, exports = self._setup(), self.setup_page.export_row
        if setup is None:
            return
        folder = read_preferences().run_folder
        path = exports.ask_path(folder, self.setup_page.run_name())
        if path is not None:
            exports.save(setup, path)

    def _on_export_told(self, text: str) -> None:
        self.messages.show_text("info", text)

    def _on_export_failed(self, failure: Failure) -> None:
        self.messages.show_failure(failure)
