"""Samples of the next training, and the classes of their labels."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segtrain.ui.classes.class_table import ClassTableWidget
from napari_segtrain.ui.session import session_of
from napari_segtrain.ui.train.sample_table import SampleTable
from napari_segtrain.ui.widgets.folding import Folding

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_segtrain.ui.layers.samples import SampleRow

_EDITS = ("paint", "data")


class SampleSection(QWidget):
    """The table of samples, and the classes of their labels.

    The classes are those of the active layer of the viewer when it is one of the
    samples' labels, else of the first sample's.

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
        self._session = session_of(viewer)
        self.table = SampleTable(viewer)
        self.classes = ClassTableWidget(viewer)
        self.folding = Folding("&Classes")
        self._watched: list[weakref.ref[Labels]] = []
        self._build_layout()
        self._connect()
        self._on_table_changed()

    def rows(self) -> list[SampleRow]:
        """Layers that train together."""
        return self.table.rows()

    def _build_layout(self) -> None:
        self.folding.set_widget(self.classes)
        self.folding.unfold()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.table)
        layout.addWidget(self.folding)

    def _connect(self) -> None:
        self.table.changed.connect(self._on_table_changed)
        self.classes.edited.connect(self.changed)
        viewer = self._session.viewer
        if viewer is not None:
            viewer.layers.selection.events.active.connect(self._on_active_changed)

    def _on_table_changed(self) -> None:
        self._watch()
        self._show_classes()
        self.changed.emit()

    def _on_active_changed(self, _event: Any = None) -> None:
        if isalive(self):
            self._show_classes()

    def _show_classes(self) -> None:
        labels, viewer = self.table.labels(), self._session.viewer
        active = None if viewer is None else viewer.layers.selection.active
        shown = next((x for x in labels if x is active), labels[0] if labels else None)
        self.classes.set_layer(shown)
        self.folding.setVisible(shown is not None)
        name = "" if shown is None or len(labels) == 1 else f" of {shown.name}"
        self.folding.toggleButton().setToolTip(f"What the values{name} mean")

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
