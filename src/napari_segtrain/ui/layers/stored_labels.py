"""Labels in a folder that napari can paint on, of which little is painted.

A Zarr array by itself is slow there: to know its type napari reads the first slice
before every stroke, and zarr takes half a second to find that the chunks of a large
slice are not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.errors import DataError
from napari_segtrain.io.lazy import Slices, parse_key, pick

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNK = 256
_MAX_SINGLE = 48
"""Chunks up to which each is read by itself, rather than the box around them."""

_ATTRIBUTE = "segtrain"
_Chunk = tuple[int, ...]


class StoredLabels:
    """A Zarr array, and which of its chunks hold anything.

    May be read in threads while it is painted.

    Parameters
    ----------
    array : zarr.Array
        Filled with 0 where nothing is stored.
    chunks : set of tuple of int
        Positions in the grid of chunks that may be stored.
    """

    def __init__(self, array: Any, chunks: set[_Chunk]) -> None:
        self._array = array
        self._painted = chunks
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.chunks: tuple[int, ...] = tuple(array.chunks)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Size, if all of it were in memory."""
        return self.size * self.dtype.itemsize

    @property
    def n_painted(self) -> int:
        """Voxels of the slices, YX, on which anything may be stored."""
        slices = {chunk[:-2] for chunk in tuple(self._painted)}
        per_slice = int(np.prod(self.chunks[:-2] + self.shape[-2:], dtype=np.int64))
        return len(slices) * per_slice

    @property
    def saved(self) -> dict[str, Any]:
        """What `save` stored beside the labels."""
        found = dict(self._array.attrs).get(_ATTRIBUTE)
        return found if isinstance(found, dict) else {}

    def save(self, metadata: dict[str, Any]) -> None:
        """Store plain values beside the labels."""
        self._array.attrs[_ATTRIBUTE] = metadata

    def painted_along(self, axis: int) -> list[int]:
        """Indices along a dimension at which anything may be stored, sorted."""
        step, size = self.chunks[axis], self.shape[axis]
        found = sorted({chunk[axis] for chunk in tuple(self._painted)})
        return [i for n in found for i in range(n * step, min(size, (n + 1) * step))]

    def __getitem__(self, key: Any) -> Any:
        """Read a part; what a single integer picks is read when it is needed."""
        if isinstance(key, int | np.integer) and self.ndim > 1:
            return pick(self, (int(key), *[slice(None)] * (self.ndim - 1)))
        if _has_arrays(key):
            return self._array.vindex[key]
        box, inner = parse_key(key, self.shape)
        return self._read(box)[inner]

    def __setitem__(self, key: Any, value: Any) -> None:
        """Write a part; it is on disk at once."""
        if _has_arrays(key):
            self._array.vindex[key] = value
            places = np.column_stack([np.ravel(index) for index in key])
            self._painted |= set(map(tuple, (places // self.chunks).tolist()))
            return
        box, _ = parse_key(key, self.shape)
        self._array[key] = value
        self._painted.update(self._grid(box))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:  # noqa: FBT001
        """Read everything."""
        block = self._read(tuple(slice(0, size) for size in self.shape))
        return block if dtype is None else block.astype(dtype, copy=bool(copy))

    def _read(self, box: Slices) -> npt.NDArray[Any]:
        block = np.zeros([part.stop - part.start for part in box], self.dtype)
        parts = [self._box(chunk) for chunk in self._painted_in(box)]
        if len(parts) > _MAX_SINGLE:
            parts = [_around(parts)]
        for part in parts:
            pairs = list(zip(part, box, strict=True))
            common = tuple(
                slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in pairs
            )
            place = tuple(
                slice(c.start - b.start, c.stop - b.start)
                for c, b in zip(common, box, strict=True)
            )
            block[place] = self._array[common]
        return block

    def _painted_in(self, box: Slices) -> list[_Chunk]:
        if not all(part.start < part.stop for part in box):
            return []
        low = [part.start // step for part, step in zip(box, self.chunks, strict=True)]
        high = [
            (part.stop - 1) // step for part, step in zip(box, self.chunks, strict=True)
        ]
        grid = zip(low, high, strict=True)
        n_asked = int(np.prod([b - a + 1 for a, b in grid], dtype=np.int64))
        if n_asked < len(self._painted):
            return [chunk for chunk in self._grid(box) if chunk in self._painted]
        return [
            chunk
            for chunk in tuple(self._painted)
            if all(a <= c <= b for a, c, b in zip(low, chunk, high, strict=True))
        ]

    def _grid(self, box: Slices) -> Iterator[_Chunk]:
        """Chunks that a box touches."""
        starts = [
            part.start // step for part, step in zip(box, self.chunks, strict=True)
        ]
        sizes = [
            -(-part.stop // step) - start
            for part, step, start in zip(box, self.chunks, starts, strict=True)
        ]
        for offset in np.ndindex(*sizes):
            yield tuple(a + b for a, b in zip(starts, offset, strict=True))

    def _box(self, chunk: _Chunk) -> Slices:
        return tuple(
            slice(n * step, min(size, (n + 1) * step))
            for n, step, size in zip(chunk, self.chunks, self.shape, strict=True)
        )


def create_stored_labels(path: Path, shape: tuple[int, ...], axes: str) -> StoredLabels:
    """Make a store of uint8 labels in a new folder, all 0.

    Parameters
    ----------
    path : Path
        Folder to make, named ``*.zarr``.
    shape : tuple of int
    axes : str
        One letter per dimension.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    import zarr

    chunks = tuple(
        min(size, CHUNK) if axis in "YX" else 1
        for axis, size in zip(axes, shape, strict=True)
    )
    array = zarr.create_array(
        str(path), shape=shape, dtype="uint8", chunks=chunks, fill_value=0,
        dimension_names=list(axes.lower()),
    )  # fmt: skip
    return StoredLabels(array, set())


def reopen_stored_labels(path: Path) -> StoredLabels:
    """Open a store of labels to paint on.

    Parameters
    ----------
    path : Path
        Folder of a Zarr array of integers.

    Raises
    ------
    DataError
        When it is none.
    OSError
        When it cannot be read.
    """
    import zarr

    try:
        array = zarr.open_array(str(path), mode="r+")
    except (FileNotFoundError, ValueError, TypeError) as error:
        raise DataError(
            f"{path} is no Zarr array; choose the folder of the labels itself, whose "
            "name ends with .zarr."
        ) from error
    if np.dtype(array.dtype).kind not in "iu":
        raise DataError(
            f"The values in {path} are of type {array.dtype}; labels are integers."
        )
    return StoredLabels(array, _stored_chunks(path, array))


def _stored_chunks(path: Path, array: Any) -> set[_Chunk]:
    """Positions of the chunks that are files; all, where that is not plain to see."""
    folder = path / "c"
    if not folder.is_dir() or getattr(array, "shards", None):
        is_new = array.nchunks_initialized == 0
        return set() if is_new else set(np.ndindex(*array.cdata_shape))
    files = folder.glob("/".join("*" * array.ndim))
    return {tuple(map(int, file.relative_to(folder).parts)) for file in files}


def _has_arrays(key: Any) -> bool:
    parts = key if isinstance(key, tuple) else (key,)
    return any(isinstance(part, np.ndarray | list) for part in parts)


def _around(boxes: list[Slices]) -> Slices:
    """Smallest box around some."""
    return tuple(
        slice(min(part.start for part in parts), max(part.stop for part in parts))
        for parts in zip(*boxes, strict=True)
    )
