"""One threshold per class that maximizes the mean IoU.

In logarithms, a voxel takes the class with the greatest ``log p + offset``. For one
class at a time, all offsets of a grid are scored at once: whether a voxel takes the
class depends only on how far it is from the best of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.training.decision_scores import mean_iou, smooth_best

if TYPE_CHECKING:
    from collections.abc import Sequence

_GRID = np.linspace(-3.0, 3.0, 121)
"""Offsets: thresholds of two classes from 0.95 to 0.05."""
_RADIUS = 4
_LEAST = 1e-6
_N_ROUNDS = 2


def find_thresholds(
    probabilities: npt.NDArray[np.float32],
    truth: npt.NDArray[np.uint8],
    foreground: Sequence[int],
) -> tuple[float, ...]:
    """Choose thresholds, class by class, by the maximum of a smoothed curve.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (K, N)
        Of some voxels.
    truth : ndarray of uint8, shape (N,)
        Their classes.
    foreground : sequence of int
        Classes that are scored, and whose offsets are changed.

    Returns
    -------
    tuple of float
        Positive, 1 in sum, as `Decision` takes them.
    """
    logs = np.log(np.maximum(probabilities, _LEAST))
    offsets = np.zeros(len(logs), np.float32)
    n_rounds = _N_ROUNDS if len(foreground) > 1 else 1
    for _ in range(n_rounds):
        for index in foreground:
            counts = _sweep(logs, truth, offsets, index)
            offsets[index] = _GRID[smooth_best(mean_iou(counts, foreground), _RADIUS)]
    thresholds = np.exp(-offsets.astype(float))
    return tuple((thresholds / thresholds.sum()).tolist())


def _sweep(
    logs: npt.NDArray[np.float32],
    truth: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.float32],
    index: int,
) -> npt.NDArray[Any]:
    """Voxels by offset of a class, true class and predicted class, (G, K, K)."""
    n_classes, n_steps = len(logs), len(_GRID)
    others = logs + offsets[:, None]
    others[index] = -np.inf
    rivals = others.argmax(axis=0)
    needed = others.max(axis=0) - logs[index]
    first = np.searchsorted(_GRID, needed, side="right")
    codes = (truth.astype(np.int64) * n_classes + rivals) * (n_steps + 1) + first
    shape = (n_classes, n_classes, n_steps + 1)
    found = np.bincount(codes, minlength=int(np.prod(shape))).reshape(shape)
    taken = found.cumsum(axis=2)[:, :, :-1]
    left = found.sum(axis=2)[:, :, None] - taken
    counts: npt.NDArray[Any] = np.moveaxis(left, 2, 0).copy()
    counts[:, :, index] += taken.sum(axis=1).T
    return counts
