"""Labels of a store that are painted on: kept in memory until they are saved."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.errors import DataError
from napari_segtrain.io.guard import reading
from napari_segtrain.io.levels import open_levels
from napari_segtrain.io.pyramids import PyramidWriter, read_layout

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_segtrain.boxes import Box

Values = npt.NDArray[Any]


class EditedLabels:
    """Full resolution of a store of labels, as an array that can be written into.

    What is written stays in memory, chunk by chunk, until `save` writes the blocks that
    were changed, at all resolutions. Two of the same store do not see one another.

    Parameters
    ----------
    path : Path
        Store that `create_pyramid` has made.
    window : mapping of str to (int, int), optional
        Part along some axes that the array covers; all of it without.

    Raises
    ------
    DataError
        When it is no store of labels.

    Attributes
    ----------
    path : Path
        Of the store.
    axes : str
        Letters of the dimensions.
    n_writes : int
        How often it was written into.
    """

    def __init__(
        self, path: Path, window: Mapping[str, tuple[int, int]] | None = None
    ) -> None:
        import tensorstore

        levels = open_levels(path)
        if levels.kind != "labels":
            raise DataError(
                f"{path} holds maps, which are not painted on; edit the labels."
            )
        self.path = path
        self.n_writes = 0
        self.axes = levels.axes
        self._layout = read_layout(path)
        kvstore = {"driver": "file", "path": f"{path / '0'}/"}
        with reading(path):
            whole = tensorstore.open(
                {"driver": "zarr3", "kvstore": kvstore}, read=True, write=True
            ).result()
        ends = [
            (window or {}).get(axis, (0, int(size)))
            for axis, size in zip(levels.axes, whole.shape, strict=True)
        ]
        self._starts = tuple(start for start, _ in ends)
        self._whole = whole
        part = whole[tuple(slice(*span) for span in ends)]
        self._part = part[tensorstore.d[:].translate_to[0]]
        self._transaction = tensorstore.Transaction()
        self._changed: set[tuple[int, ...]] = set()
        self._lock = threading.Lock()

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along each axis."""
        return tuple(map(int, self._part.shape))

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.axes)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the labels."""
        return np.dtype(self._whole.dtype.numpy_dtype)

    @property
    def n_changed(self) -> int:
        """Blocks that were changed since the last save."""
        return len(self._changed)

    def __getitem__(self, key: Any) -> Values:
        """Read, as an array of NumPy does; changes included."""
        with self._lock:
            asked = self._view()[key].read()
        with reading(self.path):
            return np.asarray(asked.result())

    def __setitem__(self, key: Any, values: Any) -> None:
        """Write into memory."""
        spans = self._spans(key)
        if all(start < stop for start, stop in spans):
            with self._lock:
                self._view()[key].write(np.asarray(values, self.dtype)).result()
                self._changed |= set(self._blocks(spans))
                self.n_writes += 1

    def __array__(
        self, dtype: npt.DTypeLike | None = None, *, copy: bool | None = None
    ) -> Values:
        """Read all of it."""
        del copy
        return np.asarray(self[...], dtype)

    def save(self) -> int:
        """Write the blocks that were changed; return how many.

        May run in a thread. What is written into the array meanwhile counts as changed.

        Raises
        ------
        OutputError
            When the disk is full or the store cannot be written; changes stay in
            memory then.
        """
        writer = PyramidWriter(self.path, self._layout, "labels")
        with self._lock:
            blocks, self._changed = sorted(self._changed), set()
        for n_written, block in enumerate(blocks):
            try:
                self._save(block, writer)
            except BaseException:
                with self._lock:
                    self._changed |= set(blocks[n_written:])
                raise
        with self._lock:
            if not self._changed:
                self._forget()
        return len(blocks)

    def _save(self, block: tuple[int, ...], writer: PyramidWriter) -> None:
        n_leading = len(self._layout.leading)
        position, box = block[:n_leading], self._box(block[n_leading:])
        view = self._whole.with_transaction(self._transaction)
        values = np.asarray(
            view[(*position, *self._layout.spatial(box))].read().result()
        )
        values = values if self._layout.has_z else values[np.newaxis]
        writer.write(position, box, values)

    def _forget(self) -> None:
        """Free the memory of changes that are on the disk."""
        import tensorstore

        old, self._transaction = self._transaction, tensorstore.Transaction()
        old.abort()

    def _view(self) -> Any:
        return self._part.with_transaction(self._transaction)

    def _spans(self, key: Any) -> list[tuple[int, int]]:
        """First and last position that a key names, along each axis, in the store."""
        keys = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in [k for k in keys if not isinstance(k, np.ndarray)]:
            place = next(n for n, k in enumerate(keys) if k is Ellipsis)
            missing = self.ndim - len(keys) + 1
            keys[place : place + 1] = [slice(None)] * missing
        keys += [slice(None)] * (self.ndim - len(keys))
        spans = []
        for part, size, first in zip(keys, self.shape, self._starts, strict=True):
            if isinstance(part, slice):
                start, stop, _ = part.indices(size)
            else:
                places = np.asarray(part)
                low, high = (
                    (int(places.min()), int(places.max())) if places.size else (0, -1)
                )
                start, stop = low, high + 1
            spans.append((first + start, first + stop))
        return spans

    def _blocks(self, spans: list[tuple[int, int]]) -> itertools.product[Any]:
        layout = self._layout
        n_leading = len(layout.leading)
        sizes = (*(1,) * n_leading, *layout.spatial(layout.block))
        rows = [
            range(start // size, -(-stop // size))
            for (start, stop), size in zip(spans, sizes, strict=True)
        ]
        if not layout.has_z:
            rows.insert(n_leading, range(1))
        return itertools.product(*rows)

    def _box(self, place: tuple[int, ...]) -> Box:
        layout = self._layout
        z, y, x = (
            slice(row * length, min((row + 1) * length, size))
            for row, length, size in zip(place, layout.block, layout.shape, strict=True)
        )
        return z, y, x
