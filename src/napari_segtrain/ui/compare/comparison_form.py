"""What is compared, and how: two Labels layers and the meaning of their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QCheckBox, QFormLayout, QVBoxLayout, QWidget

from napari_segtrain.config import EvaluationConfig
from napari_segtrain.errors import DataError
from napari_segtrain.ui.classes.value_kinds import TargetChoice
from napari_segtrain.ui.compare.further_layers import FurtherLayers
from napari_segtrain.ui.compare.label_pairs import is_choosable, likely_pair
from napari_segtrain.ui.compare.region_choice import RegionChoice
from napari_segtrain.ui.compare.truth_classes import TruthClasses
from napari_segtrain.ui.widgets.forms import ConfigForm
from napari_segtrain.ui.widgets.layer_choice import LayerChoice

if TYPE_CHECKING:
    from napari_segtrain.ui.classes.value_kinds import Target

_OBJECTS_TIP = (
    "Score objects, too; the error map then shows which are split and which merged"
)


class ComparisonForm(QWidget):
    """Lets ground truth, segmentation and the meaning of their values be chosen.

    Parameters
    ----------
    viewer : ViewerModel
        Whose Labels layers are offered; held weakly.
    parent : QWidget, optional
        Owner.

    Attributes
    ----------
    layers_changed : Signal()
        Other layers are offered, or under another name or in another order.
    """

    layers_changed = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._is_running = False
        self._settling = QTimer(self, singleShot=True, interval=0)
        self.truth_choice = LayerChoice(viewer, Labels, accept=is_choosable)
        self.prediction_choice = LayerChoice(viewer, Labels, accept=is_choosable)
        self.further = FurtherLayers(self.truth_choice, self.prediction_choice)
        self.target_choice = TargetChoice()
        self.region_choice = RegionChoice(viewer)
        self.truth_classes = TruthClasses(viewer, self.truth_choice)
        self.objects_box = QCheckBox("Match &objects")
        self.objects_box.setToolTip(_OBJECTS_TIP)
        self.measures = ConfigForm(
            EvaluationConfig, hidden=("objects",), title="&Measures"
        )
        self._build_layout()
        self._settling.timeout.connect(self._preselect)
        for choice in (self.truth_choice, self.prediction_choice):
            choice.layers_changed.connect(self._on_choice_layers_changed)
        self._preselect()

    @property
    def target(self) -> Target:
        """What the values of both layers are, where it is not known."""
        return self.target_choice.target

    def measured(self) -> EvaluationConfig:
        """What is to be measured.

        Raises
        ------
        ConfigError
            When a setting is wrong.
        """
        objects = self.objects_box.isChecked()
        return self.measures.config().model_copy(update={"objects": objects})

    def layers(self) -> list[Labels]:
        """Layers that can be compared."""
        return self.truth_choice.layers()

    def pair(self) -> tuple[Labels, Labels]:
        """Return ground truth and segmentation.

        Raises
        ------
        DataError
            When they are not both there.
        """
        layers = self.truth_choice.layers()
        if not layers:
            raise DataError(
                "There is no Labels layer to compare; open or paint ground truth, and "
                "predict a segmentation."
            )
        if len(layers) == 1:
            raise DataError(
                f"'{layers[0].name}' is the only Labels layer; a comparison needs two, "
                "ground truth and a segmentation."
            )
        truth, prediction = self.truth_choice.layer(), self.prediction_choice.layer()
        if truth is None or prediction is None:
            raise DataError("Choose ground truth and a segmentation.")
        return truth, prediction

    def choose(self, truth: Labels | None, prediction: Labels | None) -> None:
        """Choose layers, as far as they are there."""
        for choice, layer in (
            (self.truth_choice, truth),
            (self.prediction_choice, prediction),
        ):
            if layer in choice.layers():
                choice.set_layer(layer)

    def set_running(self, *, is_running: bool) -> None:
        """Hold everything while a comparison runs."""
        self._is_running = is_running
        for choice in (self.truth_choice, self.prediction_choice):
            choice.setEnabled(not is_running and choice.count() > 0)
        for widget in (
            *(self.further, self.target_choice, self.region_choice),
            self.truth_classes,
            *(self.objects_box, self.measures),
        ):
            widget.setEnabled(not is_running)

    def _build_layout(self) -> None:
        self.target_choice.setToolTip(
            "What the values of both layers are, where it is not known"
        )
        rows = QFormLayout()
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow("Ground &truth", self.truth_choice)
        rows.addRow("Se&gmentation", self.prediction_choice)
        rows.addRow("Values a&re", self.target_choice)
        rows.addRow("Only &inside", self.region_choice)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(rows)
        layout.addWidget(self.further)
        layout.addWidget(self.truth_classes)
        layout.addWidget(self.objects_box)
        layout.addWidget(self.measures)

    def _preselect(self) -> None:
        """Choose the likely pair where the user has not chosen yet.

        Layers are known as results only after they were added.
        """
        choices = (self.truth_choice, self.prediction_choice)
        if self._is_running or any(choice.is_chosen_by_user for choice in choices):
            return
        layers = self.prediction_choice.layers()
        pair = likely_pair(layers)
        if pair is None or layers != self.truth_choice.layers():
            return
        for choice, layer in zip(choices, pair, strict=True):
            choice.set_layer(layer)

    def _on_choice_layers_changed(self) -> None:
        self.layers_changed.emit()
        self._preselect()
        self._settling.start()
