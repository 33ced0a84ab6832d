"""How well objects are found in the held-out boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_segtrain.data.object_targets import UNKNOWN
from napari_segtrain.evaluation.contingency import Contingency
from napari_segtrain.evaluation.instance import ObjectScores, score_objects
from napari_segtrain.evaluation.sums import sum_scores
from napari_segtrain.objects.seeded import evidence_of, make_objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.data.object_targets import ObjectTargetItem
    from napari_segtrain.data.split import Region

THRESHOLD = 0.5
"""Smallest IoU of objects that match."""


class ObjectJudge:
    """Makes objects of what a network says, and matches them with the true ones.

    Parameters
    ----------
    targets : sequence of ObjectTargetItem
        Ids of each item, and how objects are made.
    """

    def __init__(self, targets: Sequence[ObjectTargetItem]) -> None:
        self.recipe = targets[0].recipe
        self._targets = targets
        self._found: list[tuple[ObjectScores, ...]] = []

    def add(
        self, box: Region, probabilities: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.uint8]:
        """Match the objects of a box.

        Parameters
        ----------
        box : Region
            Where it is.
        probabilities : ndarray of float32, shape (K, Z, Y, X)
            Of the outputs.

        Returns
        -------
        ndarray of uint8, shape (Z, Y, X)
            1 where there is an object, 0 elsewhere.
        """
        evidence = evidence_of(probabilities, self.recipe)
        predicted = make_objects(evidence, self.recipe)
        truth = self._targets[box.pair].read_ids(box.box)
        table = Contingency()
        table.add(np.maximum(truth, 0), predicted, truth == UNKNOWN)
        self._found.append(score_objects(table.table(), (THRESHOLD,)))
        return (predicted > 0).astype(np.uint8)

    def scores(self) -> ObjectScores | None:
        """Sum over all boxes; ``None`` when there was none."""
        return next(iter(sum_scores(self._found)), None)
