"""What the objects of a class score, beyond matches at a single threshold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segtrain.evaluation.instance import (
    ObjectScores,
    score_objects,
)
from napari_segtrain.evaluation.partition import PartitionScores, score_partition
from napari_segtrain.evaluation.ratios import mean_of
from napari_segtrain.evaluation.sums import sum_scores

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_segtrain.evaluation.contingency import ContingencyTable

AP_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""0.50, 0.55, ..., 0.95, as of COCO."""
_MAIN_SHARE = 0.5


@dataclass(frozen=True)
class ObjectSummary:
    """Scores of the objects of one class that no single threshold gives.

    Parameters
    ----------
    class_name : str
        The class whose objects they are.
    at_thresholds : tuple of ObjectScores
        At each of `AP_THRESHOLDS`.
    n_split : int
        Objects of the ground truth in which more than half of each of several
        predicted objects lies.
    n_merged : int
        Predicted objects in which more than half of each of several objects of the
        ground truth lies.
    partition : PartitionScores
        Rand score and variation of information.
    """

    class_name: str
    at_thresholds: tuple[ObjectScores, ...]
    n_split: int
    n_merged: int
    partition: PartitionScores = field(default_factory=PartitionScores)

    @property
    def key(self) -> str:
        """What adds up: the class."""
        return self.class_name

    @property
    def mean_ap(self) -> float | None:
        """Mean of TP / (TP + FP + FN) over `AP_THRESHOLDS`."""
        return mean_of(scores.ap for scores in self.at_thresholds)

    @property
    def n_truth(self) -> int:
        """Objects in the ground truth."""
        return self.at_thresholds[0].n_truth

    @property
    def n_predicted(self) -> int:
        """Predicted objects that count at the lowest threshold."""
        return self.at_thresholds[0].n_predicted

    @property
    def count_error(self) -> int:
        """Objects that were predicted too many, or too few when negative."""
        return self.n_predicted - self.n_truth

    def __add__(self, other: ObjectSummary) -> ObjectSummary:
        if self.class_name != other.class_name:
            raise ValueError(
                f"cannot add objects of {self.class_name} and {other.class_name}"
            )
        return ObjectSummary(
            self.class_name,
            sum_scores((self.at_thresholds, other.at_thresholds)),
            self.n_split + other.n_split,
            self.n_merged + other.n_merged,
            self.partition + other.partition,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "class": self.class_name,
            "mean_ap": self.mean_ap,
            "n_truth": self.n_truth,
            "n_predicted": self.n_predicted,
            "count_error": self.count_error,
            "n_split": self.n_split,
            "n_merged": self.n_merged,
            **self.partition.to_dict(),
        }


def summarize_objects(table: ContingencyTable, class_name: str) -> ObjectSummary:
    """Summarize the objects of one image.

    Parameters
    ----------
    table : ContingencyTable
        Voxels that they share; see `split_and_merged` for what is counted.
    class_name : str
    """
    is_split, is_merged = split_and_merged(table)
    return ObjectSummary(
        class_name,
        score_objects(table, AP_THRESHOLDS, class_name=class_name),
        int(is_split.sum()),
        int(is_merged.sum()),
        score_partition(table),
    )


def split_and_merged(
    table: ContingencyTable,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Say which objects are split, and which merge others.

    Returns
    -------
    is_split : ndarray of bool, shape (n_truth,)
        More than half of each of several predicted objects lies in it.
    is_merged : ndarray of bool, shape (n_predicted,)
        More than half of each of several objects of the ground truth lies in it.
        Voxels that are unlabelled in the ground truth count on neither side.
    """
    true_size = table.counts.sum(axis=1)[1:]
    predicted_size = table.counts.sum(axis=0)[1:]
    shared = table.counts[1:, 1:].tocoo()
    lies_in_truth = shared.data > _MAIN_SHARE * predicted_size[shared.col]
    lies_in_prediction = shared.data > _MAIN_SHARE * true_size[shared.row]
    n_parts = np.bincount(shared.row[lies_in_truth], minlength=shared.shape[0])
    n_held = np.bincount(shared.col[lies_in_prediction], minlength=shared.shape[1])
    return n_parts > 1, n_held > 1
