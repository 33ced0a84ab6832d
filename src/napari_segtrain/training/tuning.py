"""The decision of a model, chosen on its held-out regions.

Thresholds, the window and the least sizes are chosen one after another, each only when
the score gains clearly (see `decision_scores`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_segtrain.config import InferenceConfig
from napari_segtrain.data.split import Region
from napari_segtrain.data.warp import is_in_plane
from napari_segtrain.image import IGNORE_INDEX, relative
from napari_segtrain.inference.decision import clean, decide, needs_neighbors
from napari_segtrain.inference.events import BlockPredicted
from napari_segtrain.inference.fit import fitted_config
from napari_segtrain.inference.items import predict_item
from napari_segtrain.inference.runtime import TorchRuntime
from napari_segtrain.models import Decision
from napari_segtrain.training.decision_scores import (
    Counts,
    count_blocks,
    gain_of,
    mean_iou,
)
from napari_segtrain.training.thresholds import find_thresholds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import torch

    from napari_segtrain.axes import ZYX
    from napari_segtrain.data.dataset import Pair
    from napari_segtrain.data.normalize import Intensities
    from napari_segtrain.data.targets import TargetItem
    from napari_segtrain.models import Model
    from napari_segtrain.training.plan import TrainingPlan

_MAX_VOXELS = {True: 1 << 20, False: 1 << 23}
"""Voxels that are predicted, on a processor and on a GPU."""
_MAX_NUMBERS = 1 << 26
"""Probabilities that are held."""
_MAX_SAMPLE = 1 << 18
"""Voxels from which thresholds are chosen."""
_MIN_VOXELS = 200
"""Labelled voxels that each class needs for a choice."""
_WINDOWS = (3, 5, 7)
_SIZES = {True: (16, 32, 64, 128, 256), False: (32, 64, 128, 256, 512)}
"""Least sizes that are tried, of slices and of volumes."""
_MAX_FALL = 0.002
_N_PARTS = 2
"""A region is cut into so many blocks along Y and along X."""


@dataclass(frozen=True, eq=False)
class _Predicted:
    """A held-out box with its probabilities (K, Z, Y, X), truth and block numbers."""

    probabilities: npt.NDArray[np.float32]
    truth: npt.NDArray[np.uint8]
    blocks: npt.NDArray[np.int32]


class DecisionTuner:
    """Chooses how the probabilities of a model become classes.

    Parameters
    ----------
    plan : TrainingPlan
        Held-out regions, classes and device.
    pairs, targets, intensities
        Items, their class indices and normalization.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        pairs: Sequence[Pair],
        targets: Sequence[TargetItem],
        intensities: Sequence[Intensities],
    ) -> None:
        self._pairs = pairs
        self._targets = targets
        self._intensities = intensities
        self._classes = plan.facts.classes
        self._is_2d = plan.is_2d
        self._is_in_plane = plan.is_2d or is_in_plane(plan.facts.voxel_size)
        limit = plan.config.training.memory_limit
        self._config = InferenceConfig.model_validate(
            {"device": plan.machine.device, "memory_limit": limit}
        )
        self._plan = plan
        self._boxes = self._affordable(is_cpu=plan.machine.is_cpu)

    def _affordable(self, *, is_cpu: bool) -> list[Region]:
        tunes = self._plan.config.training.tune_decision
        if not tunes or self._classes.is_objects:
            return []
        return tuning_boxes(self._plan, is_cpu=is_cpu)

    def move(self, device: torch.device) -> None:
        """Predict on another device from now on, as much as is affordable there."""
        self._config = self._config.model_copy(update={"device": device.type})
        self._boxes = self._affordable(is_cpu=device.type == "cpu")

    @property
    def n_voxels(self) -> int:
        """Voxels that are predicted; 0 when nothing is to be chosen."""
        return sum(box.n_voxels for box in self._boxes)

    def tune(self, model: Model, seconds: float | None) -> Decision | None:
        """Predict the held-out regions and choose a decision.

        Parameters
        ----------
        model : Model
            The one that the training leaves.
        seconds : float, optional
            After so long, what was found until then is taken; no end without it.

        Returns
        -------
        Decision or None
            ``None`` when the most likely class is as good, or too little is held out.
        """
        end = None if seconds is None else time.perf_counter() + seconds
        if not self._boxes or (seconds is not None and seconds <= 0):
            return None
        predicted = self._predict(model)
        truth = np.concatenate([box.truth.ravel() for box in predicted])
        counts = np.bincount(truth, minlength=IGNORE_INDEX + 1)
        present = counts[: self._classes.n_classes]
        if present.min() < _MIN_VOXELS:
            return None
        windows = [(1 if self._is_in_plane else n, n, n) for n in _WINDOWS]
        search = _Search(predicted, self._classes.foreground, len(present))
        return search.run(windows, is_2d=self._is_2d, end=end)

    def _predict(self, model: Model) -> list[_Predicted]:
        config = fitted_config(self._config, model)
        runtime = TorchRuntime.of_model(model, config)
        found: list[_Predicted] = []
        n_blocks = 0
        for box in self._boxes:
            shape = (self._classes.n_classes, *box.shape)
            probabilities = np.zeros(shape, np.float32)
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
            blocks = n_blocks + _blocks(box.shape)
            n_blocks = int(blocks.max()) + 1
            truth = self._targets[box.pair].read(box.box)
            found.append(_Predicted(probabilities, truth, blocks))
        return found


class _Search:
    """Looks for decisions that are better than the most likely class.

    Parameters
    ----------
    predicted : list of _Predicted
        What they are scored on.
    foreground : sequence of int
        Classes that are scored.
    n_classes : int
        Background included.
    """

    def __init__(
        self, predicted: list[_Predicted], foreground: Sequence[int], n_classes: int
    ) -> None:
        self._predicted = predicted
        self._foreground = foreground
        self._n_classes = n_classes
        self._n_blocks = max(int(box.blocks.max()) for box in predicted) + 1

    def run(
        self, windows: Sequence[ZYX], *, is_2d: bool, end: float | None
    ) -> Decision | None:
        """Choose thresholds, a window and the least sizes, until the time is over."""
        equal = (1 / self._n_classes,) * self._n_classes
        plain = best = Decision(equal, per_slice=is_2d)
        plain_counts = counts = self._count(plain)
        steps: list[Callable[[Decision], Iterator[Decision]]] = [
            self._with_thresholds,
            lambda base: (replace(base, window=window) for window in windows),
            *(partial(self._with_sizes, n, _SIZES[is_2d]) for n in self._all_classes()),
        ]
        for step in steps:
            best, counts = self._improve(best, counts, step(best), end)
        if best == plain:
            return None
        score, plain_score = (
            float(mean_iou(c.sum(0), self._foreground)) for c in (counts, plain_counts)
        )
        return replace(best, score=score, plain_score=plain_score)

    def _all_classes(self) -> range:
        return range(self._n_classes)

    def _improve(
        self,
        best: Decision,
        counts: Counts,
        candidates: Iterator[Decision],
        end: float | None,
    ) -> tuple[Decision, Counts]:
        """Return the candidate with the safest of the clear gains, if there is one.

        Candidates get stronger; when the score has fallen, the rest is left out.
        """
        found, safest, highest = (best, counts), 0.0, 0.0
        for candidate in _until(end, candidates):
            new = self._count(candidate)
            gain = gain_of(counts, new, self._foreground)
            if gain.is_clear and gain.safe_value > safest:
                found, safest = (candidate, new), gain.safe_value
            highest = max(highest, gain.value)
            if gain.value < highest - _MAX_FALL:
                break
        return found

    def _with_thresholds(self, base: Decision) -> Iterator[Decision]:
        parts = []
        n_known = sum(int((b.truth != IGNORE_INDEX).sum()) for b in self._predicted)
        step = max(1, -(-n_known // _MAX_SAMPLE))
        for box in self._predicted:
            known = np.flatnonzero(box.truth != IGNORE_INDEX)[::step]
            flat = box.probabilities.reshape(self._n_classes, -1)
            parts.append((flat[:, known], box.truth.ravel()[known]))
        probabilities = np.concatenate([p for p, _ in parts], axis=1)
        truth = np.concatenate([t for _, t in parts])
        found = find_thresholds(probabilities, truth, self._foreground)
        yield replace(base, thresholds=found)

    def _with_sizes(
        self, index: int, sizes: Sequence[int], base: Decision
    ) -> Iterator[Decision]:
        former = base.min_voxels or (0,) * self._n_classes
        for size in sizes:
            changed = (*former[:index], size, *former[index + 1 :])
            yield replace(base, min_voxels=changed)

    def _count(self, decision: Decision) -> Counts:
        shape = (self._n_blocks, self._n_classes, self._n_classes)
        counts = np.zeros(shape, np.int64)
        for box in self._predicted:
            indices = decide(box.probabilities, decision)
            if needs_neighbors(decision):
                indices = clean(indices, decision)
            counts += count_blocks(
                box.truth,
                indices,
                box.blocks,
                n_blocks=self._n_blocks,
                n_classes=self._n_classes,
            )
        return counts


def tuning_boxes(plan: TrainingPlan, *, is_cpu: bool) -> list[Region]:
    """Parts of the held-out regions that a decision is chosen on.

    Slices are spread evenly over the regions for a network of slices; volumes are
    taken from the middle of each region. Neither is larger than what is affordable.

    Parameters
    ----------
    plan : TrainingPlan
        Held-out regions.
    is_cpu : bool
        Whether a processor predicts them, which affords less.
    """
    facts = plan.facts
    limit = min(_MAX_VOXELS[is_cpu], _MAX_NUMBERS // facts.classes.n_classes)
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


def _blocks(shape: ZYX) -> npt.NDArray[np.int32]:
    """Number of the block that each voxel of a box belongs to."""
    _, y, x = (np.arange(n) * _N_PARTS // max(1, n) for n in shape)
    numbers = (y[:, None] * _N_PARTS + x).astype(np.int32)
    return np.broadcast_to(numbers, shape)


def _until(end: float | None, candidates: Iterator[Decision]) -> Iterator[Decision]:
    while end is None or time.perf_counter() < end:
        candidate = next(candidates, None)
        if candidate is None:
            return
        yield candidate
