"""Rows of an image as runs of equal values: few, where objects are large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Runs:
    """Runs along X, in the order of the voxels; those of the background as well.

    Parameters
    ----------
    ids : ndarray, shape (n,)
        Value of each run.
    starts : ndarray of int64, shape (n,)
        Its first voxel, counted through the whole array.
    z, y, x : ndarray of int64, shape (n,)
        Its first voxel along each axis.
    lengths : ndarray of int64, shape (n,)
        Its voxels.
    """

    ids: npt.NDArray[Any]
    starts: Column
    z: Column
    y: Column
    x: Column
    lengths: Column


def find_runs(ids: npt.NDArray[Any]) -> Runs:
    """Find the runs of an array of shape (Z, Y, X)."""
    n_y, n_x = ids.shape[1:]
    rows = ids.reshape(-1, n_x)
    is_first = np.ones(rows.shape, bool)
    np.not_equal(rows[:, 1:], rows[:, :-1], out=is_first[:, 1:])
    starts = np.flatnonzero(is_first)
    row, x = np.divmod(starts, n_x)
    z, y = np.divmod(row, n_y)
    lengths = np.diff(starts, append=rows.size)
    return Runs(rows.ravel()[starts], starts, z, y, x, lengths)
