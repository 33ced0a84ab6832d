"""Probabilities against ground truth: at every threshold, and as probabilities.

All follows from two histograms of 256 bins per class, which add up over blocks and
images: how often each probability occurs inside and outside of the class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.evaluation.ratios import ratio
from napari_segtrain.image import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Sequence

N_BINS = 256
"""Thresholds are 0, 1/255, ..., 1: those of maps of 8 bits."""
_GROUPS = 10
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Whether what is said to be 80 % sure is right in 80 % of the voxels.

    Parameters
    ----------
    predicted, observed : ndarray of float64, shape (n,)
        Mean probability and share of the class, in groups of probabilities of equal
        width that hold any voxel.
    n_voxels : ndarray of int64, shape (n,)
        Of each group.
    """

    predicted: Floats
    observed: Floats
    n_voxels: Counts

    @property
    def error(self) -> float | None:
        """Expected calibration error: mean difference, by voxels (Naeini 2015)."""
        gap = np.abs(self.predicted - self.observed) @ self.n_voxels
        return ratio(float(gap), int(self.n_voxels.sum()))


@dataclass(frozen=True, eq=False)
class ProbabilityScores:
    """Histograms of the probability of one class, and what follows from them.

    Parameters
    ----------
    class_name : str
    inside, outside : ndarray of int64, shape (256,)
        Labelled voxels of the class, and others, by probability: bin k holds those
        from k / 255 to below (k + 1) / 255.
    sums : ndarray of float64, shape (256,)
        Of the probabilities in each bin.
    """

    class_name: str
    inside: Counts
    outside: Counts
    sums: Floats

    @property
    def key(self) -> str:
        """What adds up: the class."""
        return self.class_name

    @property
    def thresholds(self) -> Floats:
        """From which probability on a voxel is of the class."""
        return np.arange(N_BINS) / (N_BINS - 1)

    @property
    def n_truth(self) -> int:
        """Labelled voxels of the class."""
        return int(self.inside.sum())

    def hits(self) -> tuple[Counts, Counts]:
        """True and false positive voxels at each threshold."""
        return _from_above(self.inside), _from_above(self.outside)

    def iou(self) -> Floats:
        """IoU at each threshold; NaN where it is undefined."""
        tp, fp = self.hits()
        return _shares(tp, self.n_truth + fp)

    def dice(self) -> Floats:
        """Dice at each threshold; NaN where it is undefined."""
        tp, fp = self.hits()
        return _shares(2 * tp, tp + fp + self.n_truth)

    def precision(self) -> Floats:
        """Precision at each threshold; NaN where nothing reaches it."""
        tp, fp = self.hits()
        return _shares(tp, tp + fp)

    def recall(self) -> Floats:
        """Recall at each threshold; NaN without the class."""
        return _shares(self.hits()[0], np.full(N_BINS, self.n_truth))

    @property
    def average_precision(self) -> float | None:
        """Area below precision over recall, in steps, as of scikit-learn."""
        if not self.n_truth:
            return None
        precision, recall = self.precision()[::-1], self.recall()[::-1]
        steps = np.diff(recall, prepend=0.0)
        return float(np.nan_to_num(precision) @ steps)

    @property
    def best_threshold(self) -> float | None:
        """Threshold of the greatest IoU, the middle one of several.

        It is tuned on these data. ``None`` without the class.
        """
        if not self.n_truth:
            return None
        iou = self.iou()
        best = np.flatnonzero(iou >= np.nanmax(iou) - 1e-12)
        return float(self.thresholds[best[len(best) // 2]])

    def iou_at(self, threshold: float) -> float | None:
        """IoU at one of the thresholds, or the next above."""
        index = int(np.searchsorted(self.thresholds, threshold - 1e-9))
        value = self.iou()[index]
        return None if np.isnan(value) else float(value)

    def calibration(self, n_groups: int = _GROUPS) -> Calibration:
        """Compare probabilities with what is observed, in groups of equal width."""
        group = np.minimum(np.arange(N_BINS) * n_groups // N_BINS, n_groups - 1)
        n_inside, n_all, sums = (
            np.bincount(group, values, minlength=n_groups)
            for values in (self.inside, self.inside + self.outside, self.sums)
        )
        used = n_all > 0
        return Calibration(
            sums[used] / n_all[used],
            n_inside[used] / n_all[used],
            n_all[used].astype(np.int64),
        )

    def __add__(self, other: ProbabilityScores) -> ProbabilityScores:
        if self.class_name != other.class_name:
            raise ValueError(
                f"cannot add probabilities of {self.class_name} and {other.class_name}"
            )
        return ProbabilityScores(
            self.class_name,
            self.inside + other.inside,
            self.outside + other.outside,
            self.sums + other.sums,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the curve."""
        best = self.best_threshold
        return {
            "class": self.class_name,
            "average_precision": self.average_precision,
            "iou_at_half": self.iou_at(0.5),
            "best_threshold": best,
            "iou_at_best": None if best is None else self.iou_at(best),
            "calibration_error": self.calibration().error,
        }

    def to_rows(self) -> list[dict[str, Any]]:
        """Curve as a table: a row per threshold; ``None`` is undefined."""
        columns = {
            "threshold": self.thresholds,
            "iou": self.iou(),
            "dice": self.dice(),
            "precision": self.precision(),
            "recall": self.recall(),
        }
        return [
            {
                "class": self.class_name,
                **{
                    name: None if np.isnan(values[index]) else float(values[index])
                    for name, values in columns.items()
                },
            }
            for index in range(N_BINS)
        ]


def count_probabilities(
    class_name: str,
    index: int,
    truth: npt.NDArray[np.uint8],
    probability: npt.NDArray[Any],
) -> ProbabilityScores:
    """Count a block.

    Parameters
    ----------
    class_name : str
    index : int
        Of the class.
    truth : ndarray of uint8
        Class indices; where they are `IGNORE_INDEX` nothing counts.
    probability : ndarray of uint8 or float, same shape
        Of the class: 0 to 255, or 0 to 1.

    Raises
    ------
    ValueError
        When the shapes differ, or a probability is NaN or not from 0 to 1.
    """
    if truth.shape != probability.shape:
        raise ValueError(
            f"truth and probability differ in shape: {truth.shape}, {probability.shape}"
        )
    labelled = truth != IGNORE_INDEX
    is_inside = truth[labelled] == index
    values = probability[labelled]
    if values.dtype == np.uint8:
        bins, shares = values, values / (N_BINS - 1)
    else:
        shares = values.astype(np.float64)
        if shares.size and not (shares.min() >= 0 and shares.max() <= 1):
            raise ValueError(
                "probabilities are from 0 to 1, but there are values from "
                f"{shares.min():g} to {shares.max():g}"
            )
        bins = np.floor(shares * (N_BINS - 1) + 1e-9).astype(np.uint8)
    return ProbabilityScores(
        class_name,
        np.bincount(bins[is_inside], minlength=N_BINS),
        np.bincount(bins[~is_inside], minlength=N_BINS),
        np.bincount(bins, shares, minlength=N_BINS).astype(np.float64),
    )


def held_out_iou(samples: Sequence[ProbabilityScores]) -> float | None:
    """IoU with thresholds that were not chosen on what they are scored on.

    Each sample is cut at the best threshold of all others; the voxels of all samples
    are scored together.

    Parameters
    ----------
    samples : sequence of ProbabilityScores
        Of the same class; two or more, else the result is ``None``.
    """
    n_hits, n_union = 0, 0
    for number, sample in enumerate(samples):
        others = [other for i, other in enumerate(samples) if i != number]
        if not others:
            return None
        total = others[0]
        for other in others[1:]:
            total += other
        threshold = total.best_threshold
        if threshold is None:
            return None
        index = int(np.searchsorted(sample.thresholds, threshold - 1e-9))
        tp, fp = (values[index] for values in sample.hits())
        n_hits += int(tp)
        n_union += int(sample.n_truth + fp)
    return ratio(n_hits, n_union)


def _from_above(counts: Counts) -> Counts:
    summed: Counts = counts[::-1].cumsum()[::-1]
    return summed


def _shares(parts: Counts, wholes: Counts) -> Floats:
    shares = np.full(len(parts), np.nan)
    np.divide(parts, wholes, out=shares, where=wholes > 0)
    return shares
