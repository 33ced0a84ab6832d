"""Samples of the next training, and the classes of their labels."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segtrain.ui.sample_table import SampleTable

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_segtrain.ui.samples import SampleRow

_EDITS = ("paint", "data")


class SampleSection(QWidget):
    """The table of samples, and what is painted on their labels.

    Parameters
    ----------
    viewer : ViewerModel
        Or napari's proxy of it; held weakly.
    parent : QWidget, optional
        Owner.

    Attributes
    ----------
    changed : Signal()
        The samples are others.
    painted : Signal()
        They are the same, with other labels.
    """

    changed = Signal()
    painted = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = SampleTable(viewer)
        self._watched: list[weakref.ref[Labels]] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.table)
        self.table.changed.connect(self._on_table_changed)
        self._watch()

    def rows(self) -> list[SampleRow]:
        """Layers that train together."""
        return self.table.rows()

    def _on_table_changed(self) -> None:
        self._watch()
        self.changed.emit()

    def _watch(self) -> None:
        """Hear of edits of the labels that are chosen now."""
        for reference in self._watched:
            layer = reference()
            if layer is not None:
                for name in _EDITS:
                    layer.events[name].disconnect(self._on_layer_edited)
        labels = self.table.labels()
        for layer in labels:
            for name in _EDITS:
                layer.events[name].connect(self._on_layer_edited)
        self._watched = [weakref.ref(layer) for layer in labels]

    def _on_layer_edited(self, _event: Any = None) -> None:
        if isalive(self):
            self.painted.emit()
