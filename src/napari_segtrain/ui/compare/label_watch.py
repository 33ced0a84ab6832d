"""Whether Labels layers are still what they were."""

from __future__ import annotations

import weakref
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_segtrain.ui.latest_job import LatestJob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels

    from napari_segtrain.ui.session import Session

Sum = tuple[int, ...]
"""Check sums of the slices of an array, along its last two dimensions."""

Sums = tuple[Sum | None, ...]

_EDITS = ("data", "paint")
MOVES = ("scale", "translate", "rotate", "shear", "affine", "units")
_MAX_BYTES = 1 << 31
_CHECK_MS = 400


class LabelWatch(QObject):
    """Tells when one of some Labels layers was edited or moved.

    Painting and new data are heard at once. napari says nothing of what is undone, nor
    of arrays that scripts change; after a redrawing, arrays in memory are compared by
    their sums in a thread.

    Parameters
    ----------
    session : Session
        Of the viewer that shows them.
    parent : QObject
        Owner.

    Attributes
    ----------
    edited : Signal(object)
        A layer has other voxels; carries it. Given once after `watch`.
    moved : Signal(object)
        A layer lies elsewhere; carries it. Given once after `watch`.
    """

    edited = Signal(object)
    moved = Signal(object)

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._seen: dict[int, object] = {}
        self._layers: tuple[weakref.ref[Labels], ...] = ()
        self._sums: Sums = ()
        self._job = LatestJob("Look for edits", self)
        self._job.succeeded.connect(self._on_job_succeeded)

    def watch(self, layers: Sequence[Labels]) -> None:
        """Watch these layers rather than others."""
        self.stop()
        self._layers = tuple(weakref.ref(layer) for layer in layers)
        for layer in layers:
            for name in _EDITS:
                layer.events[name].connect(self._on_layer_edited)
            for name in MOVES:
                layer.events[name].connect(self._on_layer_moved)

    def expect(self, sums: Sums, *, check: bool = False) -> None:
        """Look for edits that nobody tells of.

        Parameters
        ----------
        sums : tuple
            Of the arrays as they were, see `array_sum`.
        check : bool
            Compare the arrays now, too.
        """
        self._sums = sums
        self._seen = {id(layer): self._view() for layer in self._alive()}
        for layer in self._alive():
            layer.events.set_data.connect(self._on_layer_drawn)
        if check:
            self._check()

    def stop(self) -> None:
        """Watch no layer."""
        self._job.forget()
        for layer in self._alive():
            for name in _EDITS:
                layer.events[name].disconnect(self._on_layer_edited)
            layer.events.set_data.disconnect(self._on_layer_drawn)
            for name in MOVES:
                layer.events[name].disconnect(self._on_layer_moved)
        self._layers, self._sums = (), ()

    def _alive(self) -> list[Labels]:
        found = (reference() for reference in self._layers)
        return [layer for layer in found if layer is not None]

    def _on_layer_edited(self, event: Any) -> None:
        if isalive(self):
            layer = event.source
            self.stop()
            self.edited.emit(layer)

    def _on_layer_moved(self, event: Any) -> None:
        if isalive(self):
            layer = event.source
            self.stop()
            self.moved.emit(layer)

    def _view(self) -> object:
        viewer = self._session.viewer
        dims = viewer and viewer.dims
        return dims and (dims.point, dims.order, dims.ndisplay)

    def _check(self) -> None:
        if any(value is not None for value in self._sums):
            arrays = [layer.data for layer in self._alive()]
            self._job.ask(partial(array_sums, arrays), delay=_CHECK_MS)

    def _on_layer_drawn(self, event: Any) -> None:
        """Check the arrays, unless the view changed since the last drawing."""
        if not isalive(self):
            return
        view, layer = self._view(), event.source
        if self._seen.get(id(layer)) == view:
            self._check()
        self._seen[id(layer)] = view

    def _on_job_succeeded(self, sums: Sums) -> None:
        pairs = zip(self._alive(), sums, self._sums, strict=False)
        changed = [layer for layer, now, then in pairs if now != then]
        if changed:
            self.stop()
            self.edited.emit(changed[0])


def array_sums(arrays: Sequence[Any]) -> Sums:
    """Check sum of each array; see `array_sum`."""
    return tuple(array_sum(array) for array in arrays)


def array_sum(array: Any) -> Sum | None:
    """Check sums of an array in memory; ``None`` for stores and very large arrays."""
    in_memory = type(array) is np.ndarray and array.nbytes <= _MAX_BYTES
    if not in_memory:
        return None
    leading = np.ndindex(array.shape[: -len("YX")])
    return tuple(zlib.crc32(np.ascontiguousarray(array[at]).data) for at in leading)
