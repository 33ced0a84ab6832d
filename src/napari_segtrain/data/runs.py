"""Runs of equal voxels, of which labels have far fewer than voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.intp]


def find_runs(
    *sides: npt.NDArray[Any], row: int | None = None
) -> tuple[Positions, Positions]:
    """Find where the values of arrays stay the same.

    Parameters
    ----------
    *sides : ndarray, shape (n,)
        One or more, of any dtype; a run ends where any of them changes.
    row : int, optional
        A run also ends after every so many values.

    Returns
    -------
    starts, lengths : ndarray of int, shape (n_runs,)
    """
    first, *others = sides
    is_end = first[1:] != first[:-1]
    for other in others:
        is_end |= other[1:] != other[:-1]
    if row:
        is_end[row - 1 :: row] = True
    starts = np.append(
        np.zeros(min(1, first.size), np.intp), np.flatnonzero(is_end) + 1
    )
    return starts, np.diff(starts, append=first.size)
