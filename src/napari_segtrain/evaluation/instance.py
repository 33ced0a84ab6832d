"""Scores of objects, from how well they match at an IoU threshold.

The definitions are those of the Data Science Bowl 2018 and of StarDist's
``matching``: at a threshold a ground-truth and a predicted object match when their
IoU reaches it, each object at most once; TP are the pairs, FP and FN the objects
without a partner, and AP = TP / (TP + FP + FN). Panoptic quality alone asks for an IoU
above the threshold, as its authors do (Kirillov et al. 2019): at exactly 0.5 an object
may have several partners.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_segtrain.evaluation.match_counts import MatchCounts
from napari_segtrain.evaluation.matching import match_objects, object_iou
from napari_segtrain.evaluation.ratios import ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    from scipy import sparse

    from napari_segtrain.evaluation.contingency import ContingencyTable

DEFAULT_THRESHOLDS = (0.5, 0.75)
MAX_UNLABELLED_SHARE = 0.5
"""A predicted object without a partner counts nowhere above this share of it."""


@dataclass(frozen=True)
class ObjectScores(MatchCounts):
    """Scores of the objects of one class at one IoU threshold.

    Parameters
    ----------
    class_name : str
        The class whose objects they are.
    threshold : float
        Smallest IoU of a match.
    n_truth, n_predicted, n_matched : int
        Objects in the ground truth, in the prediction, and pairs of them (TP).
    sum_matched_iou : float
        Over the pairs.
    sum_iou_above : float
        Over the pairs whose IoU is above the threshold.
    n_predicted_above : int
        Predicted objects that count when these alone are pairs.
    """

    class_name: str
    threshold: float
    n_truth: int
    n_predicted: int
    n_matched: int
    sum_matched_iou: float
    sum_iou_above: float
    n_predicted_above: int

    @property
    def key(self) -> tuple[str, float]:
        """What adds up: class and threshold."""
        return self.class_name, self.threshold

    @property
    def n_false_positive(self) -> int:
        """Predicted objects without a partner."""
        return self.n_predicted - self.n_matched

    @property
    def n_false_negative(self) -> int:
        """Ground-truth objects without a partner."""
        return self.n_truth - self.n_matched

    @property
    def ap(self) -> float | None:
        """TP / (TP + FP + FN), called average precision at the threshold."""
        return ratio(self.n_matched, self.n_truth + self.n_predicted - self.n_matched)

    @property
    def pq(self) -> float | None:
        """Panoptic quality: sum of IoU / (TP + FP / 2 + FN / 2), that is SQ times RQ.

        TP are the pairs above the threshold (Kirillov et al. 2019, at an IoU of 0.5).
        While no IoU is exactly at it, SQ is `mean_matched_iou` and RQ is `f1`.
        """
        return ratio(2 * self.sum_iou_above, self.n_truth + self.n_predicted_above)

    @property
    def mean_matched_iou(self) -> float | None:
        """Mean IoU of the pairs."""
        return ratio(self.sum_matched_iou, self.n_matched)

    def __add__(self, other: ObjectScores) -> ObjectScores:
        if (self.class_name, self.threshold) != (other.class_name, other.threshold):
            raise ValueError(
                f"cannot add scores of {self.class_name} at {self.threshold} and "
                f"{other.class_name} at {other.threshold}"
            )
        return ObjectScores(
            self.class_name,
            self.threshold,
            self.n_truth + other.n_truth,
            self.n_predicted + other.n_predicted,
            self.n_matched + other.n_matched,
            self.sum_matched_iou + other.sum_matched_iou,
            self.sum_iou_above + other.sum_iou_above,
            self.n_predicted_above + other.n_predicted_above,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "class": self.class_name,
            "threshold": self.threshold,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "ap": self.ap,
            "pq": self.pq,
            "mean_matched_iou": self.mean_matched_iou,
            "n_truth": self.n_truth,
            "n_predicted": self.n_predicted,
            "n_true_positive": self.n_matched,
            "n_false_positive": self.n_false_positive,
            "n_false_negative": self.n_false_negative,
        }


def score_objects(
    table: ContingencyTable,
    thresholds: Sequence[float] = DEFAULT_THRESHOLDS,
    *,
    class_name: str = "object",
) -> tuple[ObjectScores, ...]:
    """Scores at every threshold.

    A predicted object without a partner that lies by more than half in unlabelled
    voxels counts nowhere (the rule for void segments of Kirillov et al. 2019,
    Panoptic Segmentation).

    Raises
    ------
    ValueError
        When a threshold is not above 0 and at most 1.
    """
    for threshold in thresholds:
        if not 0 < threshold <= 1:
            raise ValueError(f"an IoU threshold is above 0 up to 1, got {threshold}")
    iou = object_iou(table.counts)
    is_void = table.unlabelled_share[1:] > MAX_UNLABELLED_SHARE
    return tuple(
        _score_at(iou, is_void, threshold, class_name) for threshold in thresholds
    )


def _score_at(
    iou: sparse.coo_array,
    is_void: npt.NDArray[np.bool_],
    threshold: float,
    class_name: str,
) -> ObjectScores:
    matches = match_objects(iou, threshold)
    counts = ~is_void
    counts[matches.columns] = True
    is_above = matches.iou > threshold
    n_void_at = int(is_void[matches.columns[~is_above]].sum())
    return ObjectScores(
        class_name,
        threshold,
        n_truth=iou.shape[0],
        n_predicted=int(counts.sum()),
        n_matched=len(matches.rows),
        sum_matched_iou=float(matches.iou.sum()),
        sum_iou_above=float(matches.iou[is_above].sum()),
        n_predicted_above=int(counts.sum()) - n_void_at,
    )
