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
    from collections.abc import Mapping, Sequence
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
    axes : str, optional
        Letters of the dimensions, where there are more than in the store: these have
        one entry.

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
        self,
        path: Path,
        window: Mapping[str, tuple[int, int]] | None = None,
        axes: str | None = None,
    ) -> None:
        import tensorstore

        levels = open_levels(path)
        if levels.kind != "labels":
            raise DataError(
                f"{path} holds maps, which are not painted on; edit the labels."
            )
        self.path = path
        self.n_writes = 0
        self.axes = axes or levels.axes
        self._layout = read_layout(path)
        kvstore = {"driver": "file", "path": f"{path / '0'}/"}
        with reading(path):
            self._whole: Any = tensorstore.open(
                {"driver": "zarr3", "kvstore": kvstore}, read=True, write=True
            ).result()
        ends = [
            (window or {}).get(axis, (0, int(size)))
            for axis, size in zip(levels.axes, self._whole.shape, strict=True)
        ]
        self._starts = tuple(start for start, _ in ends)
        part = self._whole[tuple(slice(*span) for span in ends)]
        part = part[tensorstore.d[:].translate_to[0]]
        self._kept = [n for n, axis in enumerate(self.axes) if axis in levels.axes]
        flat = [n for n in range(len(self.axes)) if n not in self._kept]
        for place in flat:
            part = part[(*(slice(None),) * place, tensorstore.newaxis)]
        self._part: Any = part
        self._transaction = tensorstore.Transaction()
        self._changed: set[tuple[int, ...]] = set()
        self._lock = threading.Lock()
        self._saving = threading.Lock()

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
        dtype: np.dtype[Any] = np.dtype(self._whole.dtype.numpy_dtype)
        return dtype

    @property
    def origin(self) -> dict[str, int]:
        """First voxel of the store that is covered, along each of its axes."""
        letters = [self.axes[n] for n in self._kept]
        return dict(zip(letters, self._starts, strict=True))

    @property
    def n_changed(self) -> int:
        """Blocks that were changed since the last save."""
        return len(self._changed)

    def __getitem__(self, key: Any) -> Values:
        """Read, as an array of NumPy does; changes included."""
        key = self._normalized(key)
        with self._lock:
            asked = self._view()[key].read()
        with reading(self.path):
            return np.asarray(asked.result())

    def __setitem__(self, key: Any, values: Any) -> None:
        """Write into memory."""
        key = self._normalized(key)
        spans = [_span(part) for part in key]
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
        with self._saving:
            return self._save_all()

    def _save_all(self) -> int:
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
        key = (*position, *self._layout.spatial(box))
        with reading(self.path):
            values = np.asarray(view[key].read().result())
        values = values if self._layout.has_z else values[np.newaxis]
        writer.write(position, box, values)

    def _forget(self) -> None:
        """Free the memory of changes that are on the disk."""
        import tensorstore

        old, self._transaction = self._transaction, tensorstore.Transaction()
        old.abort()

    def _view(self) -> Any:
        return self._part.with_transaction(self._transaction)

    def _normalized(self, key: Any) -> tuple[Any, ...]:
        """A key of NumPy as one for each axis: slices, positions, arrays of these.

        Raises
        ------
        IndexError
            When it leaves the array, or is of a kind that nobody paints with.
        """
        keys = list(key) if isinstance(key, tuple) else [key]
        if len(keys) == 1 and _is_mask(keys[0]):
            if keys[0].shape != self.shape:
                raise IndexError(f"a mask of {keys[0].shape} does not fit {self.shape}")
            keys = list(np.nonzero(keys[0]))
        dots = [n for n, part in enumerate(keys) if part is Ellipsis]
        missing = [slice(None)] * (self.ndim - len(keys) + len(dots))
        place = dots[0] if dots else len(keys)
        keys[place : place + len(dots)] = missing
        if len(keys) != self.ndim:
            raise IndexError(f"{len(keys)} indices do not fit {self.ndim} dimensions")
        return tuple(map(_positions, keys, self.shape))

    def _blocks(self, spans: Sequence[tuple[int, int]]) -> itertools.product[Any]:
        """Blocks that have voxels of a box, by their position and place."""
        layout = self._layout
        n_leading = len(layout.leading)
        sizes = (*(1,) * n_leading, *layout.spatial(layout.block))
        stored = [spans[n] for n in self._kept]
        rows = [
            range((first + start) // size, -(-(first + stop) // size))
            for (start, stop), first, size in zip(
                stored, self._starts, sizes, strict=True
            )
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


def _is_mask(key: Any) -> bool:
    return isinstance(key, np.ndarray) and key.dtype == bool


def _positions(part: Any, size: int) -> Any:
    """Slice, position or array of positions of an axis, counted from its start."""
    if isinstance(part, slice):
        start, stop, step = part.indices(size)
        if step < 1:
            raise IndexError(f"{part} goes backwards")
        return slice(start, max(start, stop), step)
    places = np.nonzero(part)[0] if _is_mask(part) else np.asarray(part)
    if places.dtype.kind not in "iu" and places.size:
        raise IndexError(f"{part!r} is no index")
    places = np.where(places < 0, places + size, places).astype(np.int64)
    if places.size and not 0 <= int(places.min()) <= int(places.max()) < size:
        raise IndexError(f"{part!r} is outside of an axis of {size}")
    return places if places.ndim else int(places)


def _span(part: Any) -> tuple[int, int]:
    """First position that a normalized key names, and the one after the last."""
    if isinstance(part, slice):
        return part.start, part.stop
    places = np.asarray(part)
    return (int(places.min()), int(places.max()) + 1) if places.size else (0, 0)
