"""Held-out boxes that a decision is chosen on, as a model predicts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_segtrain.boxes import relative
from napari_segtrain.config import InferenceConfig
from napari_segtrain.data.split import Region
from napari_segtrain.inference.events import BlockPredicted
from napari_segtrain.inference.fit import fitted_config
from napari_segtrain.inference.items import predict_item
from napari_segtrain.inference.runtime import TorchRuntime
from napari_segtrain.training.clock import Deadline
from napari_segtrain.training.events import TuningDecision

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    import torch

    from napari_segtrain.data.dataset import Pair
    from napari_segtrain.data.normalize import Intensities
    from napari_segtrain.data.targets import TargetItem
    from napari_segtrain.models import Model
    from napari_segtrain.training.plan import TrainingPlan

_MAX_VOXELS = {True: 1 << 20, False: 1 << 23}
"""Voxels that are predicted, on a processor and on a GPU."""
_MAX_NUMBERS = 1 << 26
"""Probabilities that are held."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A box with what was predicted and what is true in it.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (K, Z, Y, X)
        By a model that was not trained on the box.
    truth : ndarray of uint8, shape (Z, Y, X)
        Class indices.
    """

    probabilities: npt.NDArray[np.float32]
    truth: npt.NDArray[np.uint8]


class HeldOutPredictor:
    """Predicts boxes of the held-out regions, as many as are affordable.

    Parameters
    ----------
    plan : TrainingPlan
        Held-out regions, classes and device.
    pairs, targets, intensities
        Items, their class indices and normalization.
    n_sharing : int
        Trainings that share what is affordable.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        pairs: Sequence[Pair],
        targets: Sequence[TargetItem],
        intensities: Sequence[Intensities],
        *,
        n_sharing: int = 1,
    ) -> None:
        self._plan = plan
        self._pairs = pairs
        self._targets = targets
        self._intensities = intensities
        self._n_sharing = n_sharing
        limit = plan.config.training.memory_limit
        self._config = InferenceConfig.model_validate(
            {"device": plan.machine.device, "memory_limit": limit}
        )
        self._boxes = self._affordable(is_cpu=plan.machine.is_cpu)

    def _affordable(self, *, is_cpu: bool) -> list[Region]:
        n_classes = self._plan.facts.classes.n_classes
        limit = min(_MAX_VOXELS[is_cpu], _MAX_NUMBERS // n_classes)
        return tuning_boxes(self._plan, limit // self._n_sharing)

    def move(self, device: torch.device) -> None:
        """Predict on another device from now on, as much as is affordable there."""
        self._config = self._config.model_copy(update={"device": device.type})
        self._boxes = self._affordable(is_cpu=device.type == "cpu")

    @property
    def n_voxels(self) -> int:
        """Voxels that are predicted."""
        return sum(box.n_voxels for box in self._boxes)

    def predict(
        self, model: Model, deadline: Deadline | None = None
    ) -> Generator[TuningDecision, None, list[HeldOut]]:
        """Apply a model that was not trained on the held-out regions.

        Parameters
        ----------
        model : Model
            What is applied.
        deadline : Deadline, optional
            Until when, looked at between two batches of tiles.

        Yields
        ------
        TuningDecision
            After each batch of tiles.

        Raises
        ------
        CutShort
            When the deadline comes first.
        """
        config = fitted_config(self._config, model)
        runtime = TorchRuntime.of_model(model, config)
        deadline = deadline or Deadline()
        found, n_done = [], 0
        for box in self._boxes:
            deadline.check()
            probabilities = np.zeros(
                (model.spec.classes.n_classes, *box.shape), np.float32
            )
            events = predict_item(
                self._pairs[box.pair].image,
                runtime=runtime,
                intensities=self._intensities[box.pair],
                config=config,
                box=box.box,
            )
            for event in events:
                if isinstance(event, BlockPredicted):
                    place = relative(event.box, box.box)
                    probabilities[(slice(None), *place)] = event.probabilities
                    continue
                deadline.check()
                n_more = box.n_voxels * event.n_done / event.n_total
                yield TuningDecision("predicting", (n_done + n_more) / self.n_voxels)
            n_done += box.n_voxels
            truth = self._targets[box.pair].read(box.box)
            found.append(HeldOut(probabilities, truth))
        return found


def tuning_boxes(plan: TrainingPlan, limit: int) -> list[Region]:
    """Parts of the held-out regions that a decision is chosen on.

    Slices are spread evenly over the regions for a network of slices; volumes are
    taken from the middle of each region.

    Parameters
    ----------
    plan : TrainingPlan
        Held-out regions.
    limit : int
        Voxels of all together, at most.
    """
    facts = plan.facts
    regions = list(facts.split.validation)
    if plan.is_2d:
        regions = [
            s for r in regions for s in _slices(r) if facts.used[s.pair][s.start[0]]
        ]
    if not regions:
        return []
    mean = sum(region.n_voxels for region in regions) / len(regions)
    n_kept = int(np.clip(limit / mean, 1, len(regions)))
    chosen = np.unique(np.linspace(0, len(regions) - 1, n_kept).round().astype(int))
    share = limit // len(chosen)
    return [_middle(regions[int(n)], share) for n in chosen]


def _slices(region: Region) -> Iterator[Region]:
    for z in range(region.start[0], region.stop[0]):
        yield Region(region.pair, (z, *region.start[1:]), (z + 1, *region.stop[1:]))


def _middle(region: Region, n_voxels: int) -> Region:
    """The middle of a region, of the same proportions, with at most so many voxels."""
    if region.n_voxels <= n_voxels:
        return region
    n_axes = sum(size > 1 for size in region.shape)
    factor = (n_voxels / region.n_voxels) ** (1 / n_axes)
    sizes = [max(1, int(size * factor)) for size in region.shape]
    starts = [
        a + (n - size) // 2
        for a, n, size in zip(region.start, region.shape, sizes, strict=True)
    ]
    z, y, x = starts
    stops = [start + size for start, size in zip(starts, sizes, strict=True)]
    return Region(region.pair, (z, y, x), (stops[0], stops[1], stops[2]))
