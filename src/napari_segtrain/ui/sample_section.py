"""Samples of the next training, and the classes of their labels."""

from __future__ import annotations

from typing import Any

from napari.layers import Image, Labels
from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_segtrain.ui.samples import SampleRow
from napari_segtrain.ui.session import session_of


class SampleSection(QWidget):
    """The topmost image with the topmost labels.

    Parameters
    ----------
    viewer : ViewerModel
        Or napari's proxy of it; held weakly.
    parent : QWidget, optional
        Owner.

    Attributes
    ----------
    changed : Signal()
        Other samples, or the same with other labels.
    """

    changed = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session_of(viewer)
        real = self._session.viewer
        if real is not None:
            for name in ("inserted", "removed", "renamed", "reordered"):
                real.layers.events[name].connect(self._on_layers_changed)

    def rows(self) -> list[SampleRow]:
        """Layers that train together."""
        viewer = self._session.viewer
        layers = [] if viewer is None else list(viewer.layers)[::-1]
        images = [layer for layer in layers if isinstance(layer, Image)]
        labels = [layer for layer in layers if isinstance(layer, Labels)]
        if not images and not labels:
            return []
        return [SampleRow(tuple(images[:1]), labels[0] if labels else None)]

    def _on_layers_changed(self, _event: Any = None) -> None:
        if isalive(self):
            self.changed.emit()
