"""A small check list of layers that are further channels of an image."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.compat import isalive
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPushButton,
    QWidget,
    QWidgetAction,
)

from napari_segtrain.errors import DataError
from napari_segtrain.ui.classes.class_metadata import RESULT_KEY, plugin_metadata
from napari_segtrain.ui.layers.reading import check_channel, guess_axes
from napari_segtrain.ui.session import session_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_LIST_SIZE = (220, 140)


class ChannelsButton(QPushButton):
    """Shows how many layers an image has, and checks others in a menu.

    Channels are in the order of the layer list, from the bottom.

    Parameters
    ----------
    viewer : ViewerModel
        Or napari's proxy of it; held weakly.
    parent : QWidget, optional
        Owner.

    Attributes
    ----------
    changed : Signal()
        Other layers are checked.
    """

    changed = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session_of(viewer)
        self._first: weakref.ref[Image] | None = None
        self._checked: weakref.WeakSet[Image] = weakref.WeakSet()
        self._offered: list[weakref.ref[Image]] = []
        self.list = QListWidget()
        self.list.setAccessibleName("Channels")
        self.list.setFixedSize(*_LIST_SIZE)
        action = QWidgetAction(self)
        action.setDefaultWidget(self.list)
        menu = QMenu(self)
        menu.addAction(action)
        self.setMenu(menu)
        menu.aboutToShow.connect(self._on_menu_about_to_show)
        self.list.itemChanged.connect(self._on_list_item_changed)
        viewer_model = self._session.viewer
        if viewer_model is not None:
            viewer_model.layers.events.removed.connect(self._on_layers_removed)
        self._show_number()

    def set_first(self, layer: Image | None) -> None:
        """Say which layer the others are checked beside; unchecks them."""
        self._first = None if layer is None else weakref.ref(layer)
        self._checked.clear()
        self._show_number()

    def layers(self) -> tuple[Image, ...]:
        """The first layer and the checked ones, in the order of the layer list."""
        first = self._first_layer()
        if first is None:
            return ()
        wanted = {id(first), *(id(layer) for layer in self._checked)}
        viewer = self._session.viewer
        found = tuple(viewer.layers) if viewer is not None else ()
        return tuple(layer for layer in found if id(layer) in wanted)

    def set_layers(self, layers: Sequence[Image]) -> None:
        """Check these layers beside the first."""
        first = self._first_layer()
        self._checked = weakref.WeakSet(layer for layer in layers if layer is not first)
        self._show_number()

    def offered(self) -> list[Image]:
        """Other layers that may be channels of the same image."""
        first, viewer = self._first_layer(), self._session.viewer
        if first is None or viewer is None:
            return []
        axes = guess_axes(first)
        images = [layer for layer in viewer.layers if isinstance(layer, Image)]
        return [x for x in images if x is not first and _may_join(first, x, axes)]

    def _first_layer(self) -> Image | None:
        return None if self._first is None else self._first()

    def _on_menu_about_to_show(self) -> None:
        """Offer what fits now."""
        offered = self.offered()
        self._offered = [weakref.ref(layer) for layer in offered]
        with QSignalBlocker(self.list):
            self.list.clear()
            for layer in offered:
                item = QListWidgetItem(layer.name)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                state = Qt.CheckState
                is_checked = layer in self._checked
                item.setCheckState(state.Checked if is_checked else state.Unchecked)
                self.list.addItem(item)
            if not offered:
                item = QListWidgetItem("No other layer of this shape")
                item.setFlags(Qt.ItemFlag.NoItemFlags)
                self.list.addItem(item)

    def _on_list_item_changed(self, item: QListWidgetItem) -> None:
        layer = self._offered[self.list.row(item)]()
        if layer is None:
            return
        if item.checkState() == Qt.CheckState.Checked:
            self._checked.add(layer)
        else:
            self._checked.discard(layer)
        self._show_number()
        self.changed.emit()

    def _on_layers_removed(self, event: Any) -> None:
        if isalive(self) and event.value in self._checked:
            self._checked.discard(event.value)
            self._show_number()
            self.changed.emit()

    def _show_number(self) -> None:
        n_more = len(self._checked)
        self.setText(f"+{n_more}" if n_more else "+")
        names = ", ".join(layer.name for layer in self.layers())
        shown = f" (now {names})" if n_more else ""
        self.setToolTip(f"Other layers that are channels of the same image{shown}")
        self.setAccessibleName(f"Channels: {names}" if n_more else "Add channels")


def _may_join(first: Image, other: Image, axes: str) -> bool:
    if RESULT_KEY in plugin_metadata(other):
        return False
    try:
        check_channel(first, other, axes)
    except DataError:
        return False
    return True
