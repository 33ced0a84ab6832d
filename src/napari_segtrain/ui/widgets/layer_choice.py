"""A combo box of the viewer's layers."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QWidget

from napari_segtrain.ui.session import session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.layers import Layer

_MIN_LETTERS = 12


class LayerChoice(QComboBox):
    """Offers the layers of some kinds, top of the layer list first.

    It follows layers by identity as they are added, removed, renamed and moved. What
    was chosen stays chosen; when that layer goes away, the topmost is chosen instead,
    or none where none may be chosen.

    Parameters
    ----------
    viewer : ViewerModel
        Or napari's proxy of it; held weakly.
    kinds : type or tuple of type
        Classes of layers, such as ``napari.layers.Labels``.
    none : str, optional
        Text of an entry, the first, that stands for no layer; without it there is no
        such entry.
    accept : callable, optional
        Says of a layer of these kinds whether it is offered.
    parent : QWidget, optional
        Owner.

    Attributes
    ----------
    layer_changed : Signal(object)
        Another layer is chosen; carries it, or ``None``.
    layers_changed : Signal()
        Other layers are offered, or under another name or in another order.
    """

    layer_changed = Signal(object)
    layers_changed = Signal()

    def __init__(
        self,
        viewer: Any,
        kinds: type | tuple[type, ...],
        *,
        none: str | None = None,
        accept: Callable[[Any], bool] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session_of(viewer)
        self._kinds = kinds
        self._none = none
        self._accept = accept
        self._offered: list[weakref.ref[Layer]] = []
        self._chosen: weakref.ref[Layer] | None = None
        self._by_user = False
        self.setMinimumContentsLength(_MIN_LETTERS)
        self.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self._connect()
        self._refresh()

    def layer(self) -> Layer | None:
        """The chosen layer."""
        return None if self._chosen is None else self._chosen()

    def layers(self) -> list[Layer]:
        """The layers that are offered, top of the layer list first."""
        found = (reference() for reference in self._offered)
        return [layer for layer in found if layer is not None]

    @property
    def is_chosen_by_user(self) -> bool:
        """Whether the user picked the present layer."""
        return self._by_user and self.layer() is not None

    def set_layer(self, layer: Layer | None) -> None:
        """Choose a layer.

        Raises
        ------
        ValueError
            When it is not offered, or is none and none cannot be chosen.
        """
        layer = getattr(layer, "__wrapped__", layer)
        offered = self._entries()
        index = next((i for i, other in enumerate(offered) if other is layer), -1)
        if index < 0 and not (layer is None and not offered):
            raise ValueError(f"the layer {layer} is not offered")
        self._by_user = False
        self.setCurrentIndex(index)

    def _connect(self) -> None:
        viewer = self._session.viewer
        if viewer is not None:
            events = viewer.layers.events
            for name in ("inserted", "removed", "reordered", "changed", "renamed"):
                events[name].connect(self._on_layers_changed)
        self.currentIndexChanged.connect(self._on_self_index_changed)
        self.activated.connect(self._on_self_activated)

    def _on_layers_changed(self, _event: Any = None) -> None:
        if isalive(self):
            self._refresh()

    def _on_self_activated(self) -> None:
        self._by_user = True

    def _on_self_index_changed(self, index: int) -> None:
        offered = self._entries()
        layer = offered[index] if 0 <= index < len(offered) else None
        self._chosen = None if layer is None else weakref.ref(layer)
        self.setToolTip("" if layer is None else layer.name)
        self.layer_changed.emit(layer)

    def _entries(self) -> list[Layer | None]:
        return [*self._nothing(), *self.layers()]

    def _nothing(self) -> Sequence[None]:
        return () if self._none is None else (None,)

    def _fitting(self) -> list[Layer]:
        viewer = self._session.viewer
        found = [] if viewer is None else list(viewer.layers)[::-1]
        accept = self._accept
        return [
            layer
            for layer in found
            if isinstance(layer, self._kinds) and (accept is None or accept(layer))
        ]

    def _refresh(self) -> None:
        """Offer the layers that are there; tell only what changed."""
        layers = self._fitting()
        names = [str(layer.name) for layer in layers]
        shown = [self.itemText(i) for i in range(self.count())][len(self._nothing()) :]
        if layers == self.layers() and names == shown and self.count():
            return
        before = self.layer()
        with QSignalBlocker(self):
            self._offered = [weakref.ref(layer) for layer in layers]
            self.clear()
            self.addItems([*(self._none for _ in self._nothing()), *names])
            kept = [i for i, layer in enumerate(layers) if layer is before]
            first = 0 if self.count() else -1
            index = kept[0] + len(self._nothing()) if kept else first
            self.setCurrentIndex(index)
        self.setEnabled(self.count() > 0)
        self.layers_changed.emit()
        self._settle(before)

    def _settle(self, before: Layer | None) -> None:
        """Remember what the entries show now, and tell when that is another layer."""
        index = self.currentIndex() - len(self._nothing())
        layer = self.layers()[index] if index >= 0 else None
        self._chosen = None if layer is None else weakref.ref(layer)
        self.setToolTip("" if layer is None else layer.name)
        if layer is not before:
            self._by_user = False
            self.layer_changed.emit(layer)
