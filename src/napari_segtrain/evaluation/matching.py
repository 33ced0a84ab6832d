"""Which object matches which: overlaps and assignments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csgraph


@dataclass(frozen=True)
class Matches:
    """Pairs of objects, by row and column of the contingency table."""

    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    iou: npt.NDArray[np.float64]


def object_iou(counts: sparse.csr_array) -> sparse.coo_array:
    """IoU of every pair of objects that overlap.

    Parameters
    ----------
    counts : csr_array
        Contingency table whose first row and column are the background.

    Returns
    -------
    coo_array
        Without the background's row and column.
    """
    truth_size = counts.sum(axis=1)[1:]
    predicted_size = counts.sum(axis=0)[1:]
    overlap = counts[1:, 1:].tocoo()
    union = truth_size[overlap.row] + predicted_size[overlap.col] - overlap.data
    index = (overlap.row, overlap.col)
    return sparse.coo_array((overlap.data / union, index), shape=overlap.shape)


def match_objects(iou: sparse.coo_array, threshold: float) -> Matches:
    """Match as many objects as possible, and among those ways the best sum of IoU.

    Above an IoU of 0.5 a pair has no rival; groups of rivals (exactly at 0.5, or
    below) are solved one by one as assignment problems.

    Parameters
    ----------
    iou : coo_array
        IoU of the pairs that overlap.
    threshold : float
        Smallest IoU of a match.
    """
    keep = iou.data >= threshold
    rows, columns, values = iou.row[keep], iou.col[keep], iou.data[keep]
    pairs = sparse.coo_array((values, (rows, columns)), shape=iou.shape)
    alone, groups = rival_groups(pairs)
    chosen = [alone]
    for members in groups:
        best = _assign(rows[members], columns[members], values[members])
        chosen.append(members[best])
    picked = np.sort(np.concatenate(chosen))
    return Matches(rows[picked], columns[picked], values[picked])


def rival_groups(
    pairs: sparse.coo_array,
) -> tuple[npt.NDArray[np.intp], list[npt.NDArray[np.intp]]]:
    """Tell pairs without a rival from those that share an object with others.

    Parameters
    ----------
    pairs : coo_array
        Pairs by row and column.

    Returns
    -------
    alone : ndarray of int
        Positions of the pairs whose row and column no other pair has.
    groups : list of ndarray of int
        Positions of the others; those of different groups share nothing.
    """
    group = _groups(pairs)[pairs.row]
    is_alone = np.bincount(group)[group] == 1 if len(group) else np.zeros(0, bool)
    rivals = np.flatnonzero(~is_alone)
    rivals = rivals[np.argsort(group[rivals], kind="stable")]
    starts = np.flatnonzero(np.diff(group[rivals])) + 1
    return np.flatnonzero(is_alone), np.split(rivals, starts) if len(rivals) else []


def _groups(pairs: sparse.coo_array) -> npt.NDArray[np.intp]:
    """Connected component of the graph of pairs that each row belongs to."""
    n_rows, n_columns = pairs.shape
    size = n_rows + n_columns
    edges = (np.ones(pairs.nnz), (pairs.row, pairs.col + n_rows))
    graph = sparse.coo_array(edges, shape=(size, size))
    labels: npt.NDArray[np.intp] = csgraph.connected_components(graph, directed=False)[
        1
    ]
    return labels


def _assign(
    rows: npt.NDArray[Any], columns: npt.NDArray[Any], iou: npt.NDArray[np.float64]
) -> npt.NDArray[np.intp]:
    """Positions of the best assignment among rival pairs."""
    _, row = np.unique(rows, return_inverse=True)
    _, column = np.unique(columns, return_inverse=True)
    shape = (int(row.max()) + 1, int(column.max()) + 1)
    position = np.full(shape, -1, np.intp)
    position[row, column] = np.arange(len(rows))
    # One pair more outweighs any sum of IoU, as the second term stays below 1/2.
    gain = np.zeros(shape)
    gain[row, column] = 1 + iou / (2 * min(shape) + 1)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    found = position[rows, columns]
    assigned: npt.NDArray[np.intp] = found[found >= 0]
    return assigned
