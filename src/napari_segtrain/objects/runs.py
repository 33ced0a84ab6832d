"""Rows of an image as runs of equal values: few, where objects are large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.data.runs import find_runs

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


def locate_runs(ids: npt.NDArray[Any]) -> Runs:
    """Find the runs of an array of shape (Z, Y, X), and where they lie."""
    n_y, n_x = ids.shape[1:]
    voxels = ids.ravel()
    starts, lengths = find_runs(voxels, row=n_x)
    row, x = np.divmod(starts, n_x)
    z, y = np.divmod(row, n_y)
    return Runs(voxels[starts], starts, z, y, x, lengths)
