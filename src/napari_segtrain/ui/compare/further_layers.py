"""Which further segmentations are compared with the same ground truth."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QListWidget, QListWidgetItem

from napari_segtrain.ui.widgets.folding import Folding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels

    from napari_segtrain.ui.widgets.layer_choice import LayerChoice

_TITLE = "Also compare w&ith it"
_TIP = "Compare further segmentations with the same ground truth, in one table"
_MAX_ROWS = 5


class FurtherLayers(Folding):
    """Check boxes of the layers that are neither ground truth nor segmentation.

    Parameters
    ----------
    truth_choice, prediction_choice : LayerChoice
        What is chosen there is not offered.
    """

    def __init__(
        self, truth_choice: LayerChoice, prediction_choice: LayerChoice
    ) -> None:
        super().__init__(_TITLE)
        self._choices = (truth_choice, prediction_choice)
        self._offered: list[weakref.ref[Labels]] = []
        self._checked: weakref.WeakSet[Labels] = weakref.WeakSet()
        self.list = QListWidget()
        self.list.setAccessibleName("Further segmentations")
        self.set_widget(self.list)
        self.setToolTip(_TIP)
        for choice in self._choices:
            choice.layer_changed.connect(self._refresh)
            choice.layers_changed.connect(self._refresh)
        self.list.itemChanged.connect(self._on_item_changed)
        self._refresh()

    def layers(self) -> list[Labels]:
        """Layers that are checked, in the order they are offered."""
        return [layer for layer in self._present() if layer in self._checked]

    def choose(self, layers: Sequence[Labels]) -> None:
        """Check these layers, as far as they are offered, and no others."""
        plain = [getattr(layer, "__wrapped__", layer) for layer in layers]
        self._checked = weakref.WeakSet(plain)
        self._refresh()

    def _present(self) -> list[Labels]:
        found = (reference() for reference in self._offered)
        return [layer for layer in found if layer is not None]

    def _refresh(self) -> None:
        chosen = [choice.layer() for choice in self._choices]
        layers = [
            layer
            for layer in self._choices[0].layers()
            if not any(layer is other for other in chosen)
        ]
        self._offered = [weakref.ref(layer) for layer in layers]
        with QSignalBlocker(self.list):
            self.list.clear()
            for layer in layers:
                item = QListWidgetItem(str(layer.name))
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                is_checked = layer in self._checked
                state = Qt.CheckState.Checked if is_checked else Qt.CheckState.Unchecked
                item.setCheckState(state)
                self.list.addItem(item)
        self.setVisible(bool(layers))
        self._fit()
        self._show_title()

    def _fit(self) -> None:
        n_rows = min(max(self.list.count(), 1), _MAX_ROWS)
        row = max(self.list.sizeHintForRow(0), 18)
        self.list.setFixedHeight(n_rows * row + 2 * self.list.frameWidth())

    def _show_title(self) -> None:
        n = len(self.layers())
        self.set_title(f"{_TITLE} ({n})" if n else _TITLE)

    def _on_item_changed(self, item: QListWidgetItem) -> None:
        layer = self._offered[self.list.row(item)]()
        if layer is None:
            return
        if item.checkState() == Qt.CheckState.Checked:
            self._checked.add(layer)
        else:
            self._checked.discard(layer)
        self._show_title()
