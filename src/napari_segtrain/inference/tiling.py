"""Tiles: what the network reads, which part of its result is kept, and how it counts.

Tiles start on the network's grid. At the border of the image (rounded up to the grid)
a tile ends where the image ends, so that the network sees the same border as in a
forward pass over the whole image; on every other side it reads ``halo`` voxels of true
context, whose result is thrown away. Where kept parts overlap they are blended.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.boxes import Box, full_box

if TYPE_CHECKING:
    from napari_segtrain.axes import ZYX

_SIGMA_SHARE = 0.125
"""Standard deviation of the blending weights, as a share of the tile (MONAI's)."""

Weights = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Tile:
    """One forward pass.

    Parameters
    ----------
    read : Box
        Voxels that the network gives a result for; may reach beyond the end of the
        image. A network with a margin sees as many more on each side.
    keep : Box
        Part of the image that the result counts for, inside ``read``.
    weights : tuple of three ndarray of float32
        Weight of the result along Z, Y and X of ``keep``; the product of the three,
        summed over all tiles, is 1 at every voxel.
    """

    read: Box
    keep: Box
    weights: tuple[Weights, Weights, Weights] = field(compare=False, repr=False)

    @property
    def is_alone(self) -> bool:
        """Whether no other tile counts where it does."""
        return all(bool((weights == 1).all()) for weights in self.weights)

    @property
    def kept(self) -> Box:
        """``keep`` relative to ``read``."""
        pairs = zip(self.keep, self.read, strict=True)
        z, y, x = (slice(k.start - r.start, k.stop - r.start) for k, r in pairs)
        return z, y, x


@dataclass(frozen=True)
class Span:
    """A tile along one axis."""

    read: slice
    keep: slice


@dataclass(frozen=True)
class AxisTiling:
    """How one axis is cut, in voxels.

    Parameters
    ----------
    tile : int
        Length read at once, a multiple of ``grid``.
    halo : int
        Context on each side.
    overlap : int
        Least length that neighbours share and blend.
    grid : int
        Starts are multiples of it.
    """

    tile: int
    halo: int
    overlap: int
    grid: int

    @property
    def step(self) -> int:
        """Greatest distance between two starts."""
        return (self.tile - 2 * self.halo - self.overlap) // self.grid * self.grid


def plan_tiles(
    shape: ZYX,
    tile: ZYX,
    halo: ZYX,
    overlap: ZYX,
    grid: ZYX,
    *,
    box: Box | None = None,
) -> list[Tile]:
    """Cover an image, or a box of it, with tiles.

    Parameters
    ----------
    shape : ZYX
        Size of the image in voxels.
    tile, halo, overlap, grid : ZYX
        As in `AxisTiling`; where the image is shorter than a tile, one tile covers it.
    box : Box, optional
        Only this region is kept, with context read around it.

    Returns
    -------
    list of Tile
        In the order of Z, then Y, then X; all read equally large boxes.

    Raises
    ------
    ValueError
        When a tile is no multiple of the grid, or halo and overlap leave nothing of it.
    """
    settings = map(AxisTiling, tile, halo, overlap, grid)
    regions = box or full_box(shape)
    axes = [
        _weighted(plan_axis(size, axis, region))
        for size, axis, region in zip(shape, settings, regions, strict=True)
    ]
    return [
        Tile(
            (z.read, y.read, x.read),
            (z.keep, y.keep, x.keep),
            (z_weights, y_weights, x_weights),
        )
        for (z, z_weights), (y, y_weights), (x, x_weights) in itertools.product(*axes)
    ]


def plan_axis(size: int, axis: AxisTiling, region: slice) -> list[Span]:
    """Cut the ``region`` of an axis of ``size`` voxels.

    Raises
    ------
    ValueError
        As in `plan_tiles`.
    """
    if axis.tile % axis.grid or axis.tile < 1:
        raise ValueError(f"tile {axis.tile} is not a multiple of the grid {axis.grid}")
    whole = read_span(size, region, axis)
    end = _round_up(size, axis.grid)
    length = min(axis.tile, whole.stop - whole.start)
    spans = []
    for start in _starts(whole, axis):
        stop = start + length
        low = start if start == 0 else start + axis.halo
        high = stop if stop == end else stop - axis.halo
        keep = slice(max(low, region.start), min(high, region.stop))
        spans.append(Span(slice(start, stop), keep))
    return spans if axis.overlap else _apart(spans)


def _apart(spans: list[Span]) -> list[Span]:
    """Keep each voxel once: where two spans keep the same, each has half of it."""
    pairs = itertools.pairwise(span.keep for span in spans)
    cuts = [(first.stop + second.start) // 2 for first, second in pairs]
    starts = [spans[0].keep.start, *cuts]
    stops = [*cuts, spans[-1].keep.stop]
    return [
        Span(span.read, slice(start, stop))
        for span, start, stop in zip(spans, starts, stops, strict=True)
    ]


def read_span(size: int, region: slice, axis: AxisTiling) -> slice:
    """Voxels that all tiles of a region read: its halo, rounded outwards to the grid.

    Neither begins before the image, nor ends behind its rounded size.
    """
    first = max(0, (region.start - axis.halo) // axis.grid * axis.grid)
    stop = _round_up(region.stop + axis.halo, axis.grid)
    return slice(first, min(_round_up(size, axis.grid), stop))


def _starts(whole: slice, axis: AxisTiling) -> list[int]:
    rest = whole.stop - whole.start - axis.tile
    if rest <= 0:
        return [whole.start]
    if axis.step < 1:
        raise ValueError(
            f"a tile of {axis.tile} has no room for a halo of {axis.halo} on each side "
            f"and an overlap of {axis.overlap} on a grid of {axis.grid}"
        )
    n_steps = -(-rest // axis.step)
    ideal = (step * rest // n_steps for step in range(n_steps + 1))
    return [whole.start + place // axis.grid * axis.grid for place in ideal]


def _weighted(spans: list[Span]) -> list[tuple[Span, Weights]]:
    return list(zip(spans, blend_weights(spans), strict=True))


def blend_weights(spans: list[Span]) -> list[Weights]:
    """Gaussian weights of the spans of one axis, which add up to 1 at every voxel.

    Parameters
    ----------
    spans : list of Span
        Tiles along one axis, in order.

    Returns
    -------
    list of ndarray of float32
        One weight per kept voxel of each span; exactly 1 where only one counts.
    """
    offset = min(span.keep.start for span in spans)
    total = np.zeros(max(span.keep.stop for span in spans) - offset)
    bells = [_bell(span) for span in spans]
    for span, bell in zip(spans, bells, strict=True):
        total[span.keep.start - offset : span.keep.stop - offset] += bell
    return [
        (bell / total[span.keep.start - offset : span.keep.stop - offset]).astype(
            np.float32
        )
        for span, bell in zip(spans, bells, strict=True)
    ]


def _bell(span: Span) -> npt.NDArray[np.float64]:
    length = span.read.stop - span.read.start
    center = span.read.start + (length - 1) / 2
    positions = np.arange(span.keep.start, span.keep.stop)
    bell = np.exp(-(((positions - center) / (length * _SIGMA_SHARE)) ** 2) / 2)
    return np.asarray(bell, np.float64)


def reflect_indices(span: slice, size: int) -> npt.NDArray[np.intp]:
    """Positions to read for a span that may reach beyond an axis of ``size`` voxels.

    Reflects as often as needed and does not repeat the border, as
    ``np.pad(mode="reflect")`` does; an axis of one voxel is repeated.
    """
    period = max(1, 2 * (size - 1))
    positions: npt.NDArray[Any] = np.arange(span.start, span.stop) % period
    return np.asarray(np.minimum(positions, period - positions) % size, np.intp)


def _round_up(size: int, grid: int) -> int:
    return -(-size // grid) * grid


def widened(box: Box, margin: ZYX) -> Box:
    """Box with so many more voxels on each side, which may lie outside the image."""
    z, y, x = (
        slice(part.start - width, part.stop + width)
        for part, width in zip(box, margin, strict=True)
    )
    return z, y, x
