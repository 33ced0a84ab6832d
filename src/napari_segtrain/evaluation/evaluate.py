"""Pairs of label images -> an evaluation report, block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.data.label_facts import as_integers
from napari_segtrain.data.targets import TargetItem
from napari_segtrain.errors import DataError
from napari_segtrain.evaluation.contingency import Contingency
from napari_segtrain.evaluation.events import EvaluationEvent, ImageScored
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
from napari_segtrain.image import (
    IGNORE_INDEX,
    ClassTable,
    Item,
    LabelImage,
    full_box,
    iter_blocks,
)
from napari_segtrain.objects.instances import label_objects

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from napari_segtrain.control import RunControl

_BLOCK_VOXELS = 1 << 22


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
        `ImageScored` for each image.

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
    total = ConfusionMatrix(classes.n_classes)
    done: list[ImageScores] = []
    for pair in todo:
        matrix = _confusion(pair, classes, control)
        found = _objects(pair, classes, thresholds, control) if objects else None
        if not _may_go_on(control):
            break
        total += matrix
        done.append(ImageScores(pair.name, matrix.scores(classes), found))
        yield ImageScored(pair.name, len(done), len(todo), done[-1])
    is_complete = len(done) == len(todo)
    if is_complete and not total.counts.any():
        raise DataError(
            f"The ground truth has no labelled voxel ({len(todo)} images), so there is "
            "nothing to score; check which values are unlabelled."
        )
    found = add_scores(image.objects or () for image in done) if objects else None
    scores = ImageScores(TOTAL_NAME, total.scores(classes), found)
    return EvaluationReport(tuple(done), scores, classes, is_complete=is_complete)


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


def _may_go_on(control: RunControl | None) -> bool:
    if control is None:
        return True
    control.wait_while_paused()
    return not control.is_stopping


def _confusion(
    pair: LabelPair, classes: ClassTable, control: RunControl | None
) -> ConfusionMatrix:
    """Confusion matrix of all items of a pair, as far as the control lets it go."""
    matrix = ConfusionMatrix(classes.n_classes)
    for truth, prediction in _item_pairs(pair, classes):
        for box in iter_blocks(truth.shape):
            if not _may_go_on(control):
                return matrix
            matrix.add(truth.read(box), prediction.read(box))
    return matrix


def _objects(
    pair: LabelPair,
    classes: ClassTable,
    thresholds: Sequence[float],
    control: RunControl | None,
) -> tuple[ObjectScores, ...]:
    """Object scores of all items of a pair, class by class."""
    scores = []
    for truth, prediction in _item_pairs(pair, classes):
        if not _may_go_on(control):
            break
        box = full_box(truth.shape)
        true_indices, predicted_indices = truth.read(box), prediction.read(box)
        for index in classes.foreground:
            contingency = _contingency(
                _ids(pair.truth, truth, true_indices == index),
                _ids(pair.prediction, prediction, predicted_indices == index),
                true_indices == IGNORE_INDEX,
            )
            name = classes.names[index]
            scores.append(score_objects(contingency, thresholds, class_name=name))
    return add_scores(scores)


def _item_pairs(
    pair: LabelPair, classes: ClassTable
) -> Iterator[tuple[TargetItem, TargetItem]]:
    """Items of both sides as class indices; unlabelled slices only in the truth."""
    zero = (pair.truth.classes or classes).zero
    for truth, prediction in zip(
        pair.truth.items(), pair.prediction.items(), strict=True
    ):
        everywhere = (True,) * truth.shape[0]
        used = _painted_slices(truth) if zero == "painted-slices" else everywhere
        yield (
            TargetItem(truth, classes, used),
            TargetItem(prediction, classes, everywhere),
        )


def _ids(
    labels: LabelImage, item: TargetItem, mask: npt.NDArray[np.bool_]
) -> npt.NDArray[Any]:
    """Object ids inside a mask: the values themselves, or connected components."""
    if labels.classes is None or not labels.classes.is_objects:
        return label_objects(mask)
    values = as_integers(item.labels.read()[0])
    return np.where(mask, values, np.zeros(1, values.dtype))


def _contingency(
    truth_ids: npt.NDArray[Any],
    predicted_ids: npt.NDArray[Any],
    ignored: npt.NDArray[np.bool_],
) -> Contingency:
    """Contingency of an item, (Z, Y, X), in blocks to save memory."""
    contingency = Contingency()
    n_z, n_y, n_x = ignored.shape
    for box in iter_blocks((n_z, n_y, n_x), _BLOCK_VOXELS):
        contingency.add(truth_ids[box], predicted_ids[box], ignored[box])
    return contingency


def _painted_slices(item: Item) -> tuple[bool, ...]:
    """Which slices along Z hold any label."""
    painted = np.zeros(item.shape[0], bool)
    for box in iter_blocks(item.shape):
        painted[box[0]] |= (item.read(box)[0] != 0).any(axis=(1, 2))
    return tuple(painted.tolist())
