"""Voxels on another grid: averaged where they grow, interpolated where they shrink.

Both grids begin at the same corner, and a voxel is a box. A voxel of the result that is
``ratio`` voxels of the source long spans ``j * ratio`` to ``(j + 1) * ratio`` of these,
counted from the corner, so its middle lies at the index ``(j + 0.5) * ratio - 0.5`` of
the source (half-pixel centers, as of ``align_corners=False``). Where voxels grow, each
is the mean of what it covers; where they shrink, it is interpolated linearly between
middles, and takes the value of the first or last middle beyond them. Either way it
depends on its place alone, not on the box that it is made with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from napari_segtrain.inference.reading import check_finite
from napari_segtrain.io.lazy import BlockArray, Slices

if TYPE_CHECKING:
    from napari_segtrain.image import LazyArray

_MAX_READ = 1 << 24
"""Voxels of the source that are resampled at once."""


@dataclass(frozen=True)
class Resampling:
    """From one grid to another, along the last axes of an array.

    Parameters
    ----------
    ratios : tuple of float
        Voxels of the source that a voxel of the result is long, per axis.
    sizes : tuple of int
        Of the source, per axis, in voxels.
    """

    ratios: tuple[float, ...]
    sizes: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of the result, of which half a voxel may be missing or too much."""
        pairs = zip(self.sizes, self.ratios, strict=True)
        return tuple(max(1, round(size / ratio)) for size, ratio in pairs)

    def source(self, box: Slices) -> Slices:
        """Voxels of the source that a box of the result is made of."""
        return tuple(
            slice(int(taps.min()), int(taps.max()) + 1)
            for taps, _ in map(_taps, box, self.ratios, self.sizes)
        )

    def apply(self, values: npt.NDArray[Any], box: Slices) -> npt.NDArray[Any]:
        """Make a box of the result.

        Parameters
        ----------
        values : ndarray of float, shape (..., axes)
            Of the box `source`, with any axes before.
        box : tuple of slice
            Of the result.

        Returns
        -------
        ndarray, same type
        """
        first = values.ndim - len(box)
        axes = sorted(range(len(box)), key=lambda axis: -self.ratios[axis])
        for axis in axes:  # those that shrink the array come first
            ratio, size = self.ratios[axis], self.sizes[axis]
            if ratio != 1:
                matrix = _matrix(box[axis], ratio, size).astype(values.dtype)
                values = _along(values, first + axis, matrix)
        return values


def resampled(array: LazyArray, axes: str, ratios: tuple[float, ...]) -> BlockArray:
    """Return a view of an array on another grid, made where it is read.

    Parameters
    ----------
    array : LazyArray
        Where voxels come from; about `_MAX_READ` are in memory at once.
    axes : str
        One letter per dimension.
    ratios : tuple of float
        Along each axis, voxels that become one.

    Returns
    -------
    BlockArray of float32, or float64 where float32 does not hold the values
        Its reading raises `DataError` for NaN or infinite voxels.
    """
    grid = Resampling(ratios, tuple(map(int, array.shape)))
    is_small = np.can_cast(array.dtype, np.float32)
    dtype: np.dtype[Any] = np.dtype(np.float32 if is_small else np.float64)

    def read(box: Slices) -> npt.NDArray[Any]:
        result = np.empty([part.stop - part.start for part in box], dtype)
        for piece in cut(box, ratios, _MAX_READ):
            source = grid.source(piece)
            values = np.asarray(array[source]).astype(dtype)
            check_finite(values, axes, source)
            pairs = zip(piece, box, strict=True)
            place = tuple(slice(p.start - b.start, p.stop - b.start) for p, b in pairs)
            result[place] = grid.apply(values, piece)
        return result

    return BlockArray(grid.shape, dtype, read)


def cut(
    box: Slices,
    ratios: tuple[float, ...],
    max_voxels: int,
    *,
    is_sliced: bool = False,
) -> list[Slices]:
    """Cut a box, the longest sides first, until no part has too many voxels.

    Parameters
    ----------
    box : tuple of slice
        Of a grid.
    ratios : tuple of float
        Voxels of the other grid per voxel of this one, along each axis.
    max_voxels : int
        Of a part, on either grid.
    is_sliced : bool
        Whether the first side is cut before others, as its voxels know nothing of each
        other.
    """
    steps = [part.stop - part.start for part in box]
    lengths = [max(1.0, ratio) for ratio in ratios]
    while max(steps) > 1 and math.prod(map(_times, steps, lengths)) > max_voxels:
        longest = max(
            (axis for axis, step in enumerate(steps) if step > 1),
            key=lambda axis: (is_sliced and axis == 0, steps[axis] * lengths[axis]),
        )
        steps[longest] = -(-steps[longest] // 2)
    sides = [
        [slice(n, min(n + step, part.stop)) for n in range(part.start, part.stop, step)]
        for part, step in zip(box, steps, strict=True)
    ]
    return list(product(*sides))


def _times(step: int, length: float) -> float:
    return step * length


def _along(values: npt.NDArray[Any], axis: int, matrix: Any) -> npt.NDArray[Any]:
    """Multiply a matrix with the vectors along an axis."""
    moved = np.moveaxis(values, axis, 0)
    product_ = matrix @ moved.reshape(len(moved), -1)
    result: npt.NDArray[Any] = product_.reshape(-1, *moved.shape[1:])
    return np.moveaxis(result, 0, axis)


def _matrix(part: slice, ratio: float, size: int) -> Any:
    """Sparse weights (result, source) of voxels of an axis, in rows that sum to 1."""
    taps, weights = _taps(part, ratio, size)
    first = int(taps.min())
    rows = np.repeat(np.arange(len(taps)), taps.shape[1])
    columns = taps.ravel() - first
    shape = len(taps), int(taps.max()) + 1 - first
    return sparse.csr_array((weights.ravel(), (rows, columns)), shape)


def _taps(
    part: slice, ratio: float, size: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Voxels of the source, and their weights, for each voxel of a part of an axis."""
    places = np.arange(part.start, part.stop)[:, None]
    if ratio == 1:
        return places, np.ones(places.shape)
    if ratio < 1:
        middles = np.clip((places + 0.5) * ratio - 0.5, 0, size - 1)
        taps = np.floor(middles).astype(np.int64) + np.arange(2)
        weights = np.maximum(0, 1 - np.abs(taps - middles))
    else:
        low, high = places * ratio, np.minimum((places + 1) * ratio, size)
        taps = np.floor(low).astype(np.int64) + np.arange(math.ceil(ratio) + 1)
        weights = np.minimum(taps + 1, high) - np.maximum(taps, low)
        weights = np.maximum(0, weights)
    return np.minimum(taps, size - 1), weights / weights.sum(axis=1, keepdims=True)
