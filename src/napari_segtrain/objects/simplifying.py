"""Closed lines with fewer corners."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_MIN_CORNERS = 3


def kept_corners(
    corners: Points, starts: Indices, tolerance: float
) -> npt.NDArray[np.bool_]:
    """Which corners of closed lines are enough to describe them.

    The method of Douglas and Peucker (1973) for all lines at once. Lines of which
    fewer than three corners would be left are kept whole.

    Parameters
    ----------
    corners : ndarray of float64, shape (n, 2)
        Of all lines, one after the other.
    starts : ndarray of int64, shape (n_lines + 1,)
        Where each begins, and the end.
    tolerance : float
        Greatest distance of what is left out from the new line.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    closed, begins = _closed(corners, starts)
    is_kept = np.zeros(len(closed), bool)
    is_kept[begins[:-1]] = is_kept[begins[1:] - 1] = True
    points = np.flatnonzero(~is_kept)
    line = np.searchsorted(begins, points, side="right") - 1
    first, last = begins[line], begins[line + 1] - 1
    while len(points):
        pivots = _pivots(closed, points, first, last, tolerance)
        goes_on = pivots >= 0
        is_kept[pivots[goes_on]] = True
        goes_on &= pivots != points
        points, pivots = points[goes_on], pivots[goes_on]
        is_before = points < pivots
        first = np.where(is_before, first[goes_on], pivots)
        last = np.where(is_before, pivots, last[goes_on])
    is_kept = np.delete(is_kept, begins[1:] - 1)
    n_kept = np.add.reduceat(is_kept, starts[:-1]) if len(corners) else starts[:-1]
    is_kept |= np.repeat(n_kept < _MIN_CORNERS, np.diff(starts))
    return is_kept


def _closed(corners: Points, starts: Indices) -> tuple[Points, Indices]:
    """Lines at whose end the first corner comes again."""
    closed: Points = np.insert(corners, starts[1:], corners[starts[:-1]], axis=0)
    return closed, starts + np.arange(len(starts))


def _pivots(
    closed: Points, points: Indices, first: Indices, last: Indices, tolerance: float
) -> Indices:
    """For each point the one farthest from the same chord; -1 where that is near."""
    away = _distances(closed[points], closed[first], closed[last])
    starts = np.flatnonzero(np.diff(first, prepend=-1))
    chord = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(points)))
    farthest = np.maximum.reduceat(away, starts)
    at = np.flatnonzero(away == farthest[chord])
    _, where = np.unique(chord[at], return_index=True)
    pivots = np.where(farthest > tolerance, points[at[where]], -1)
    return pivots[chord]


def _distances(points: Points, first: Points, last: Points) -> Points:
    """Distance of each point from its chord."""
    along = last - first
    lengths = np.sum(along * along, axis=1)
    share = np.sum((points - first) * along, axis=1) / np.where(lengths, lengths, 1)
    nearest = first + np.clip(share, 0, 1)[:, np.newaxis] * along
    away: Points = np.hypot(*(points - nearest).T)
    return away
