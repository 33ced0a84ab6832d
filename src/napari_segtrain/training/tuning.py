"""The decision of a model, chosen on its held-out regions.

Thresholds, the window and the least sizes are chosen one after another, each only when
the score gains clearly (see `decision_scores`).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_segtrain.image import IGNORE_INDEX
from napari_segtrain.inference.decision import clean, decide, needs_neighbors
from napari_segtrain.models import Decision
from napari_segtrain.training.clock import Deadline
from napari_segtrain.training.decision_scores import (
    Counts,
    count_blocks,
    gain_of,
    mean_iou,
)
from napari_segtrain.training.events import TuningDecision
from napari_segtrain.training.patches import warps_in_plane
from napari_segtrain.training.thresholds import find_thresholds

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    import torch

    from napari_segtrain.axes import ZYX
    from napari_segtrain.models import Model
    from napari_segtrain.training.held_out import HeldOut, HeldOutPredictor
    from napari_segtrain.training.plan import TrainingPlan

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


class DecisionTuner:
    """Chooses how the probabilities of a model become classes.

    Parameters
    ----------
    plan : TrainingPlan
        Classes, and whether a decision is wanted.
    predictor : HeldOutPredictor
        Of the plan's held-out regions.
    """

    def __init__(self, plan: TrainingPlan, predictor: HeldOutPredictor) -> None:
        self._plan = plan
        self._predictor = predictor

    def move(self, device: torch.device) -> None:
        """Predict on another device from now on, as much as is affordable there."""
        self._predictor.move(device)

    @property
    def n_voxels(self) -> int:
        """Voxels that are predicted; 0 when nothing is to be chosen."""
        return self._predictor.n_voxels if tunes_decision(self._plan) else 0

    def tune(
        self, model: Model, deadline: Deadline | None = None
    ) -> Generator[TuningDecision, None, Decision | None]:
        """Predict the held-out regions and choose a decision.

        Parameters
        ----------
        model : Model
            The one that the training leaves.
        deadline : Deadline, optional
            Then, what was found is taken.

        Yields
        ------
        TuningDecision
            How far it is.

        Returns
        -------
        Decision or None
            ``None`` when the most likely class is as good, or too little is held out.

        Raises
        ------
        CutShort
            When the deadline comes before any decision was tried.
        """
        if not self.n_voxels:
            return None
        predicted = yield from self._predictor.predict(model, deadline)
        return (yield from choose_decision(self._plan, predicted, deadline))


def tunes_decision(plan: TrainingPlan) -> bool:
    """Whether a decision is to be chosen: for classes, unless it is switched off."""
    is_wanted = plan.config.training.tune_decision
    return is_wanted and not plan.facts.classes.is_objects


def choose_decision(
    plan: TrainingPlan,
    predicted: Sequence[HeldOut],
    deadline: Deadline | None = None,
) -> Generator[TuningDecision, None, Decision | None]:
    """Choose a decision on held-out boxes.

    Parameters
    ----------
    plan : TrainingPlan
        Classes, voxel size, and whether slices are segmented.
    predicted : sequence of HeldOut
        What decisions are scored on.
    deadline : Deadline, optional
        Then, what was found is taken.

    Yields
    ------
    TuningDecision
        How far it is.

    Returns
    -------
    Decision or None
        ``None`` when the most likely class is as good, or some class has fewer than
        200 labelled voxels.

    Raises
    ------
    CutShort
        When the deadline comes before any decision was tried.
    """
    classes = plan.facts.classes
    counts = np.zeros(IGNORE_INDEX + 1, np.int64)
    for box in predicted:
        counts += np.bincount(box.truth.ravel(), minlength=IGNORE_INDEX + 1)
    if counts[: classes.n_classes].min() < _MIN_VOXELS:
        return None
    is_in_plane = plan.is_2d or warps_in_plane(plan)
    windows = [(1 if is_in_plane else n, n, n) for n in _WINDOWS]
    search = _Search(predicted, classes.foreground, classes.n_classes)
    work = search.run(windows, is_2d=plan.is_2d, deadline=deadline or Deadline())
    return (yield from work)


class _Search:
    """Looks for decisions that are better than the most likely class.

    Parameters
    ----------
    predicted : sequence of HeldOut
        What they are scored on.
    foreground : sequence of int
        Classes that are scored.
    n_classes : int
        Background included.
    """

    def __init__(
        self, predicted: Sequence[HeldOut], foreground: Sequence[int], n_classes: int
    ) -> None:
        self._predicted = predicted
        self._foreground = foreground
        self._n_classes = n_classes
        self._blocks = _number_blocks([box.truth.shape for box in predicted])
        self._n_blocks = len(predicted) * _N_PARTS**2

    def run(
        self, windows: Sequence[ZYX], *, is_2d: bool, deadline: Deadline
    ) -> Generator[TuningDecision, None, Decision | None]:
        """Choose thresholds, a window and the least sizes, until the deadline."""
        equal = (1 / self._n_classes,) * self._n_classes
        plain = best = Decision(equal, per_slice=is_2d)
        plain_counts = counts = self._count(plain)
        steps: list[Callable[[Decision], Iterator[Decision]]] = [
            self._with_thresholds,
            lambda base: (replace(base, window=window) for window in windows),
            *(partial(self._with_sizes, n, _SIZES[is_2d]) for n in self._all_classes()),
        ]
        deadline.check()
        for number, step in enumerate(steps):
            yield TuningDecision("choosing", number / len(steps))
            best, counts = self._improve(best, counts, step(best), deadline)
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
        deadline: Deadline,
    ) -> tuple[Decision, Counts]:
        """Return the candidate with the safest of the clear gains, if there is one.

        Candidates get stronger; when the score has fallen, the rest is left out.
        """
        found, safest, highest = (best, counts), 0.0, 0.0
        for candidate in _until(deadline, candidates):
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
        for box, blocks in zip(self._predicted, self._blocks, strict=True):
            indices = decide(box.probabilities, decision)
            if needs_neighbors(decision):
                indices = clean(indices, decision)
            counts += count_blocks(
                box.truth,
                indices,
                blocks,
                n_blocks=self._n_blocks,
                n_classes=self._n_classes,
            )
        return counts


def _number_blocks(shapes: Sequence[tuple[int, ...]]) -> list[npt.NDArray[np.int32]]:
    """Number of the block that each voxel of each box (Z, Y, X) belongs to."""
    found = []
    for number, shape in enumerate(shapes):
        _, y, x = (np.arange(n) * _N_PARTS // max(1, n) for n in shape)
        blocks = (y[:, None] * _N_PARTS + x + number * _N_PARTS**2).astype(np.int32)
        found.append(np.broadcast_to(blocks, shape))
    return found


def _until(deadline: Deadline, candidates: Iterator[Decision]) -> Iterator[Decision]:
    while not deadline.is_over():
        candidate = next(candidates, None)
        if candidate is None:
            return
        yield candidate
