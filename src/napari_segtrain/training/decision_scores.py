"""Scores of decisions, and whether one is clearly better than another.

Counts are kept block by block. The gain of one decision over another is judged by the
jackknife (Efron and Stein 1981): its standard error follows from how much it changes
when one block after another is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.image import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_GAIN = 0.005
"""Gains of the mean IoU below this are not worth a rule.

The held-out part is small; smaller gains on it were losses elsewhere (see RESULTS.md).
"""
_N_ERRORS = 2.0
_MIN_BLOCKS = 3

Counts = npt.NDArray[np.int64]
"""Voxels by block, true class and predicted class, shape (B, K, K)."""


def count_blocks(
    truth: npt.NDArray[np.uint8],
    predicted: npt.NDArray[np.uint8],
    blocks: npt.NDArray[Any],
    *,
    n_blocks: int,
    n_classes: int,
) -> Counts:
    """Count voxels; those whose truth is `IGNORE_INDEX` count nowhere.

    Parameters
    ----------
    truth, predicted : ndarray of uint8, same shape
        Class indices.
    blocks : ndarray of int, same shape
        Block of each voxel, 0 to ``n_blocks`` - 1.
    n_blocks, n_classes : int
        Sizes of the result.
    """
    is_known = truth != IGNORE_INDEX
    codes = blocks[is_known].astype(np.int64) * n_classes + truth[is_known]
    codes = codes * n_classes + predicted[is_known]
    shape = (n_blocks, n_classes, n_classes)
    return np.bincount(codes, minlength=int(np.prod(shape))).reshape(shape)


def mean_iou(
    counts: npt.NDArray[Any], foreground: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Mean IoU of the classes that are not background and occur.

    Parameters
    ----------
    counts : ndarray, shape (..., K, K)
        Voxels by true and predicted class.
    foreground : sequence of int
        Class indices.

    Returns
    -------
    ndarray, shape (...)
        0 where none occurs.
    """
    chosen = list(foreground)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)[..., chosen].astype(float)
    union = (counts.sum(-1) + counts.sum(-2))[..., chosen] - hits
    occurs = union > 0
    iou = np.divide(hits, union, out=np.zeros_like(hits), where=occurs)
    mean: npt.NDArray[np.float64] = iou.sum(-1) / np.maximum(1, occurs.sum(-1))
    return mean


@dataclass(frozen=True)
class Gain:
    """How much higher the score of a decision is than that of another.

    Parameters
    ----------
    value, error : float
        Difference of the mean IoU, and its standard error.
    """

    value: float
    error: float

    @property
    def is_clear(self) -> bool:
        """Whether it is worth a rule, and more than chance."""
        return self.value >= MIN_GAIN and self.value > _N_ERRORS * self.error

    @property
    def safe_value(self) -> float:
        """What it comes to with a little bad luck."""
        return self.value - self.error


def gain_of(before: Counts, after: Counts, foreground: Sequence[int]) -> Gain:
    """Compare two decisions on the same voxels.

    Parameters
    ----------
    before, after : Counts
        Of the two.
    foreground : sequence of int
        Classes that are scored.
    """
    used = before.sum(axis=(1, 2)) > 0
    before, after = before[used], after[used]
    n_blocks = len(before)
    totals = before.sum(0), after.sum(0)
    value = mean_iou(totals[1], foreground) - mean_iou(totals[0], foreground)
    if n_blocks < _MIN_BLOCKS:
        return Gain(float(value), np.inf)
    without = mean_iou(totals[1] - after, foreground)
    without = without - mean_iou(totals[0] - before, foreground)
    spread = ((without - without.mean()) ** 2).sum() * (n_blocks - 1) / n_blocks
    return Gain(float(value), float(np.sqrt(spread)))


def smooth_best(scores: npt.NDArray[np.float64], radius: int) -> int:
    """Place of the maximum of a curve after a moving mean, which has no lone spikes.

    Parameters
    ----------
    scores : ndarray, shape (N,)
        A curve.
    radius : int
        Half the width of the window, which is shorter at the ends.
    """
    ones = np.ones(2 * radius + 1)
    padded = np.pad(scores, radius)
    weights = np.pad(np.ones(len(scores)), radius)
    smooth = np.convolve(padded, ones, "valid") / np.convolve(weights, ones, "valid")
    return int(smooth.argmax())
