"""The objects of one item, and all that is scored of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.boxes import full_box, iter_blocks
from napari_segtrain.data.label_facts import as_integers
from napari_segtrain.evaluation.aligned import BLOCK_VOXELS
from napari_segtrain.evaluation.centers import (
    CenterScores,
    score_centers,
)
from napari_segtrain.evaluation.contingency import Contingency, ContingencyTable
from napari_segtrain.evaluation.instance import (
    ObjectScores,
    score_objects,
)
from napari_segtrain.evaluation.object_list import ObjectList, list_objects
from napari_segtrain.evaluation.object_summary import (
    ObjectSummary,
    summarize_objects,
)
from napari_segtrain.evaluation.sums import sum_scores
from napari_segtrain.image import IGNORE_INDEX, LabelImage
from napari_segtrain.objects.instances import label_objects

if TYPE_CHECKING:
    from napari_segtrain.config.evaluation import EvaluationConfig
    from napari_segtrain.evaluation.class_matching import ClassItem
    from napari_segtrain.evaluation.pairs import LabelPair
    from napari_segtrain.evaluation.rulers import Ruler

Ids = npt.NDArray[Any]


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
    """Both sides of one item, read as a whole.

    Parameters
    ----------
    pair : LabelPair
        Says whether values are ids.
    sides : tuple of ClassItem
        Ground truth and prediction of the item.
    """

    def __init__(self, pair: LabelPair, sides: tuple[ClassItem, ClassItem]) -> None:
        self._labels = pair.truth, pair.prediction
        self._sides = sides
        self._indices = tuple(side.read(full_box(side.shape)) for side in sides)

    @property
    def n_voxels(self) -> int:
        """Voxels of the item."""
        return int(self._indices[0].size)

    def objects(self, index: int, name: str) -> ClassObjects:
        """Objects of one class on both sides."""
        parts = zip(self._labels, self._sides, self._indices, strict=True)
        truth, prediction = (
            _ids(labels, side, indices == index) for labels, side, indices in parts
        )
        return ClassObjects(name, truth, prediction, self._indices[0] == IGNORE_INDEX)


@dataclass(frozen=True, eq=False)
class ClassObjects:
    """Objects of one class of an item.

    Parameters
    ----------
    name : str
        Of the class.
    truth, prediction : ndarray of int, shape (Z, Y, X)
        Ids; 0 is background.
    ignored : ndarray of bool, same shape
        Where the ground truth is unlabelled.
    """

    name: str
    truth: Ids
    prediction: Ids
    ignored: npt.NDArray[np.bool_]

    @cached_property
    def table(self) -> ContingencyTable:
        """Voxels that they share, counted in blocks to save memory."""
        contingency = Contingency()
        n_z, n_y, n_x = self.ignored.shape
        for box in iter_blocks((n_z, n_y, n_x), BLOCK_VOXELS):
            contingency.add(self.truth[box], self.prediction[box], self.ignored[box])
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


def _ids(labels: LabelImage, item: ClassItem, mask: npt.NDArray[np.bool_]) -> Ids:
    """Object ids inside a mask: the values themselves, or connected components."""
    if labels.classes is None or not labels.classes.is_objects:
        return label_objects(mask)
    values = as_integers(item.target.labels.read()[0])
    return np.where(mask, values, np.zeros(1, values.dtype))
