"""Whether label values look like object ids: one blob each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_CHECKED_VALUES = 200
_CHUNK = 1 << 18
_MAX_READS = 4
_MIN_READ_VOXELS = 1 << 20
"""Bounding boxes are looked at until they sum up to `_MAX_READS` times the array, but
at least to this many voxels."""


def is_one_blob_each(
    labels: npt.NDArray[Any], values: Sequence[int] | npt.NDArray[Any]
) -> float:
    """Share of the values whose voxels form one connected component.

    At most 200 of the values, evenly spread, are looked at, each in its bounding box;
    voxels that touch at a corner are connected.

    Parameters
    ----------
    labels : ndarray
        Label values of any shape and numeric dtype, for instance a block.
    values : sequence of int
        Values to check, without the background; those that are not in ``labels`` do
        not count.

    Returns
    -------
    float
        Between 0 and 1; 0 when none of the values is there.
    """
    from scipy import ndimage

    wanted = np.unique(np.asarray(values))
    possible = wanted.astype(labels.dtype)
    chosen = _spread(possible[possible == wanted])
    positions = _positions(labels, chosen)
    structure = np.ones((3,) * labels.ndim, bool)
    limit = max(_MIN_READ_VOXELS, _MAX_READS * labels.size)
    n_checked = n_whole = n_read = 0
    for position, box in enumerate(ndimage.find_objects(positions), start=1):
        if box is None or n_read > limit:
            continue
        mask = positions[box] == position
        n_read += mask.size
        n_checked += 1
        n_whole += int(ndimage.label(mask, structure)[1] == 1)
    return n_whole / n_checked if n_checked else 0.0


def _spread(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if len(values) <= MAX_CHECKED_VALUES:
        return values
    steps = np.linspace(0, len(values) - 1, MAX_CHECKED_VALUES)
    return values[steps.round().astype(np.intp)]


def _positions(
    labels: npt.NDArray[Any], values: npt.NDArray[Any]
) -> npt.NDArray[np.int16]:
    """Position, from 1, of each voxel's value among the sorted values; 0 if none."""
    if not len(values):
        return np.zeros(labels.shape, np.int16)
    flat = labels.ravel()
    positions = np.empty(flat.shape, np.int16)
    for start in range(0, flat.size, _CHUNK):
        part = flat[start : start + _CHUNK]
        found = np.minimum(np.searchsorted(values, part), len(values) - 1)
        found = np.where(values[found] == part, found + 1, 0)
        positions[start : start + _CHUNK] = found
    return positions.reshape(labels.shape)
