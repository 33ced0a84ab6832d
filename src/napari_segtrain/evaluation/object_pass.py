"""The objects of one item, and all that is scored of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from napari_segtrain.boxes import iter_blocks
from napari_segtrain.evaluation.centers import (
    CenterScores,
    score_centers,
)
from napari_segtrain.evaluation.contingency import Contingency, ContingencyTable
from napari_segtrain.evaluation.instance import (
    ObjectScores,
    score_objects,
)
from napari_segtrain.evaluation.object_ids import BLOCK_VOXELS, ObjectIds, object_side
from napari_segtrain.evaluation.object_list import ObjectList, list_objects
from napari_segtrain.evaluation.object_summary import (
    ObjectSummary,
    summarize_objects,
)
from napari_segtrain.evaluation.sums import sum_scores
from napari_segtrain.image import IGNORE_INDEX

if TYPE_CHECKING:
    from napari_segtrain.config.evaluation import EvaluationConfig
    from napari_segtrain.evaluation.class_matching import ClassItem
    from napari_segtrain.evaluation.pairs import LabelPair
    from napari_segtrain.evaluation.rulers import Ruler


@dataclass(frozen=True)
class FoundObjects:
    """Scores of objects; ``None`` is what was not scored.

    Parameters
    ----------
    scores : tuple of ObjectScores, optional
        By class and threshold.
    summaries : tuple of ObjectSummary, optional
        By class.
    centers : tuple of CenterScores, optional
        By class.
    lists : tuple of ObjectList, optional
        By item and class.
    """

    scores: tuple[ObjectScores, ...] | None = None
    summaries: tuple[ObjectSummary, ...] | None = None
    centers: tuple[CenterScores, ...] | None = None
    lists: tuple[ObjectList, ...] | None = None

    def __add__(self, other: FoundObjects) -> FoundObjects:
        return FoundObjects(
            _sum(self.scores, other.scores),
            _sum(self.summaries, other.summaries),
            _sum(self.centers, other.centers),
            _joined(self.lists, other.lists),
        )


def _sum(first: Any, second: Any) -> Any:
    known = [part for part in (first, second) if part is not None]
    return sum_scores(known) if known else None


def _joined(
    first: tuple[ObjectList, ...] | None, second: tuple[ObjectList, ...] | None
) -> tuple[ObjectList, ...] | None:
    return None if first is second is None else (*(first or ()), *(second or ()))


class ObjectItem:
    """Both sides of one item.

    Parameters
    ----------
    pair : LabelPair
        Says whether values are ids.
    sides : tuple of ClassItem
        Ground truth and prediction of the item.
    """

    def __init__(self, pair: LabelPair, sides: tuple[ClassItem, ClassItem]) -> None:
        labels = pair.truth, pair.prediction
        self._sides = tuple(map(object_side, labels, sides))
        self._shape = sides[0].shape

    @property
    def n_voxels(self) -> int:
        """Voxels of the item."""
        return math.prod(self._shape)

    def objects(self, index: int, name: str) -> ClassObjects:
        """Objects of one class on both sides."""
        truth, prediction = (side.objects(index) for side in self._sides)
        return ClassObjects(name, truth, prediction)


@dataclass(frozen=True, eq=False)
class ClassObjects:
    """Objects of one class of an item.

    Parameters
    ----------
    name : str
        Of the class.
    truth, prediction : ObjectIds, shape (Z, Y, X)
    """

    name: str
    truth: ObjectIds
    prediction: ObjectIds

    @cached_property
    def table(self) -> ContingencyTable:
        """Voxels that they share, counted in blocks to save memory."""
        contingency = Contingency()
        for box in iter_blocks(self.truth.shape, BLOCK_VOXELS):
            truth, indices = self.truth.read_both(box)
            contingency.add(truth, self.prediction[box], indices == IGNORE_INDEX)
        return contingency.table()

    def scores(
        self,
        index: dict[str, int],
        config: EvaluationConfig,
        ruler: Ruler,
        distance: float,
    ) -> FoundObjects:
        """Score them.

        Parameters
        ----------
        index : dict of str to int
            Their item.
        config : EvaluationConfig
            Thresholds.
        ruler : Ruler
            Of the image.
        distance : float
            Greatest distance of centers, in its unit; 0 matches none.
        """
        centers = None
        if config.center_distance:
            centers = (
                score_centers(
                    self.table,
                    self.truth,
                    self.prediction,
                    ruler.spacing,
                    distance,
                    unit=ruler.unit,
                    class_name=self.name,
                ),
            )
        return FoundObjects(
            score_objects(self.table, config.iou_thresholds, class_name=self.name),
            (summarize_objects(self.table, self.name),),
            centers,
            (
                list_objects(
                    self.table,
                    self.truth,
                    self.prediction,
                    min(config.iou_thresholds),
                    class_name=self.name,
                    index=index,
                ),
            ),
        )
