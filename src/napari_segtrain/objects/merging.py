"""Which basins of a depth map belong together: those that no saddle parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

Ids = npt.NDArray[np.uint32]
Depth = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def merge_shallow(ids: Ids, depth: Depth, prominence: int) -> npt.NDArray[np.uint32]:
    """Merge basins where the way from one to the other hardly rises.

    Two basins meet at a saddle, the deepest voxel of their common face. The one with
    the lesser peak stays by itself when its peak lies ``prominence`` or more above the
    saddle: the dynamics of Grimaud (1992), as of markers from h-maxima.

    Parameters
    ----------
    ids : ndarray of uint32, shape (Z, Y, X)
        Basins 1, 2, ...; 0 elsewhere.
    depth : ndarray of uint8 or uint16, same shape
        How deep a voxel lies in its object.
    prominence : int
        In units of the depth.

    Returns
    -------
    ndarray of uint32, shape (n_basins + 1,)
        For each basin the one that stands for all it was merged with.
    """
    peaks = np.zeros(int(ids.max(initial=0)) + 1, depth.dtype)
    np.maximum.at(peaks, ids.ravel(), depth.ravel())
    parents = np.arange(len(peaks), dtype=np.uint32)
    for first, second, saddle in _saddles(ids, depth):
        a, b = _root(parents, first), _root(parents, second)
        lower, higher = (a, b) if peaks[a] < peaks[b] else (b, a)
        if a != b and int(peaks[lower]) - saddle < prominence:
            parents[lower] = higher
    for index in range(len(parents)):
        parents[index] = _root(parents, index)
    return parents


def _root(parents: npt.NDArray[np.uint32], index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = int(parents[index])
    return index


def _saddles(ids: Ids, depth: Depth) -> Iterator[tuple[int, int, int]]:
    """Pairs of neighboring basins and their saddles, the deepest first."""
    n = np.uint64(int(ids.max(initial=0)) + 1)
    keys, heights = [], []
    for axis in range(ids.ndim):
        rest = (slice(None),) * axis
        here, there = (*rest, slice(None, -1)), (*rest, slice(1, None))
        meets = (ids[here] != ids[there]) & (ids[here] > 0) & (ids[there] > 0)
        a, b = ids[here][meets].astype(np.uint64), ids[there][meets].astype(np.uint64)
        keys.append(np.minimum(a, b) * n + np.maximum(a, b))
        heights.append(np.minimum(depth[here][meets], depth[there][meets]))
    pairs, where = np.unique(np.concatenate(keys), return_inverse=True)
    saddles = np.zeros(len(pairs), depth.dtype)
    np.maximum.at(saddles, where, np.concatenate(heights))
    for index in np.argsort(saddles, kind="stable")[::-1]:
        first, second = divmod(int(pairs[index]), int(n))
        yield first, second, int(saddles[index])
