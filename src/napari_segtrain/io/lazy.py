"""Arrays that read the box that is asked for, and nothing before."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.errors import DataError
from napari_segtrain.io.guard import reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_segtrain.image import LazyArray

Block = npt.NDArray[Any]
Slices = tuple[slice, ...]
"""One slice with explicit start and stop per dimension."""

BoxReader = Callable[[Slices], Block]


@dataclass(frozen=True, eq=False)
class BlockArray:
    """An array behind a function that reads boxes.

    Safe to read from several threads when ``read_box`` is.

    Parameters
    ----------
    shape, dtype
        Of the whole array.
    read_box : callable
        Takes one slice per dimension (explicit start and stop, step 1) and returns
        that block in a fresh array with all dimensions.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read_box: BoxReader

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def __len__(self) -> int:
        """Size of the first dimension."""
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Read a part, given by integers, slices and an ellipsis.

        Raises
        ------
        DataError
            When the file cannot be decoded.
        """
        box, inner = parse_key(key, self.shape)
        if any(part.start == part.stop for part in box):
            sizes = [part.stop - part.start for part in box]
            return np.zeros(sizes, self.dtype)[inner]
        return self.read_box(box)[inner]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Block:  # noqa: FBT001
        """Read everything."""
        block = np.asarray(self[...])
        return block if dtype is None else block.astype(dtype, copy=bool(copy))


def parse_key(key: Any, shape: tuple[int, ...]) -> tuple[Slices, tuple[Any, ...]]:
    """Split an index into the smallest box and what picks the result from it."""
    parts = key if isinstance(key, tuple) else (key,)
    n_missing = len(shape) - sum(part is not Ellipsis for part in parts)
    if n_missing < 0:
        raise IndexError(f"{len(parts)} indices for {len(shape)} dimensions")
    if Ellipsis not in parts:
        parts = (*parts, Ellipsis)
    at = parts.index(Ellipsis)
    parts = (*parts[:at], *[slice(None)] * n_missing, *parts[at + 1 :])
    pairs = [_parse_part(part, n) for part, n in zip(parts, shape, strict=True)]
    return tuple(box for box, _ in pairs), tuple(inner for _, inner in pairs)


def _parse_part(part: Any, size: int) -> tuple[slice, Any]:
    if isinstance(part, slice):
        positions = range(*part.indices(size))
        if not positions:
            return slice(0, 0), slice(None)
        ends = positions[0], positions[-1]
        return slice(min(ends), max(ends) + 1), slice(None, None, positions.step)
    index = operator.index(part)
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of bounds for size {size}")
    return slice(index % size, index % size + 1), 0


def pick(array: LazyArray, picks: tuple[int | slice, ...]) -> BlockArray:
    """Return a lazy view of ``array``.

    Parameters
    ----------
    array : LazyArray
    picks : tuple of int or slice
        Per dimension an index, which drops it, or the kept range (step 1).
    """
    ranges = [
        part if isinstance(part, int) else range(*part.indices(size))
        for part, size in zip(picks, array.shape, strict=True)
    ]
    kept = [part for part in ranges if isinstance(part, range)]

    def read_box(box: Slices) -> Block:
        parts = iter(box)
        key = tuple(
            part if isinstance(part, int) else _shift(next(parts), part.start)
            for part in ranges
        )
        return np.asarray(array[key])

    return BlockArray(tuple(map(len, kept)), np.dtype(array.dtype), read_box)


def _shift(part: slice, offset: int) -> slice:
    return slice(part.start + offset, part.stop + offset)


def stacked(arrays: Sequence[LazyArray]) -> BlockArray:
    """Arrays of one shape and type as one, along a new first axis, lazily."""
    dtype: np.dtype[Any] = np.dtype(arrays[0].dtype)

    def read_box(box: Slices) -> Block:
        chosen = arrays[box[0].start : box[0].stop]
        return np.stack([np.asarray(array[box[1:]]) for array in chosen])

    return BlockArray((len(arrays), *arrays[0].shape), dtype, read_box)


def mapped_array(
    path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int
) -> BlockArray:
    """Uncompressed voxels of a file, in C order.

    The file is mapped for each read and closed after it, so that thousands of images
    need no file handles.

    Raises
    ------
    DataError
        When the file is too short.
    """
    needed = offset + dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    found = path.stat().st_size
    if found < needed:
        raise DataError(
            f"{path} is cut off: its {shape} voxels end at byte {needed}, but the "
            f"file has {found}; copy or save it again."
        )

    def read_box(box: Slices) -> Block:
        with reading(path):
            mapped = np.memmap(path, dtype, "r", offset=offset, shape=shape)
            return np.array(mapped[box], dtype.newbyteorder("="), order="C")

    return BlockArray(shape, dtype.newbyteorder("="), read_box)
