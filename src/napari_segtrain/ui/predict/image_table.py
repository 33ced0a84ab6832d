"""Which images are predicted: a check list of the viewer's image layers."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.compat import isalive
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_segtrain.ui.layers.reading import guess_axes
from napari_segtrain.ui.layers.results import is_result
from napari_segtrain.ui.session import session_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME, _AXES = range(2)
_LEAST_ROWS, _MOST_ROWS = 2, 5
_ROW_HEIGHT, _HEADER_HEIGHT, _FRAME = 24, 22, 4
_STYLE = """
QTableView::indicator:unchecked { border: 1px solid rgba(128, 128, 128, 200) }
"""
"""Boxes that can be told from the table, in every theme."""

_AXES_TIP = (
    "One letter per dimension: Z, Y and X, C for channels, T for time; double-click to "
    "change"
)


class ImageTable(QTableWidget):
    """Image layers with a check mark and their axes, top of the layer list first.

    Layers are followed by identity as they are added, removed, renamed and moved.
    Until the user checks some, what is selected in the viewer or else the topmost image
    is checked. Results of predictions are left out.

    Parameters
    ----------
    viewer : ViewerModel
        Or napari's proxy of it; held weakly.

    Attributes
    ----------
    changed : Signal()
        Other images are checked, or with other axes.
    """

    changed = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(0, 2, parent)
        self._session = session_of(viewer)
        self._layers: list[weakref.ref[Image]] = []
        self._checked: weakref.WeakSet[Image] = weakref.WeakSet()
        self._axes: weakref.WeakKeyDictionary[Image, str] = weakref.WeakKeyDictionary()
        self._n_channels = 1
        self._by_user = False
        self._shown: list[tuple[int, str, str]] = []
        self._set_up()
        self._connect()
        self._check_first()
        self._refresh()

    def checked(self) -> list[tuple[Image, str]]:
        """The checked layers with their axes, top of the layer list first."""
        found = [layer for layer in self.layers() if layer in self._checked]
        return [(layer, self.axes_of(layer)) for layer in found]

    def layers(self) -> list[Image]:
        """The layers that are offered."""
        found = (reference() for reference in self._layers)
        return [layer for layer in found if layer is not None]

    def check(self, layers: Sequence[Image]) -> None:
        """Check these layers and no others."""
        self._by_user = True
        real = [getattr(layer, "__wrapped__", layer) for layer in layers]
        self._checked = weakref.WeakSet(real)
        self._refresh()
        self.changed.emit()

    def axes_of(self, layer: Image) -> str:
        """Axes that the user gave, or a guess."""
        given = self._axes.get(layer)
        return given or guess_axes(layer, n_channels=self._n_channels)

    def set_n_channels(self, n_channels: int) -> None:
        """Say how many channels the model takes; axes are guessed with that."""
        self._n_channels = n_channels
        self._refresh()

    def set_axes(self, layer: Image, axes: str) -> None:
        """Give the axes of a layer; empty for the guess."""
        self._axes[getattr(layer, "__wrapped__", layer)] = axes.strip().upper()
        self._refresh()
        self.changed.emit()

    def _set_up(self) -> None:
        self.setHorizontalHeaderLabels(["Image", "Axes"])
        self.setAccessibleName("Images to predict")
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = self.horizontalHeader()
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(_AXES, QHeaderView.ResizeMode.ResizeToContents)
        header.setMinimumSectionSize(64)
        header.setFixedHeight(_HEADER_HEIGHT)
        self.verticalHeader().setMinimumSectionSize(_ROW_HEIGHT)
        self.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setStyleSheet(_STYLE)

    def _connect(self) -> None:
        viewer = self._session.viewer
        if viewer is not None:
            events = viewer.layers.events
            for name in ("inserted", "removed", "reordered", "changed", "renamed"):
                events[name].connect(self._on_layers_changed)
        self.itemChanged.connect(self._on_self_item_changed)

    def _on_layers_changed(self, _event: Any = None) -> None:
        if not isalive(self):
            return
        before = self.checked()
        if not self._by_user or not set(self._checked) & set(self._offered()):
            self._check_first()
        self._refresh()
        if self.checked() != before:
            self.changed.emit()

    def _on_self_item_changed(self, item: QTableWidgetItem) -> None:
        layer = self.layers()[item.row()]
        if item.column() == _AXES:
            self.set_axes(layer, item.text())
            return
        self._by_user = True
        if item.checkState() == Qt.CheckState.Checked:
            self._checked.add(layer)
        else:
            self._checked.discard(layer)
        self.changed.emit()

    def _offered(self) -> list[Image]:
        viewer = self._session.viewer
        layers = list(viewer.layers)[::-1] if viewer is not None else []
        return [x for x in layers if isinstance(x, Image) and not is_result(x)]

    def _check_first(self) -> None:
        """Check what is selected in the viewer, or else the topmost image."""
        viewer, offered = self._session.viewer, self._offered()
        if viewer is not None:
            selected = [layer for layer in offered if layer in viewer.layers.selection]
            self._checked = weakref.WeakSet(selected or offered[:1])
            self._by_user = False

    def _refresh(self) -> None:
        layers = self._offered()
        shown = [(id(x), x.name, self.axes_of(x)) for x in layers]
        with QSignalBlocker(self):
            if shown != self._shown:
                self._fill(layers)
                self._shown = shown
            for row, layer in enumerate(layers):
                is_checked = layer in self._checked
                state = Qt.CheckState.Checked if is_checked else Qt.CheckState.Unchecked
                self.item(row, _NAME).setCheckState(state)

    def _fill(self, layers: Sequence[Image]) -> None:
        self._layers = [weakref.ref(layer) for layer in layers]
        self.setRowCount(len(layers))
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        for row, layer in enumerate(layers):
            name = self._cell(row, _NAME)
            name.setText(layer.name)
            name.setFlags(flags | Qt.ItemFlag.ItemIsUserCheckable)
            name.setToolTip(layer.name)
            axes = self._cell(row, _AXES)
            axes.setText(self.axes_of(layer))
            axes.setFlags(flags | Qt.ItemFlag.ItemIsEditable)
            axes.setToolTip(_AXES_TIP)
        self._fit_height()

    def _cell(self, row: int, column: int) -> QTableWidgetItem:
        """Return the item of a cell, which may be the one that is just being edited.

        It is never replaced: Qt goes on with it after the signal of its change.
        """
        if self.item(row, column) is None:
            self.setItem(row, column, QTableWidgetItem())
        return self.item(row, column)

    def _fit_height(self) -> None:
        rows = min(max(self.rowCount(), _LEAST_ROWS), _MOST_ROWS)
        self.setFixedHeight(rows * _ROW_HEIGHT + _HEADER_HEIGHT + _FRAME)
