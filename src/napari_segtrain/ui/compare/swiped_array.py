"""Labels on one side of a line, nothing on the other; made for the slice in view."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segtrain.io.lazy import Block, Slices, parse_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_segtrain.image import LazyArray

_MAX_KEPT = 1 << 26
"""Voxels of a slice that is kept, so that the line moves without reading it again."""


class SwipedArray:
    """An array that napari shows as the data of a layer.

    Parameters
    ----------
    array : array
        Of labels; read only as far as it is looked at.
    shrink : callable, optional
        Makes bytes of a block of labels, see `small_labels`.

    Attributes
    ----------
    axis : int
        Dimension that the line is at right angles to.
    kept : range
        Positions along it that are shown; elsewhere there is 0.
    """

    def __init__(
        self, array: LazyArray, shrink: Callable[[Block], Block] | None = None
    ) -> None:
        self._array = array
        self._shrink = shrink
        self.axis = len(array.shape) - 1
        self.kept = range(array.shape[-1])
        self._box: Slices | None = None
        self._block: Block | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """As of the labels."""
        return tuple(self._array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Bytes, or as of the labels."""
        return np.dtype(np.uint8) if self._shrink else plain_dtype(self._array)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    def replace(self, array: LazyArray) -> None:
        """Take other labels of the same shape, or the same ones after an edit."""
        self._array = array
        self._box = self._block = None

    def __getitem__(self, key: Any) -> Block:
        """Read a part, given by integers, slices and an ellipsis."""
        box, inner = parse_key(key, self.shape)
        found = np.zeros([part.stop - part.start for part in box], self.dtype)
        span = box[self.axis]
        start, stop = max(span.start, self.kept.start), min(span.stop, self.kept.stop)
        if start < stop:
            shown = [slice(None)] * self.ndim
            shown[self.axis] = slice(start - span.start, stop - span.start)
            found[tuple(shown)] = self._read(box, tuple(shown))
        block: Block = found[inner]
        return block

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Block:  # noqa: FBT001
        """Read everything."""
        block = self[...]
        return block if dtype is None else block.astype(dtype, copy=bool(copy))

    def _read(self, box: Slices, part: Slices) -> Block:
        """Read a part of a box; what is slow to come by is kept."""
        if isinstance(self._array, np.ndarray) and self._shrink is None:
            view: Block = self._array[box][part]
            return view
        if self._block is None or self._box != box:
            block = np.asarray(self._array[box])
            block = block if self._shrink is None else self._shrink(block)
            if block.size > _MAX_KEPT:
                read: Block = block[part]
                return read
            self._box, self._block = box, block
        kept: Block = self._block[part]
        return kept


def plain_dtype(array: Any) -> np.dtype[Any]:
    """Type of the values as NumPy has it; stores of tensorstore have their own."""
    return np.dtype(getattr(array.dtype, "numpy_dtype", array.dtype))
