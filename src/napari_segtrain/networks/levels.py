"""The levels of an encoder-decoder network, and the geometry that follows from them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_segtrain.axes import ZYX

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Level:
    """One resolution of an encoder-decoder network.

    Parameters
    ----------
    filters : int
        Channels of its convolutions.
    kernel : ZYX
        Width of its convolutions in voxels of this level.
    stride : ZYX
        Down-sampling from this level to the next; 1 in the deepest one.
    n_convs : int
        Convolutions in a row, on the way down and again on the way up.
    first : int, optional
        Channels of the first convolution on the way down, when they are others.
    """

    filters: int
    kernel: ZYX
    stride: ZYX
    n_convs: int = 2
    first: int | None = None

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the convolutions on the way down."""
        others = (self.filters,) * (self.n_convs - 1)
        return (self.first or self.filters, *others)


@dataclass(frozen=True)
class ValidBorder:
    """What a network without padding loses on each side, ZYX voxels.

    Parameters
    ----------
    crop : ZYX
        Cut off the image first, so that pools join the same voxels as with padding.
    margin : ZYX
        By how much the result is smaller on each side, the crop included; a multiple
        of the grid.
    """

    crop: ZYX
    margin: ZYX


def total_stride(levels: Sequence[Level]) -> ZYX:
    """Grid of a network with these levels, ZYX voxels."""
    z, y, x = (math.prod(level.stride[axis] for level in levels) for axis in range(3))
    return z, y, x


def receptive_field(levels: Sequence[Level]) -> ZYX:
    """Width of the input that an output voxel depends on, ZYX voxels.

    The up-sampling is taken to be a transposed convolution whose kernel is its stride.
    The interval of voxels is followed from each position on the grid up and down the
    levels, so the result is exact; it is twice the greater reach, plus one.
    """
    z, y, x = (2 * _reach(levels, axis) + 1 for axis in range(3))
    return z, y, x


def _reach(levels: Sequence[Level], axis: int) -> int:
    reach = 0
    for position in range(total_stride(levels)[axis]):
        low, high = _seen_from(position, levels, axis)
        reach = max(reach, position - low, high - position)
    return reach


def _seen_from(position: int, levels: Sequence[Level], axis: int) -> tuple[int, int]:
    margins = [level.n_convs * (level.kernel[axis] // 2) for level in levels]
    strides = [level.stride[axis] for level in levels[:-1]]
    low = high = position
    for margin, stride in zip(margins, strides, strict=False):
        low, high = (low - margin) // stride, (high + margin) // stride
    low, high = low - margins[-1], high + margins[-1]
    for margin, stride in zip(margins[-2::-1], strides[::-1], strict=True):
        low, high = low * stride - margin, high * stride + stride - 1 + margin
    return low, high


def valid_border(levels: Sequence[Level]) -> ValidBorder:
    """What is lost on each side where convolutions are not padded."""
    (z, m), (y, n), (x, o) = (_lost(levels, axis) for axis in range(3))
    return ValidBorder(crop=(z, y, x), margin=(m, n, o))


def _lost(levels: Sequence[Level], axis: int) -> tuple[int, int]:
    """Crop and margin along an axis, in voxels."""
    steps = [1]
    for level in levels[:-1]:
        steps.append(steps[-1] * level.stride[axis])
    widths = [
        step * level.n_convs * (level.kernel[axis] // 2)
        for step, level in zip(steps, levels, strict=True)
    ]
    # where each level's maps begin after its convolutions, from the image's border
    begins = list(itertools.accumulate(widths[:-1]))
    crop = next(
        crop
        for crop in range(steps[-1])
        if all(
            (crop + n) % step == 0 for n, step in zip(begins, steps[1:], strict=True)
        )
    )
    lost = crop + sum(widths) + sum(widths[:-1])
    return crop, -(-lost // steps[-1]) * steps[-1]
