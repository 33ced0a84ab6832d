"""Labels that nobody paints on until a training has its copy of them."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels

    from napari_segtrain.control import Event
    from napari_segtrain.ui.training_run import TrainingRun


class LabelHold(QObject):
    """Keeps Labels layers from being edited while a run prepares.

    Labels that are large or lie in a store are not copied when a training starts, but
    written to its folder by its thread; the plan is told when that is done.

    Parameters
    ----------
    layers : sequence of napari Labels layers
        Held weakly.
    run : TrainingRun
        Becomes the owner.
    """

    def __init__(self, layers: Sequence[Labels], run: TrainingRun) -> None:
        super().__init__(run)
        self._held = [
            (weakref.ref(layer), str(layer.mode)) for layer in layers if layer.editable
        ]
        for layer in layers:
            layer.editable = False
        run.reported.connect(self._on_run_event)
        run.changed.connect(self._on_run_changed)

    def release(self) -> None:
        """Let the layers be edited, in the modes that they were in."""
        held, self._held = self._held, []
        for reference, mode in held:
            layer = reference()
            if layer is not None:
                layer.editable = True
                layer.mode = mode

    def _on_run_event(self, _event: Event) -> None:
        self.release()

    def _on_run_changed(self, state: str) -> None:
        if state == "ended":
            self.release()
