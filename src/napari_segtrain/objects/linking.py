"""Objects of slices that go on in the next slice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

if TYPE_CHECKING:
    Ids = npt.NDArray[np.uint32]


def link_slices(ids: npt.NDArray[Any], overlap: float) -> Ids:
    """Give objects of neighboring slices the same id where they overlap.

    Each object goes on in at most one of the next slice, and in at most one of the
    slice before: pairs are taken in falling order of their IoU.

    Parameters
    ----------
    ids : ndarray of int, shape (Z, Y, X)
        Objects of slices, each with an id of its own; 0 is background.
    overlap : float
        Smallest IoU of a pair.

    Returns
    -------
    ndarray of uint32, same shape
        Ids without gaps.
    """
    n = int(ids.max(initial=0)) + 1
    links = [
        _pairs(ids[z], ids[z + 1], overlap, n) for z in range(max(len(ids) - 1, 0))
    ]
    rows = np.concatenate([np.zeros(0, np.intp), *(a for a, _ in links)])
    columns = np.concatenate([np.zeros(0, np.intp), *(b for _, b in links)])
    graph = sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=(n, n))
    groups = csgraph.connected_components(graph, directed=False)[1]
    groups = np.where(np.arange(n) == 0, -1, groups)
    is_present = np.zeros(n, bool)
    is_present[np.unique(ids)] = True
    is_present[0] = False
    new = np.zeros(n, np.uint32)
    _, numbers = np.unique(groups[is_present], return_inverse=True)
    new[is_present] = numbers + 1
    linked: Ids = new[ids]
    return linked


def _pairs(
    first: npt.NDArray[Any], second: npt.NDArray[Any], overlap: float, n: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Best partners of two slices, one to one."""
    shared = (first > 0) & (second > 0)
    keys = first[shared].astype(np.int64) * n + second[shared]
    pairs, counts = np.unique(keys, return_counts=True)
    a, b = np.divmod(pairs, n)
    sizes = [np.bincount(side.ravel(), minlength=n) for side in (first, second)]
    iou = counts / (sizes[0][a] + sizes[1][b] - counts)
    order = np.argsort(-iou, kind="stable")
    order = order[iou[order] >= overlap]
    taken: tuple[set[int], set[int]] = (set(), set())
    chosen = []
    for at in order.tolist():
        if int(a[at]) not in taken[0] and int(b[at]) not in taken[1]:
            taken[0].add(int(a[at]))
            taken[1].add(int(b[at]))
            chosen.append(at)
    return a[chosen].astype(np.intp), b[chosen].astype(np.intp)
