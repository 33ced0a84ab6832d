"""Voxels of each value of a Labels layer, kept up to date while it is painted."""

from __future__ import annotations

import weakref
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_segtrain.data.label_facts import LabelFacts, inspect_labels
from napari_segtrain.errors import DataError
from napari_segtrain.ui.classes.strokes import Frame, Stroke, changed_facts, read_stroke
from napari_segtrain.ui.latest_job import LatestJob
from napari_segtrain.ui.layers.reading import guess_axes, labels_from_layer
from napari_segtrain.ui.layers.stored_labels import StoredLabels

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari.layers import Labels

    from napari_segtrain.image import Item, LabelImage
    from napari_segtrain.ui.worker import Failure

_N_UNDONE = 100
"""Steps that napari can undo."""
_LOOK_AGAIN = 0.2
"""Change of the labelled voxels after which their shape is looked at again."""
_MAX_LOOKED_AT = 1 << 28
_DELAY_MS = 500


def count_labels(
    labels: LabelImage, unlabelled: Collection[int] = ()
) -> tuple[LabelFacts, ...]:
    """Count label values, item by item; reads everything but untouched stores.

    Parameters
    ----------
    labels : LabelImage
    unlabelled : collection of int
        Values that are known to be no labels.
    """
    if isinstance(labels.array, StoredLabels):
        return tuple(
            _count_stored(item, labels.array, labels.name, unlabelled)
            for item in labels.items()
        )
    return tuple(
        inspect_labels(item, name=labels.name, unlabelled=unlabelled)
        for item in labels.items()
    )


def _count_stored(
    item: Item, array: StoredLabels, name: str, unlabelled: Collection[int]
) -> LabelFacts:
    """Count the slices of an item on which anything is stored."""
    n_z, n_y, n_x = item.shape
    shown = array.painted_along(item.axes.index("Z")) if "Z" in item.axes else [0]
    if not shown:
        shown = [0]
    facts = inspect_labels(
        replace(item, array=_Slices(array, item.axes, shown)),
        name=name, unlabelled=unlabelled,
    )  # fmt: skip
    n_rest = (n_z - len(shown)) * n_y * n_x
    return replace(
        facts,
        counts={**facts.counts, 0: facts.counts.get(0, 0) + n_rest},
        n_labelled=_spread(facts.n_labelled, shown, n_z, 0),
        n_zero=_spread(facts.n_zero, shown, n_z, n_y * n_x),
        n_covered=(n_y * n_x,) * n_z,
    )


class _Slices:
    """Some slices of an array along Z."""

    def __init__(self, array: StoredLabels, axes: str, shown: list[int]) -> None:
        self._array, self._shown = array, shown
        self._at = axes.find("Z")
        self.dtype = array.dtype
        sizes = list(array.shape)
        if self._at >= 0:
            sizes[self._at] = len(shown)
        self.shape = tuple(sizes)

    def __getitem__(self, key: Any) -> Any:
        if self._at < 0:
            return self._array[key]
        at = self._at - sum(isinstance(part, int) for part in key[: self._at])
        parts = [
            self._array[(*key[: self._at], slice(z, z + 1), *key[self._at + 1 :])]
            for z in self._shown[key[self._at]]
        ]
        return np.concatenate(parts, axis=at)


def _spread(
    numbers: tuple[int, ...], shown: list[int], size: int, rest: int
) -> tuple[int, ...]:
    spread = [rest] * size
    for at, number in zip(shown, numbers, strict=True):
        spread[at] = number
    return tuple(spread)


class ClassCounts(QObject):
    """Counts of one Labels layer.

    The whole is counted in a thread. A stroke then changes the counts by its own
    voxels, and so does undoing it, which napari does not tell: after a redrawing the
    voxels of the last stroke are looked at. When the labelled area has changed by a
    fifth, the labels are looked at again, since their shape tells what 0 means.

    Attributes
    ----------
    changed : Signal()
        There are other facts, or none any more.
    failed : Signal(str)
        Why the labels cannot be counted, for the user.
    """

    changed = Signal()
    failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._layer: weakref.ref[Labels] | None = None
        self._facts: tuple[LabelFacts, ...] | None = None
        self._frame = Frame("YX", (1, 1))
        self._done: deque[Stroke] = deque(maxlen=_N_UNDONE)
        self._undone: deque[Stroke] = deque(maxlen=_N_UNDONE)
        self._missed: list[tuple[Stroke, bool]] = []
        self._n_looked_at = 0
        self._n_undoable = 0
        self._unlabelled: tuple[int, ...] = ()
        self._is_painting = False
        self._job = LatestJob("Count labels", self)
        self._job.started.connect(self._missed.clear)
        self._job.succeeded.connect(self._on_job_succeeded)
        self._job.failed.connect(self._on_job_failed)

    @property
    def facts(self) -> tuple[LabelFacts, ...] | None:
        """What is in the labels, per item; ``None`` until they are counted."""
        return self._facts

    @property
    def is_busy(self) -> bool:
        """Whether a count is on its way."""
        return self._job.is_busy

    @property
    def layer(self) -> Labels | None:
        """The layer that is counted."""
        return None if self._layer is None else self._layer()

    def set_unlabelled(self, values: Collection[int]) -> None:
        """Say which values other than 0 are no labels."""
        found = tuple(sorted(set(values) - {0}))
        if found != self._unlabelled:
            self._unlabelled = found
            self.recount()

    def set_layer(self, layer: Labels | None, unlabelled: Collection[int] = ()) -> None:
        """Count another layer, or none.

        Parameters
        ----------
        layer : napari Labels layer, optional
        unlabelled : collection of int
            Values other than 0 that are no labels.
        """
        self._disconnect()
        self._unlabelled = tuple(sorted(set(unlabelled) - {0}))
        self._layer = None if layer is None else weakref.ref(layer)
        self._forget()
        if layer is not None:
            layer.events.paint.connect(self._on_layer_paint)
            layer.events.paint.connect(self._on_layer_painted, position="last")
            layer.events.set_data.connect(self._on_layer_set_data)
            layer.events.data.connect(self._on_layer_data)
        self.changed.emit()
        self.recount()

    def recount(self, *, delay: int = 0) -> None:
        """Count everything anew, in a thread."""
        layer = self.layer
        if layer is None:
            return
        try:
            labels = labels_from_layer(layer)
        except DataError as error:
            self.failed.emit(str(error))
            return
        self._frame = Frame(guess_axes(layer), tuple(layer.data.shape))
        self._missed.clear()
        unlabelled = self._unlabelled
        self._job.ask(lambda: count_labels(labels, unlabelled), delay=delay)

    def _forget(self) -> None:
        self._job.forget()
        self._is_painting = False
        self._facts = None
        self._n_looked_at = 0
        self._missed.clear()
        self._done.clear()
        self._undone.clear()

    def _disconnect(self) -> None:
        layer = self.layer
        if layer is not None:
            layer.events.paint.disconnect(self._on_layer_paint)
            layer.events.paint.disconnect(self._on_layer_painted)
            layer.events.set_data.disconnect(self._on_layer_set_data)
            layer.events.data.disconnect(self._on_layer_data)

    def _on_layer_paint(self, event: Any) -> None:
        if not isalive(self):
            return
        self._is_painting = True
        stroke = read_stroke(event.value, self._frame)
        if stroke is None:
            return
        self._done.append(stroke)
        self._undone.clear()
        self._apply(stroke)

    def _on_layer_painted(self, _event: Any) -> None:
        """All others have heard of a stroke."""
        self._is_painting = False
        self._n_undoable = self._count_undoable()

    def _on_layer_set_data(self, _event: Any = None) -> None:
        """Take back what was undone, or done again, if that is why it was drawn.

        napari tells of a stroke before its voxels are written; what is drawn until
        then says nothing.
        """
        layer = self.layer
        if not isalive(self) or layer is None or self._is_painting:
            return
        if tuple(layer.data.shape) == self._frame.shape:
            while self._follow_step(layer.data):
                pass
        self._n_undoable = self._count_undoable()

    def _count_undoable(self) -> int:
        """Strokes that napari can undo; 0 where it does not tell."""
        return len(getattr(self.layer, "_undo_history", ()))

    def _follow_step(self, data: Any) -> bool:
        """Follow one step of undoing or doing again; tell whether there was one.

        A redone stroke may look as if the one before it were undone; then the number of
        strokes that napari can undo tells what happened, else the larger of both did.
        """
        done = self._done[-1] if self._done else None
        undone = self._undone[-1] if self._undone else None
        is_undone = done is not None and done.is_undone(data)
        is_redone = undone is not None and undone.is_done(data)
        if is_undone and is_redone and done and undone:
            n_more = self._count_undoable() - self._n_undoable
            is_undone = n_more < 0 or (n_more == 0 and done.n_voxels >= undone.n_voxels)
        if is_undone and done:
            self._undone.append(self._done.pop())
            self._apply(done, undone=True)
        elif is_redone and undone:
            self._done.append(self._undone.pop())
            self._apply(undone)
        return is_undone or is_redone

    def _on_layer_data(self, _event: Any) -> None:
        layer = self.layer
        if isalive(self) and layer is not None:
            self._forget()
            self.recount(delay=_DELAY_MS)
            self.changed.emit()

    def _apply(self, stroke: Stroke, *, undone: bool = False) -> None:
        if self._facts is None or self._job.is_busy:
            self._missed.append((stroke, undone))
        if self._facts is None:
            return
        self._facts = changed_facts(self._facts, stroke, undone=undone)
        self._look_again()
        self.changed.emit()

    def _look_again(self) -> None:
        n_labelled = _n_labelled(self._facts or ())
        change = abs(n_labelled - self._n_looked_at)
        if change > _LOOK_AGAIN * self._n_looked_at and self._is_small:
            self.recount(delay=_DELAY_MS)

    def _on_job_succeeded(self, facts: tuple[LabelFacts, ...]) -> None:
        """Take what was read, unless it was painted on meanwhile.

        Nobody knows then whether a stroke was read. Facts that strokes kept up to date
        are better, and small labels are read again.
        """
        missed = list(self._missed)
        self._missed.clear()
        if missed and self._is_small:
            self.recount(delay=_DELAY_MS)
        if missed and self._facts is not None:
            return
        for stroke, undone in missed:
            facts = changed_facts(facts, stroke, undone=undone)
        self._n_looked_at = _n_labelled(facts)
        if facts != self._facts:
            self._facts = facts
            self.changed.emit()

    @property
    def _is_small(self) -> bool:
        layer = self.layer
        return layer is not None and _n_bytes(layer.data) <= _MAX_LOOKED_AT

    def _on_job_failed(self, failure: Failure) -> None:
        self.failed.emit(failure.text)


def _n_labelled(facts: tuple[LabelFacts, ...]) -> int:
    return sum(sum(fact.n_labelled) for fact in facts)


def _n_bytes(array: Any) -> int:
    """What counting would read."""
    if isinstance(array, StoredLabels):
        return array.n_painted * array.dtype.itemsize
    size = int(np.prod(array.shape, dtype=np.int64))
    return size * np.dtype(getattr(array.dtype, "numpy_dtype", array.dtype)).itemsize
