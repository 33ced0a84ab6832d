"""Pairs of label images -> an evaluation report, block by block."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.boxes import box_shape, full_box, iter_blocks
from napari_segtrain.data.label_facts import as_integers
from napari_segtrain.errors import DataError
from napari_segtrain.evaluation.aligned import BLOCK_VOXELS, aligned_items, may_go_on
from napari_segtrain.evaluation.contingency import Contingency
from napari_segtrain.evaluation.events import (
    BlockScored,
    EvaluationEvent,
    ImageScored,
)
from napari_segtrain.evaluation.instance import (
    DEFAULT_THRESHOLDS,
    ObjectScores,
    add_scores,
    score_objects,
)
from napari_segtrain.evaluation.pairs import LabelPair, check_pair
from napari_segtrain.evaluation.report import (
    TOTAL_NAME,
    EvaluationReport,
    ImageScores,
)
from napari_segtrain.evaluation.semantic import ConfusionMatrix
from napari_segtrain.evaluation.slices import SliceCurve, SliceScores
from napari_segtrain.image import IGNORE_INDEX, ClassTable, LabelImage
from napari_segtrain.objects.instances import label_objects

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from napari_segtrain.control import RunControl
    from napari_segtrain.evaluation.class_matching import ClassItem


def iter_evaluation(
    pairs: Iterable[LabelPair],
    *,
    classes: ClassTable,
    objects: bool = False,
    thresholds: Sequence[float] = DEFAULT_THRESHOLDS,
    control: RunControl | None = None,
) -> Generator[EvaluationEvent, None, EvaluationReport]:
    """Score predictions against ground truth.

    Class scores are streamed and need little memory; for object scores one item at a
    time is in memory. Unlabelled voxels of the ground truth count nowhere.

    Parameters
    ----------
    pairs : iterable of LabelPair
        What to compare.
    classes : ClassTable
        Classes of both sides, see `common_classes`.
    objects : bool
        Score objects too: ids where the class table of a label image says so,
        otherwise the connected components of each foreground class.
    thresholds : sequence of float
        IoU from which objects match.
    control : RunControl, optional
        Stop ends the evaluation after the present block; images that are not done
        are left out of the report.

    Yields
    ------
    EvaluationEvent
        `BlockScored` for each block, `ImageScored` for each image.

    Returns
    -------
    EvaluationReport
        Scores of each image and of all voxels together.

    Raises
    ------
    DataError
        When there is nothing to compare, the sizes of a pair differ (before anything
        is scored), or no voxel of any ground truth is labelled.
    """
    todo = list(pairs)
    _check(todo, classes)
    work = _Work(todo, classes, thresholds if objects else None, control)
    while work.has_next:
        is_complete = yield from work.score_next()
        if not is_complete:
            break
    return work.report()


class _Work:
    """State of `iter_evaluation`."""

    def __init__(
        self,
        todo: Sequence[LabelPair],
        classes: ClassTable,
        thresholds: Sequence[float] | None,
        control: RunControl | None,
    ) -> None:
        self._todo = todo
        self._classes = classes
        self._thresholds = thresholds
        self._control = control
        self._total = ConfusionMatrix(classes.n_classes)
        self._images: list[ImageScores] = []
        self._slices: list[SliceScores] = []
        n_voxels = sum(_n_voxels(pair) for pair in todo)
        self._n_total = n_voxels * (1 if thresholds is None else 2)
        self._n_done = 0

    @property
    def has_next(self) -> bool:
        """Whether an image is left."""
        return len(self._images) < len(self._todo)

    def score_next(self) -> Generator[EvaluationEvent, None, bool]:
        """Score the next image; false when stopped before its end."""
        pair = self._todo[len(self._images)]
        curve = SliceCurve(pair.name, self._classes)
        found = None
        is_complete = yield from self._compare(pair, curve)
        if is_complete and self._thresholds is not None:
            found = yield from self._objects(pair, self._thresholds)
        if not may_go_on(self._control):
            return False
        self._slices += curve.slices()
        self._total += curve.total
        scores = ImageScores(pair.name, curve.total.scores(self._classes), found)
        self._images.append(scores)
        yield ImageScored(pair.name, len(self._images), len(self._todo), scores)
        return True

    def _compare(
        self, pair: LabelPair, curve: SliceCurve
    ) -> Generator[EvaluationEvent, None, bool]:
        items = pair.truth.items()
        sides = aligned_items(pair, self._classes, self._control)
        for item, (truth, prediction) in zip(items, sides, strict=True):
            for box in iter_blocks(truth.shape, BLOCK_VOXELS):
                if not may_go_on(self._control):
                    return False
                curve.add(item.index, box[0], truth.read(box), prediction.read(box))
                yield self._progress(pair, math.prod(box_shape(box)))
        return True

    def _objects(
        self, pair: LabelPair, thresholds: Sequence[float]
    ) -> Generator[EvaluationEvent, None, tuple[ObjectScores, ...]]:
        """Object scores of all items of a pair, class by class."""
        scores = []
        foreground = self._classes.foreground
        for truth, prediction in aligned_items(pair, self._classes, self._control):
            box = full_box(truth.shape)
            true_indices, predicted_indices = truth.read(box), prediction.read(box)
            for index in foreground:
                if not may_go_on(self._control):
                    return ()
                contingency = _contingency(
                    _ids(pair.truth, truth, true_indices == index),
                    _ids(pair.prediction, prediction, predicted_indices == index),
                    true_indices == IGNORE_INDEX,
                )
                name = self._classes.names[index]
                scores.append(score_objects(contingency, thresholds, class_name=name))
                yield self._progress(pair, true_indices.size // len(foreground))
        return add_scores(scores)

    def _progress(self, pair: LabelPair, n_voxels: int) -> BlockScored:
        self._n_done += n_voxels
        return BlockScored(pair.name, self._n_done, self._n_total)

    def report(self) -> EvaluationReport:
        """Everything that was scored.

        Raises
        ------
        DataError
            When all images were, and none has a labelled voxel.
        """
        images = tuple(self._images)
        if not self.has_next and not self._total.counts.any():
            raise DataError(
                f"The ground truth has no labelled voxel ({len(images)} images), so "
                "there is nothing to score; check which values are unlabelled."
            )
        objects = None
        if self._thresholds is not None:
            objects = add_scores(image.objects or () for image in images)
        total = ImageScores(TOTAL_NAME, self._total.scores(self._classes), objects)
        return EvaluationReport(
            images,
            total,
            self._classes,
            is_complete=not self.has_next,
            slices=tuple(self._slices),
        )


def _n_voxels(pair: LabelPair) -> int:
    return math.prod(int(size) for size in pair.truth.array.shape)


def _check(pairs: Sequence[LabelPair], classes: ClassTable) -> None:
    if not pairs:
        raise DataError(
            "There is no pair of ground truth and prediction to compare; check that "
            "their file names match."
        )
    if not classes.n_classes:
        raise DataError(
            "Every label value is unlabelled, so there is nothing to score; check "
            "which values are unlabelled."
        )
    for pair in pairs:
        check_pair(pair)


def _ids(
    labels: LabelImage, item: ClassItem, mask: npt.NDArray[np.bool_]
) -> npt.NDArray[Any]:
    """Object ids inside a mask: the values themselves, or connected components."""
    if labels.classes is None or not labels.classes.is_objects:
        return label_objects(mask)
    values = as_integers(item.target.labels.read()[0])
    return np.where(mask, values, np.zeros(1, values.dtype))


def _contingency(
    truth_ids: npt.NDArray[Any],
    predicted_ids: npt.NDArray[Any],
    ignored: npt.NDArray[np.bool_],
) -> Contingency:
    """Contingency of an item, (Z, Y, X), in blocks to save memory."""
    contingency = Contingency()
    n_z, n_y, n_x = ignored.shape
    for box in iter_blocks((n_z, n_y, n_x), BLOCK_VOXELS):
        contingency.add(truth_ids[box], predicted_ids[box], ignored[box])
    return contingency
