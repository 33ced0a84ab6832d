"""Holes in objects."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

_LARGEST = np.iinfo(np.int64).max


def fill_holes(ids: npt.NDArray[Any]) -> None:
    """Give the holes of objects to them, in place.

    A hole is a piece of background that a single object surrounds; what lies between
    several objects, or reaches the border of the image, is none.

    Parameters
    ----------
    ids : ndarray of int, shape (Z, Y, X)
        Ids of objects, 0 for the background.
    """
    holes, n_holes = ndimage.label(ids == 0, output=np.int32)
    if not n_holes:
        return
    lowest = np.full(n_holes + 1, _LARGEST)
    highest = np.zeros(n_holes + 1, np.int64)
    for axis in range(ids.ndim):
        for hole, neighbor in _neighbors(holes, ids, axis):
            np.minimum.at(lowest, hole, neighbor)
            np.maximum.at(highest, hole, neighbor)
    is_hole = lowest == highest
    is_hole[0] = False
    is_hole[_on_border(holes)] = False
    owner = np.where(is_hole, highest, 0).astype(ids.dtype)
    np.copyto(ids, owner[holes], where=ids == 0)


def _neighbors(
    holes: npt.NDArray[np.int32], ids: npt.NDArray[Any], axis: int
) -> list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]]:
    """Pieces of background and the objects next to them, both ways along an axis."""
    rest = (slice(None),) * axis
    first, second = (*rest, slice(None, -1)), (*rest, slice(1, None))
    pairs = []
    for here, there in ((first, second), (second, first)):
        touches = (holes[here] > 0) & (ids[there] > 0)
        pairs.append((holes[here][touches], ids[there][touches].astype(np.int64)))
    return pairs


def _on_border(holes: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Pieces that reach a border; along an axis of one voxel there is none."""
    faces = [
        holes.take(index, axis).ravel()
        for axis, size in enumerate(holes.shape)
        if size > 1
        for index in (0, -1)
    ]
    found: npt.NDArray[np.int32] = np.unique(np.concatenate([np.zeros(1, int), *faces]))
    return found
