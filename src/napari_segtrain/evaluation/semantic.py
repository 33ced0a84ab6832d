"""Scores per class from a confusion matrix that grows block by block.

With TP, FP and FN the true positive, false positive and false negative voxels of a
class: IoU = TP / (TP + FP + FN) (Jaccard 1912), Dice = 2 TP / (2 TP + FP + FN)
(Dice 1945), precision = TP / (TP + FP), recall = TP / (TP + FN) (the accuracy of a
class in DeepMIB), specificity = TN / (TN + FP), and MCC the correlation coefficient of
the two masks (Matthews 1975). A score whose denominator is 0 is ``None``: a class that
is neither in the ground truth nor in the prediction has no scores.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.evaluation.ratios import mean_of, ratio
from napari_segtrain.image import IGNORE_INDEX, MAX_CLASSES, ClassTable

if TYPE_CHECKING:
    from collections.abc import Sequence

_N_CODES = 256
_CHUNK = 1 << 21


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class; ``None`` where a score is undefined.

    Parameters
    ----------
    name, value
        As in the class table.
    iou, dice, precision, recall, specificity : float or None
        Between 0 and 1.
    mcc : float or None
        Between -1 and 1; 0 when the prediction is the same everywhere, ``None`` when
        the ground truth is.
    n_truth, n_predicted : int
        Voxels of the class in the ground truth and in the prediction; unlabelled
        voxels of the ground truth count in neither.
    """

    name: str
    value: int
    iou: float | None
    dice: float | None
    precision: float | None
    recall: float | None
    specificity: float | None
    mcc: float | None
    n_truth: int
    n_predicted: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class OverallScores:
    """Mean over the foreground classes that have the score, and overall accuracy.

    Parameters
    ----------
    iou, dice, precision, recall, specificity : float or None
        Unweighted means over the classes of role ``class``.
    mcc : float or None
        Of all classes at once, background included (Gorodkin 2004), not a mean.
    accuracy : float or None
        Share of the labelled voxels, background included, whose class is right
        (global accuracy).
    mean_accuracy : float or None
        Mean recall of all classes that occur, background included.
    weighted_iou : float or None
        Mean IoU of all classes, background included, by their voxels in the truth.
    n_truth, n_predicted : int
        Labelled voxels of the ground truth, and those of them with a prediction.
    """

    iou: float | None
    dice: float | None
    precision: float | None
    recall: float | None
    specificity: float | None
    mcc: float | None
    accuracy: float | None
    mean_accuracy: float | None
    weighted_iou: float | None
    n_truth: int
    n_predicted: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class SemanticScores:
    """Scores of every class, in the order of the class index, and overall.

    Parameters
    ----------
    classes : tuple of ClassScores
    overall : OverallScores
    confusion : tuple of tuple of int
        Voxels: a row per true class, a column per predicted class and a last one for
        voxels without a prediction.
    """

    classes: tuple[ClassScores, ...]
    overall: OverallScores
    confusion: tuple[tuple[int, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


class ConfusionMatrix:
    """Voxel counts by true and predicted class, accumulated over blocks.

    Parameters
    ----------
    n_classes : int
        Background included, 1 to 254.

    Raises
    ------
    ValueError
        When ``n_classes`` is out of range.
    """

    def __init__(self, n_classes: int) -> None:
        if not 1 <= n_classes <= MAX_CLASSES:
            raise ValueError(f"n_classes must be 1 to {MAX_CLASSES}, got {n_classes}")
        self._counts = np.zeros((n_classes, n_classes + 1), np.int64)

    @property
    def n_classes(self) -> int:
        """Number of classes, background included."""
        return len(self._counts)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Copy of the counts, shape (n_classes, n_classes + 1).

        Rows are true, columns predicted class indices; the last column counts voxels
        without a predicted class.
        """
        return self._counts.copy()

    def add(
        self,
        truth_indices: npt.NDArray[np.uint8],
        predicted_indices: npt.NDArray[np.uint8],
    ) -> None:
        """Count a block.

        Parameters
        ----------
        truth_indices, predicted_indices : ndarray of uint8, same shape
            Class indices. Voxels whose truth is `IGNORE_INDEX` count nowhere; a
            predicted `IGNORE_INDEX` is a miss of the true class.

        Raises
        ------
        ValueError
            When shapes differ, a dtype is not uint8 or an index is no class.
        """
        _check_block(truth_indices, predicted_indices)
        joint = _joint_counts(truth_indices.ravel(), predicted_indices.ravel())
        joint = joint[:IGNORE_INDEX]
        columns = [*range(self.n_classes), IGNORE_INDEX]
        inside = joint[: self.n_classes, columns]
        if inside.sum() != joint.sum():
            raise ValueError(
                f"class indices must be below {self.n_classes} or {IGNORE_INDEX}"
            )
        self._counts += inside

    def add_counts(self, counts: npt.NDArray[np.int64]) -> None:
        """Add voxels that were counted elsewhere, in the shape of `counts`."""
        self._counts += counts

    def __add__(self, other: ConfusionMatrix) -> ConfusionMatrix:
        if self.n_classes != other.n_classes:
            raise ValueError(
                f"cannot add matrices of {self.n_classes} and {other.n_classes} classes"
            )
        total = ConfusionMatrix(self.n_classes)
        total._counts = self._counts + other._counts
        return total

    def scores(self, classes: ClassTable) -> SemanticScores:
        """Scores per class and overall.

        Parameters
        ----------
        classes : ClassTable
            Names and roles of the class indices.

        Raises
        ------
        ValueError
            When the table has another number of classes.
        """
        if classes.n_classes != self.n_classes:
            raise ValueError(
                f"the class table has {classes.n_classes} classes, "
                f"the matrix {self.n_classes}"
            )
        per_class = tuple(
            self._class_scores(index, row.name, row.value)
            for index, row in enumerate(classes.classes)
        )
        foreground = [per_class[index] for index in classes.foreground]
        overall = self._overall(per_class, foreground)
        confusion = tuple(tuple(row) for row in self._counts.tolist())
        return SemanticScores(per_class, overall, confusion)

    def _class_scores(self, index: int, name: str, value: int) -> ClassScores:
        hits = int(self._counts[index, index])
        n_truth = int(self._counts[index].sum())
        n_predicted = int(self._counts[:, index].sum())
        n_other = int(self._counts.sum()) - n_truth
        n_rejected = n_other - (n_predicted - hits)
        occurs = bool(n_truth or n_predicted)
        return ClassScores(
            name=name,
            value=value,
            iou=ratio(hits, n_truth + n_predicted - hits),
            dice=ratio(2 * hits, n_truth + n_predicted),
            precision=ratio(hits, n_predicted),
            recall=ratio(hits, n_truth),
            specificity=ratio(n_rejected, n_other) if occurs else None,
            mcc=_correlation([n_truth, n_other], [n_predicted], hits + n_rejected),
            n_truth=n_truth,
            n_predicted=n_predicted,
        )

    def _overall(
        self, classes: Sequence[ClassScores], foreground: Sequence[ClassScores]
    ) -> OverallScores:
        n_truth = int(self._counts.sum())
        n_right = int(self._counts.trace())
        sizes = [scores.n_truth for scores in classes]
        weighted = sum((scores.iou or 0.0) * scores.n_truth for scores in classes)
        return OverallScores(
            iou=mean_of(scores.iou for scores in foreground),
            dice=mean_of(scores.dice for scores in foreground),
            precision=mean_of(scores.precision for scores in foreground),
            recall=mean_of(scores.recall for scores in foreground),
            specificity=mean_of(scores.specificity for scores in foreground),
            mcc=_correlation(sizes, self._counts.sum(axis=0).tolist(), n_right),
            accuracy=ratio(n_right, n_truth),
            mean_accuracy=mean_of(scores.recall for scores in classes),
            weighted_iou=ratio(weighted, n_truth),
            n_truth=n_truth,
            n_predicted=int(self._counts[:, :-1].sum()),
        )


def _correlation(
    truth: Sequence[int], predicted: Sequence[int], n_right: int
) -> float | None:
    """Correlation of two labellings with the same classes (Gorodkin 2004).

    Parameters
    ----------
    truth, predicted : sequence of int
        Voxels of each class; of the prediction the last may be left out.
    n_right : int
        Voxels with the same class.

    Returns
    -------
    float or None
        0 when all voxels are predicted alike, ``None`` when all are truly alike.
    """
    n_all = sum(truth)
    predicted = [*predicted, n_all - sum(predicted)]
    spread_truth = n_all**2 - sum(n**2 for n in truth)
    spread_predicted = n_all**2 - sum(n**2 for n in predicted)
    if not spread_truth:
        return None
    if not spread_predicted:
        return 0.0
    shared = sum(a * b for a, b in zip(truth, predicted, strict=False))
    together = n_right * n_all - shared
    return together / (math.sqrt(spread_truth) * math.sqrt(spread_predicted))


def _check_block(truth: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> None:
    if truth.shape != predicted.shape:
        raise ValueError(
            f"truth and prediction differ in shape: {truth.shape}, {predicted.shape}"
        )
    if truth.dtype != np.uint8 or predicted.dtype != np.uint8:
        raise ValueError(
            f"class indices must be uint8, got {truth.dtype} and {predicted.dtype}"
        )


def _joint_counts(
    truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint8]
) -> npt.NDArray[np.int64]:
    """Counts of every pair of codes, (256, 256), in chunks to save memory."""
    counts = np.zeros(_N_CODES * _N_CODES, np.int64)
    for start in range(0, truth.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        codes = truth[part].astype(np.uint16) * np.uint16(_N_CODES) + predicted[part]
        counts += np.bincount(codes, minlength=counts.size)
    return counts.reshape(_N_CODES, _N_CODES)
