"""Voxels of a slice whose centers lie in polygons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    Mask = npt.NDArray[np.bool_]
    Points = npt.NDArray[np.float64]


def fill_polygon(points: Points, shape: tuple[int, int]) -> Mask:
    """Pixels whose centers lie in a closed polygon, by the even-odd rule.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        Y and X of the corners; the center of the first pixel is (0, 0).
    shape : (int, int)
        Of the result.
    """
    return fill_rings([points], shape)


def fill_rings(rings: Sequence[Points], shape: tuple[int, int]) -> Mask:
    """Pixels whose centers lie in an odd number of closed lines: in no hole.

    Parameters
    ----------
    rings : sequence of ndarray of shape (n, 2)
        Y and X of the corners of each; the center of the first pixel is (0, 0).
    shape : (int, int)
        Of the result.
    """
    n_y, n_x = shape
    width = n_x + 1
    # a row has an even number of crossings, between which it is outside and inside
    crossings = np.sort(_crossings(rings, shape))
    lengths = np.diff(crossings, prepend=0, append=n_y * width)
    inside = np.arange(len(lengths)) % 2 == 1
    return np.repeat(inside, lengths).reshape(n_y, width)[:, :n_x]


def contains(rings: Sequence[Points], points: Points) -> Mask:
    """Which points lie in an odd number of closed lines: in no hole.

    Parameters
    ----------
    rings : sequence of ndarray of shape (n, 2)
        Y and X of the corners of each.
    points : ndarray of shape (n_points, 2)
        Y and X. One on a line is on either side of it.

    Returns
    -------
    ndarray of bool, shape (n_points,)
    """
    inside = np.zeros(len(points), bool)
    y, x = points.T
    for ring in rings:
        for (y0, x0), (y1, x1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            across = np.flatnonzero((y0 <= y) != (y1 <= y))
            share = (y[across] - y0) / (y1 - y0) if len(across) else np.zeros(0)
            inside[across] ^= x[across] < x0 + share * (x1 - x0)
    return inside


def _crossings(
    rings: Sequence[Points], shape: tuple[int, int]
) -> npt.NDArray[np.int64]:
    """First pixels behind the lines, in rows that have one column more."""
    n_y, n_x = shape
    first = np.concatenate(rings)
    second = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    is_up = (first[:, 0] > second[:, 0])[:, np.newaxis]  # both ways are the same line
    first, second = np.where(is_up, second, first), np.where(is_up, first, second)
    ends = np.stack([first[:, 0], second[:, 0]])
    low, high = np.clip(np.ceil(ends), 0, n_y).astype(np.int64)
    n_rows = high - low
    before = np.cumsum(n_rows) - n_rows
    rows = np.arange(n_rows.sum()) + np.repeat(low - before, n_rows)
    edge = np.repeat(np.arange(len(first)), n_rows)
    (y0, x0), (y1, x1) = first[edge].T, second[edge].T
    x = x0 + (rows - y0) / (y1 - y0) * (x1 - x0)  # a share never overflows
    columns = np.clip(np.ceil(x), 0, n_x).astype(np.int64)
    found: npt.NDArray[np.int64] = rows * (n_x + 1) + columns
    return found
