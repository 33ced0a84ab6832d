"""The shapes inside which a comparison counts."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from napari.layers import Shapes
from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QWidget

from napari_segtrain.ui.compare.label_watch import MOVES
from napari_segtrain.ui.layers.regions import is_through_all, region_maker
from napari_segtrain.ui.widgets.layer_choice import LayerChoice

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels

    from napari_segtrain.data.restricted import RegionMask

_TIP = "Only voxels inside of these shapes count; objects are cut where they end"
_THROUGH_TIP = (
    "Whether a shape holds for all slices, rather than for the one it was drawn on"
)


class RegionChoice(QWidget):
    """Offers Shapes layers, and says when the one that was used is edited.

    Parameters
    ----------
    viewer : ViewerModel
        Or napari's proxy of it; held weakly.

    Attributes
    ----------
    edited : Signal(object)
        The shapes that `prepare` took last were edited; carries their layer.
    """

    edited = Signal(object)

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._used: weakref.ref[Shapes] | None = None
        self.choice = LayerChoice(viewer, Shapes, none="everywhere", parent=self)
        self.through_box = QCheckBox("all slices")
        self.choice.setAccessibleName("Only inside")
        self.setToolTip(_TIP)
        self.through_box.setToolTip(_THROUGH_TIP)
        self.through_box.hide()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.choice, stretch=1)
        layout.addWidget(self.through_box)
        self.choice.layer_changed.connect(self._on_choice_layer_changed)

    @property
    def name(self) -> str:
        """Name of the chosen layer; empty without any."""
        layer = self.choice.layer()
        return "" if layer is None else str(layer.name)

    def prepare(self, truth: Labels, axes: str) -> Callable[[], RegionMask] | None:
        """Take the chosen shapes as they are now; ``None`` without any.

        Parameters
        ----------
        truth : napari Labels layer
            On which they are brought.
        axes : str
            One letter per dimension of it.

        Returns
        -------
        callable
            Makes the region, in a thread; see `region_maker`.

        Raises
        ------
        DataError
            When there is no shape with an area, or one lies across the slices.
        """
        self._use(self.choice.layer())
        shapes = self.choice.layer()
        if shapes is None:
            return None
        through_all = self.through_box.isChecked()
        return region_maker(shapes, truth, axes, through_all=through_all)

    def _use(self, layer: Shapes | None) -> None:
        """Listen to the edits of a layer, and no more to those of the one before."""
        before = None if self._used is None else self._used()
        if before is layer:
            return
        for name in ("data", *MOVES):
            if before is not None:
                before.events[name].disconnect(self._on_shapes_edited)
            if layer is not None:
                layer.events[name].connect(self._on_shapes_edited)
        self._used = None if layer is None else weakref.ref(layer)

    def _on_shapes_edited(self, event: Any) -> None:
        if isalive(self):
            self.edited.emit(event.source)

    def _on_choice_layer_changed(self, layer: Shapes | None) -> None:
        self.through_box.setVisible(layer is not None)
        if layer is not None:
            self.through_box.setChecked(is_through_all(layer))
