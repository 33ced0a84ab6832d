"""The score of any model on the patches that a training validates with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_segtrain.config import InferenceConfig
from napari_segtrain.evaluation.semantic import ConfusionMatrix
from napari_segtrain.image import IGNORE_INDEX
from napari_segtrain.inference.events import BlockPredicted
from napari_segtrain.inference.item_predictor import ItemPredictor
from napari_segtrain.inference.items import most_likely

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from napari_segtrain.data.dataset import Pair
    from napari_segtrain.data.targets import TargetItem
    from napari_segtrain.models import Model
    from napari_segtrain.training.clock import Deadline
    from napari_segtrain.training.plan import TrainingPlan


class ModelJudge:
    """Applies models to the held-out patches as a prediction does.

    Parameters
    ----------
    plan : TrainingPlan
        Patches, classes and device.
    pairs, targets
        Items as the data set has them, and their class indices. Each model normalizes
        and denoises them by itself.
    """

    def __init__(
        self, plan: TrainingPlan, pairs: Sequence[Pair], targets: Sequence[TargetItem]
    ) -> None:
        self._boxes = plan.validation
        self._pairs = pairs
        self._targets = targets
        self._classes = plan.facts.classes
        limit = plan.config.training.memory_limit
        self._config = InferenceConfig.model_validate(
            {"device": plan.machine.device, "memory_limit": limit}
        )

    def move(self, device: torch.device) -> None:
        """Predict on another device from now on."""
        self._config = self._config.model_copy(update={"device": device.type})

    @property
    def n_voxels(self) -> int:
        """Voxels of the patches."""
        return sum(box.n_voxels for box in self._boxes)

    def score(
        self,
        model: Model,
        classes: Sequence[int | None] | None = None,
        deadline: Deadline | None = None,
    ) -> float | None:
        """Mean IoU of the most likely classes; ``None`` when nothing is held out.

        Parameters
        ----------
        model : Model
            With the channels of the training's images.
        classes : sequence of int or None, optional
            For each class of the training, the model's number of it; its own ones
            without it. What the model takes for any other class counts as background.
        deadline : Deadline, optional
            The user may stop it between two batches of tiles; time does not end it.

        Raises
        ------
        CutShort
            When the user stops it.
        """
        if not self._boxes:
            return None
        lookup = self._lookup(classes or range(self._classes.n_classes))
        predictors: dict[int, ItemPredictor] = {}
        matrix = ConfusionMatrix(self._classes.n_classes)
        for box in self._boxes:
            if box.pair not in predictors:
                predictors[box.pair] = ItemPredictor(model, self._config)
            target = self._targets[box.pair]
            for event in predictors[box.pair].predict(
                self._pairs[box.pair].image, box.box
            ):
                if deadline is not None:
                    deadline.check_stop()
                if isinstance(event, BlockPredicted):
                    indices = lookup[most_likely(event.probabilities)]
                    matrix.add(target.read(event.box), indices)
        return matrix.scores(self._classes).overall.iou or 0.0

    def _lookup(self, classes: Sequence[int | None]) -> npt.NDArray[np.uint8]:
        """Class of the training by that of the model; parts of objects are objects."""
        if self._classes.is_objects:
            return (np.arange(IGNORE_INDEX + 1) > 0).astype(np.uint8)
        has_background = 0 not in self._classes.foreground
        other = 0 if has_background else IGNORE_INDEX
        lookup = np.full(IGNORE_INDEX + 1, other, np.uint8)
        for new, old in enumerate(classes):
            if old is not None:
                lookup[old] = new
        return lookup
