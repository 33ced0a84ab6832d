"""Class maps without specks: majorities of windows, components of a least size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_segtrain.image import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.axes import ZYX
    from napari_segtrain.boxes import Box

_OPEN_BESIDE_INNER = 3

Indices = npt.NDArray[np.uint8]
Votes = npt.NDArray[np.unsignedinteger[Any]]


def take_majority(indices: Indices, window: ZYX, n_classes: int) -> Indices:
    """Give each voxel the class that most voxels of a window around it have.

    With two classes this is the median filter. A voxel keeps its own class when no
    other has more voxels; of equal others the first counts. Voxels beyond the border
    and unlabelled ones have no vote, and unlabelled ones stay so.

    Parameters
    ----------
    indices : ndarray of uint8, shape (Z, Y, X)
        Class indices, or `IGNORE_INDEX`.
    window : ZYX
        Odd numbers of voxels.
    n_classes : int
        Classes, background included.

    Returns
    -------
    ndarray of uint8, same shape
    """
    # small types, since this is bound by memory
    dtype = np.min_scalar_type(2 * math.prod(window) + 1)
    best = np.zeros(indices.shape, dtype)
    winner = indices.copy()
    for index in range(n_classes):
        mask = indices == index
        votes = 2 * _box_sum(mask, window, dtype) + mask
        np.copyto(winner, np.uint8(index), where=votes > best)
        np.maximum(best, votes, out=best)
    np.copyto(winner, np.uint8(IGNORE_INDEX), where=indices == IGNORE_INDEX)
    return winner


def give_away_small(
    indices: Indices, min_voxels: Sequence[int], *, per_slice: bool
) -> Indices:
    """Give components that are too small to the class around them.

    Components are connected through faces. All small ones are found first; each takes
    the class that most faces of its neighbors have, where only neighbors count that
    are large enough. One without such a neighbor stays as it is.

    Parameters
    ----------
    indices : ndarray of uint8, shape (Z, Y, X)
        Class indices, or `IGNORE_INDEX`, which neither changes nor counts.
    min_voxels : sequence of int
        One per class; 0 and 1 leave all of its components.
    per_slice : bool
        Whether slices are looked at one by one.

    Returns
    -------
    ndarray of uint8, same shape
    """
    if per_slice and len(indices) > 1:
        parts = [give_away_small(s[None], min_voxels, per_slice=False) for s in indices]
        return np.concatenate(parts)
    ids = _small_components(indices, min_voxels)
    n_small = int(ids.max(initial=0))
    result = indices.copy()
    if n_small == 0:
        return result
    votes = _votes(ids, indices, n_small, len(min_voxels))
    winners = votes.argmax(axis=1).astype(np.uint8)
    is_moved = (ids > 0) & (votes.max(axis=1) > 0)[ids]
    result[is_moved] = winners[ids[is_moved]]
    return result


def is_cut_off(
    indices: Indices,
    min_voxels: Sequence[int],
    core: Box,
    goes_on: Sequence[tuple[bool, bool]],
    *,
    per_slice: bool,
) -> bool:
    """Whether `give_away_small` needs more around a part to be right in its core.

    That is so where a component looks too small, reaches a side of the part at which
    the image goes on, and lies in the core or beside a small one that does.

    Parameters
    ----------
    indices : ndarray of uint8, shape (Z, Y, X)
        Class indices of a part of an image.
    min_voxels, per_slice
        As in `give_away_small`.
    core : Box
        What is kept of the part.
    goes_on : sequence of (bool, bool)
        Whether there is more of the image before and behind it, along each axis.
    """
    ids = _small_components(indices, min_voxels, _links(is_flat=per_slice))
    is_open = np.zeros(int(ids.max(initial=0)) + 1, bool)
    is_inner = is_open.copy()
    axes = range(1 if per_slice else 0, ids.ndim)
    for axis in axes:
        before, behind = goes_on[axis]
        if before:
            is_open[ids.take(0, axis)] = True
        if behind:
            is_open[ids.take(-1, axis)] = True
    is_inner[ids[core]] = True
    is_open[0] = is_inner[0] = False
    if not is_open.any() or (is_open & is_inner).any():
        return bool(is_open.any())
    kinds = (is_open + 2 * is_inner).astype(np.uint8)[ids]
    both = [np.moveaxis(kinds, axis, 0) for axis in axes]
    return any(((line[1:] | line[:-1]) == _OPEN_BESIDE_INNER).any() for line in both)


def _links(*, is_flat: bool) -> npt.NDArray[np.bool_]:
    """Neighbors that belong together: those that share a face."""
    links: npt.NDArray[np.bool_] = ndimage.generate_binary_structure(3, 1)
    if is_flat:
        links[[0, 2]] = False
    return links


def _box_sum(mask: npt.NDArray[np.bool_], window: ZYX, dtype: np.dtype[Any]) -> Votes:
    """Voxels of a mask in the window around each voxel."""
    total = mask.astype(dtype)
    for axis, width in enumerate(window):
        radius = min(width // 2, total.shape[axis] - 1)
        line = np.moveaxis(total, axis, 0)
        summed = total.copy()
        sums = np.moveaxis(summed, axis, 0)
        for step in range(1, radius + 1):
            sums[:-step] += line[step:]
            sums[step:] += line[:-step]
        total = summed
    return total


def _small_components(
    indices: Indices,
    min_voxels: Sequence[int],
    links: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.int32]:
    """Ids 1, 2, ... of the components that are too small, 0 elsewhere."""
    ids = np.zeros(indices.shape, np.int32)
    n_found = 0
    for index, least in enumerate(min_voxels):
        if least <= 1:
            continue
        components, _ = ndimage.label(indices == index, links)
        sizes = np.bincount(components.ravel())
        is_small = sizes < least
        is_small[0] = False
        numbers = np.where(is_small, np.cumsum(is_small) + n_found, 0)
        ids += numbers.astype(np.int32)[components]
        n_found += int(is_small.sum())
    return ids


def _votes(
    ids: npt.NDArray[np.int32], indices: Indices, n_small: int, n_classes: int
) -> npt.NDArray[np.int64]:
    """Faces that each small component (row) shares with large ones of a class."""
    votes = np.zeros((n_small + 1) * n_classes, np.int64)
    for axis in range(ids.ndim):
        for here, there in (
            (slice(None, -1), slice(1, None)),
            (slice(1, None), slice(None, -1)),
        ):
            lead: tuple[Any, ...] = (slice(None),) * axis
            own, other = ids[(*lead, here)], ids[(*lead, there)]
            neighbor = indices[(*lead, there)]
            counts = (own > 0) & (other == 0) & (neighbor != IGNORE_INDEX)
            codes = own[counts].astype(np.int64) * n_classes + neighbor[counts]
            votes += np.bincount(codes, minlength=len(votes))
    return votes.reshape(n_small + 1, n_classes)
