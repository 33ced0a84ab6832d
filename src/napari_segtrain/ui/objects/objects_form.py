"""What objects are made of, and how: a layer, what is measured, the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QVBoxLayout, QWidget

from napari_segtrain.config import SeparationConfig
from napari_segtrain.errors import DataError
from napari_segtrain.ui.classes.value_kinds import TargetChoice
from napari_segtrain.ui.compare.error_layer import is_error_map
from napari_segtrain.ui.layers.reading import image_from_layers
from napari_segtrain.ui.objects.preview_layer import is_preview
from napari_segtrain.ui.objects.separation_source import (
    SeparationSource,
    n_maps,
    source_of,
)
from napari_segtrain.ui.widgets.forms import ConfigForm
from napari_segtrain.ui.widgets.layer_choice import LayerChoice

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_segtrain.image import Image as ImageData

_BASIC = ("method", "mode", "threshold", "smoothing", "min_voxels", "drop_border")


def _is_choosable(layer: Any) -> bool:
    return not (is_error_map(layer) or is_preview(layer))


class ObjectsForm(QWidget):
    """Lets a layer and the way to objects be chosen.

    Parameters
    ----------
    viewer : ViewerModel
        Whose layers are offered; held weakly.

    Attributes
    ----------
    source_changed : Signal()
        Another layer is chosen, or what its values are.
    config_changed : Signal()
        A setting was changed; it may be wrong.
    """

    source_changed = Signal()
    config_changed = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.layer_choice = LayerChoice(viewer, (Labels, Image), accept=_is_choosable)
        self.target_choice = TargetChoice()
        self.map_choice = QComboBox()
        self.image_choice = LayerChoice(viewer, Image, none="(none)")
        self.settings = ConfigForm(SeparationConfig, basic=_BASIC, title="&More")
        self._build_layout()
        self._connect()
        self._prefer_labels()
        self._show_kind()

    def layer(self) -> Layer | None:
        """The layer that objects are made of."""
        return self.layer_choice.layer()

    def source(self) -> SeparationSource:
        """What objects are made of.

        Raises
        ------
        DataError
            When there is no layer, or it cannot be used.
        """
        layer = self.layer()
        if layer is None:
            raise DataError(
                "There is no layer to make objects of; open labels, or predict a "
                "segmentation or probability maps."
            )
        channel = max(0, self.map_choice.currentIndex())
        return source_of(layer, self.target_choice.target, channel)

    def config(self) -> SeparationConfig:
        """How objects are made.

        Raises
        ------
        ConfigError
            When a setting is wrong.
        """
        return self.settings.config()

    def image(self) -> ImageData | None:
        """Intensities that are measured.

        Raises
        ------
        DataError
            When the layer cannot be read.
        """
        layer = self.image_choice.layer()
        return None if layer is None else image_from_layers([layer])

    def set_running(self, *, is_running: bool) -> None:
        """Hold everything while objects are made."""
        for widget in (self.target_choice, self.map_choice, self.settings):
            widget.setEnabled(not is_running)
        for choice in (self.layer_choice, self.image_choice):
            choice.setEnabled(not is_running and choice.count() > 0)

    def _build_layout(self) -> None:
        self.image_choice.setToolTip("Intensities of the objects are measured in it")
        self._rows = QFormLayout()
        policy = QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow
        self._rows.setFieldGrowthPolicy(policy)
        self._rows.addRow("Objects &of", self.layer_choice)
        self._rows.addRow("&Values are", self.target_choice)
        self._rows.addRow("&Map", self.map_choice)
        self._rows.addRow("&Intensities of", self.image_choice)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._rows)
        layout.addWidget(self.settings)

    def _connect(self) -> None:
        self.layer_choice.layer_changed.connect(self._on_layer_changed)
        self.target_choice.currentIndexChanged.connect(self._on_source_changed)
        self.map_choice.currentIndexChanged.connect(self._on_source_changed)
        self.settings.changed.connect(self.config_changed)

    def _prefer_labels(self) -> None:
        """Choose the topmost Labels layer."""
        labels = [x for x in self.layer_choice.layers() if isinstance(x, Labels)]
        if labels:
            self.layer_choice.set_layer(labels[0])

    def _show_kind(self) -> None:
        """Ask what fits the kind of layer."""
        layer = self.layer()
        is_maps = isinstance(layer, Image)
        n = n_maps(layer) if isinstance(layer, Image) else 1
        was_blocked = self.map_choice.blockSignals(True)  # noqa: FBT003 - Qt's
        self.map_choice.clear()
        self.map_choice.addItems([f"map {i}" for i in range(n)])
        self.map_choice.setCurrentIndex(n - 1)
        self.map_choice.blockSignals(was_blocked)
        self._rows.setRowVisible(self.target_choice, not is_maps)
        self._rows.setRowVisible(self.map_choice, is_maps and n > 1)

    def _on_layer_changed(self) -> None:
        self._show_kind()
        self.source_changed.emit()

    def _on_source_changed(self) -> None:
        self.source_changed.emit()
