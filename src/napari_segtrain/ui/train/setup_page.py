"""What a training is given: samples, classes, settings; and the plan made of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFormLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_segtrain.config import ExperimentConfig, UNetConfig
from napari_segtrain.errors import SegtrainError
from napari_segtrain.ui.latest_job import LatestJob
from napari_segtrain.ui.layers.samples import to_dataset
from napari_segtrain.ui.preferences import read_preferences
from napari_segtrain.ui.session import session_of
from napari_segtrain.ui.train.augmentation_view import AugmentationView
from napari_segtrain.ui.train.augmented_pictures import AugmentedPictures
from napari_segtrain.ui.train.base_row import BaseRow
from napari_segtrain.ui.train.export_row import ExportRow
from napari_segtrain.ui.train.plan_view import PlanView
from napari_segtrain.ui.train.plan_words import resolved_values
from napari_segtrain.ui.train.sample_section import SampleSection
from napari_segtrain.ui.train.training_setup import (
    TrainingSetup,
    look_at_device,
    network_of,
)
from napari_segtrain.ui.widgets.folding import Folding
from napari_segtrain.ui.widgets.forms import INDENT, ConfigForm
from napari_segtrain.workflows.failures import explain

if TYPE_CHECKING:
    from pathlib import Path

    from napari_segtrain.config import NetworkConfig
    from napari_segtrain.training.machine import DeviceInfo
    from napari_segtrain.training.plan import TrainingPlan
    from napari_segtrain.ui.preferences import Device, Preferences
    from napari_segtrain.ui.worker import Failure

_BASIC = ("training.length", "network")
_HIDDEN = ("format_version", "data", "training.device", "training.memory_limit")
_PLAN_DELAY = 400
_PAINT_DELAY = 1500
_DEFAULT_NAME = "run"


class SetupPage(QWidget):
    """Samples, settings and plan of the next training.

    Parameters
    ----------
    viewer : ViewerModel
        Or napari's proxy of it; held weakly.
    parent : QWidget, optional
        Owner.
    """

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session_of(viewer)
        self._is_training = False
        self.samples = SampleSection(viewer)
        self.base = BaseRow(viewer)
        self.plan_view = PlanView()
        self.augmentation = AugmentationView()
        title = "Pre&view on your patches"
        self.preview = Folding(title, indent=2 * INDENT)
        self.preview.set_widget(self.augmentation)
        self.form = ConfigForm(
            ExperimentConfig,
            basic=_BASIC,
            hidden=_HIDDEN,
            extras={"augmentation": self.preview},
        )
        self.name_field = QLineEdit()
        self.export_row = ExportRow()
        self._planned: TrainingSetup | None = None
        self._planner = LatestJob("Planning a training", self)
        self._device_job = LatestJob("Loading PyTorch", self)
        self._base_job = LatestJob("Reading a model", self)
        self._timer = QTimer(self)
        self._build_layout()
        self._connect()
        self._ask_for_device()
        self._on_session_base_chosen(self._session.base_path)

    def setup(self) -> TrainingSetup:
        """Gather what a training needs, as it is now.

        Raises
        ------
        SegtrainError
            With what is missing or wrong.
        """
        preferences = read_preferences()
        config, base = self.form.config(), self._session.base_path
        if base is not None:  # its network is taken over, whatever the form shows yet
            config = config.model_copy(update={"network": UNetConfig()})
        return TrainingSetup(
            dataset=to_dataset(self.samples.rows()),
            config=_on_device(config, preferences),
            base=base,
        )

    def run_name(self) -> str:
        """Name that the user gave, or one after the image."""
        return self.name_field.text().strip() or self.name_field.placeholderText()

    @property
    def is_planning(self) -> bool:
        """Whether a plan is on its way."""
        return self._timer.isActive() or self._planner.is_busy

    def set_training(self, *, is_running: bool) -> None:
        """Leave the processor to a training while one runs."""
        was_running, self._is_training = self._is_training, is_running
        if is_running:
            self._timer.stop()
        elif was_running:
            self._on_something_changed()

    def _build_layout(self) -> None:
        self._timer.setSingleShot(True)
        self.name_field.setAccessibleName("Name of the run")
        self.name_field.setToolTip("The run is kept under this name")
        name_row = QFormLayout()
        name_row.setContentsMargins(0, 0, 0, 0)
        name_row.addRow("&Name of the run", self.name_field)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 6, 4, 4)
        layout.setSpacing(6)
        layout.addWidget(_heading("Samples"))
        layout.addWidget(self.samples)
        layout.addWidget(_heading("Plan"))
        for widget in (self.base, self.plan_view):
            layout.addWidget(widget)
        layout.addWidget(_heading("Settings"))
        layout.addWidget(self.form)
        layout.addLayout(name_row)
        layout.addWidget(self.export_row)
        layout.addStretch()

    def _connect(self) -> None:
        self._timer.timeout.connect(self._on_timer_timeout)
        self.samples.changed.connect(self._on_something_changed)
        self.samples.painted.connect(self._on_samples_painted)
        self.form.changed.connect(self._on_something_changed)
        self._session.base_chosen.connect(self._on_session_base_chosen)
        self._base_job.succeeded.connect(self._on_base_job_succeeded)
        self._base_job.failed.connect(self._on_planner_failed)
        self._planner.started.connect(self.plan_view.show_waiting)
        self._planner.succeeded.connect(self._on_planner_succeeded)
        self._planner.failed.connect(self._on_planner_failed)
        self._device_job.succeeded.connect(self._on_device_found)
        self._device_job.failed.connect(self._on_planner_failed)

    def _ask_for_device(self) -> None:
        device: Device = read_preferences().device
        self._device_job.ask(partial(look_at_device, device))

    def _on_device_found(self, info: DeviceInfo) -> None:
        self.plan_view.show_device(info.line, info.hint)

    def _on_session_base_chosen(self, path: Path | None) -> None:
        self._base_job.forget()
        self.form.set_fixed({})
        if path is not None:
            self._base_job.ask(partial(network_of, path))
        self._on_something_changed()

    def _on_base_job_succeeded(self, network: NetworkConfig) -> None:
        """Show the network of the model to go on from; it cannot be another."""
        self.form.set_fixed({"network": network})

    def _on_something_changed(self, _what: object = None) -> None:
        self._show_name()
        self._plan_in(_PLAN_DELAY)

    def _on_samples_painted(self) -> None:
        self._plan_in(_PAINT_DELAY)

    def _plan_in(self, delay: int) -> None:
        """Make a plan when nothing has changed for ``delay`` ms."""
        if not self._is_training:
            self._timer.start(delay)

    def _show_name(self) -> None:
        rows = self.samples.rows()
        images = [image.name for row in rows for image in row.images[:1]]
        self.name_field.setPlaceholderText(images[0] if images else _DEFAULT_NAME)

    def _on_timer_timeout(self) -> None:
        try:
            setup = self.setup()
        except SegtrainError as error:
            self._planner.forget()
            self._show_problem(explain(error) or str(error))
        else:
            self._planned = setup
            self._planner.ask(setup.plan)

    def _on_planner_succeeded(self, plan: TrainingPlan) -> None:
        self.plan_view.show_plan(plan)
        self.form.set_resolved(resolved_values(plan))
        if self._planned is not None:
            pictures = AugmentedPictures(plan, self._planned.dataset)
            self.augmentation.show_patches_of(pictures)

    def _on_planner_failed(self, failure: Failure) -> None:
        self._show_problem(failure.text)

    def _show_problem(self, text: str) -> None:
        self.plan_view.show_problem(text)
        self.form.set_resolved({})
        self._planned = None
        self.augmentation.forget()


def _heading(text: str) -> QLabel:
    label = QLabel(f"<b>{text}</b>")
    label.setContentsMargins(0, 6, 0, 0)
    return label


def _on_device(config: ExperimentConfig, preferences: Preferences) -> ExperimentConfig:
    changes = {"device": preferences.device, "memory_limit": preferences.memory_limit}
    known = {name: value for name, value in changes.items() if value is not None}
    training = config.training.model_copy(update=known)
    return config.model_copy(update={"training": training})
