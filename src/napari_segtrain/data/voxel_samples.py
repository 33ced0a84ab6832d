"""Voxels that stand for an image that is too large to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_segtrain.axes import ZYX
    from napari_segtrain.boxes import Box
    from napari_segtrain.image import Item

MAX_SAMPLED_VOXELS = 1 << 22
MAX_SAMPLED_BLOCKS = 16
_N_BLOCKS_OF_EMPTY = 256

Used = tuple[bool, ...]
"""For each slice along Z, whether it is looked at."""


def sample_voxels(item: Item) -> npt.NDArray[Any]:
    """Return the voxels that stand for an item when it is measured by itself.

    Returns
    -------
    ndarray of shape (C, N)
        An image of these voxels, (C, 1, N), has the same statistics as the item.
    """
    return sample_items([item], [(True,) * item.shape[0]])


def sample_items(items: Sequence[Item], used: Sequence[Used]) -> npt.NDArray[Any]:
    """Return voxels that stand for items.

    About `MAX_SAMPLED_VOXELS` voxels per channel are taken, of at most four times as
    many that are read, in `MAX_SAMPLED_BLOCKS` blocks (or one per item, when there are
    more items). When all of them are equal, as in a store that is mostly empty, more
    and smaller blocks are looked at.

    Parameters
    ----------
    items : sequence of Item
        Read lazily.
    used : sequence of tuple of bool
        For each item, the slices along Z to look at.

    Returns
    -------
    ndarray of shape (C, N)
    """
    values = _samples(items, used, MAX_SAMPLED_BLOCKS)
    if np.array_equal(values.min(axis=1), values.max(axis=1)):
        return _samples(items, used, _N_BLOCKS_OF_EMPTY)
    return values


def _samples(
    items: Sequence[Item], used: Sequence[Used], n_blocks: int
) -> npt.NDArray[Any]:
    budget = max(1, MAX_SAMPLED_VOXELS // len(items))
    n_blocks = max(1, n_blocks // len(items))
    parts = [
        _sample(item, slices, budget, n_blocks)
        for item, slices in zip(items, used, strict=True)
    ]
    return np.concatenate(parts, axis=1)


def _sample(item: Item, used: Used, budget: int, n_blocks: int) -> npt.NDArray[Any]:
    parts = [
        item.read(box).reshape(item.n_channels, -1)
        for box in spread_boxes(item.shape, used, budget, n_blocks)
    ]
    values = np.concatenate(parts, axis=1)
    step = max(1, values.shape[1] // budget)
    return values[:, ::step]


def spread_boxes(
    shape: ZYX, used: Used, budget: int, n_blocks: int = MAX_SAMPLED_BLOCKS
) -> Iterator[Box]:
    """Whole used slices spread over Z, or bands of rows where one is too large.

    Parameters
    ----------
    shape : ZYX
        Of the item, voxels.
    used : tuple of bool
        For each slice along Z, whether it may be taken.
    budget : int
        Voxels per channel that are wanted; at most four times as many are covered.
    n_blocks : int
        Most boxes.

    Yields
    ------
    Box
        One slice thick.
    """
    _, n_y, n_x = shape
    candidates = np.flatnonzero(used) if any(used) else np.arange(len(used))
    n_z = len(candidates)
    max_read = 4 * budget
    n_blocks = max(1, min(n_blocks, max_read // n_x))
    steps = np.linspace(0, n_z - 1, min(n_z, n_blocks)).round().astype(int)
    slices = candidates[np.unique(steps)]
    rows = max(1, min(n_y, max_read // (len(slices) * n_x)))
    bands = max(1, n_blocks // len(slices)) if rows < n_y else 1
    rows = max(1, rows // bands)
    starts = np.unique(np.linspace(0, n_y - rows, bands).round().astype(int))
    for z in slices:
        for y in starts:
            yield (
                slice(int(z), int(z) + 1),
                slice(int(y), int(y) + rows),
                slice(0, n_x),
            )
