"""What a training run reports."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from napari_segtrain.control import Event
from napari_segtrain.image import ClassTable
from napari_segtrain.models import Decision
from napari_segtrain.training.findings import Finding
from napari_segtrain.training.plan import TrainingPlan
from napari_segtrain.training.previews import PreviewPatch

Notice = Literal[
    "memory",
    "diverged",
    "over-fitting",
    "rare-class",
    "learning-rate",
    "waiting",
    "cut-short",
]


@dataclass(frozen=True)
class Planned(Event):
    """The plan that is about to run, and the folder it runs in."""

    plan: TrainingPlan
    run_dir: Path


@dataclass(frozen=True)
class FoldBegun(Event):
    """One of the trainings of a cross-validation begins, or goes on.

    Parameters
    ----------
    number, n_folds : int
        Counted from 1, and how many there are.
    """

    number: int
    n_folds: int


@dataclass(frozen=True)
class IterationEnd(Event):
    """One optimizer step; thinned to a few per second.

    Parameters
    ----------
    iteration, n_iterations : int
        Steps done, and in all; ``None`` when the length is a time or a plateau.
    loss, learning_rate : float
        Of this step.
    voxels_per_second : float
        Voxels of patches, over the last steps.
    data_share : float
        Share of the time spent waiting for batches.
    seconds, eta : float
        Since the start, and until the end as far as known.
    """

    is_frequent: ClassVar[bool] = True

    iteration: int
    n_iterations: int | None
    loss: float
    learning_rate: float
    voxels_per_second: float
    data_share: float
    seconds: float
    eta: float | None

    @property
    def share(self) -> float | None:
        """Share of the run that is done, 0 to 1; ``None`` when it is not known."""
        if self.n_iterations:
            return min(1.0, self.iteration / self.n_iterations)
        if self.eta is None:
            return None
        return self.seconds / max(1e-3, self.seconds + self.eta)


@dataclass(frozen=True)
class EpochEnd(Event):
    """A validation, or the end of an epoch without one.

    Parameters
    ----------
    epoch, iteration : int
        Counted from 1.
    training_loss : float
        Mean over the epoch.
    validation_loss : float, optional
        ``None`` when nothing is held out.
    iou, dice : dict of str to float
        Validation scores per class name; ``None`` for a class that does not occur.
    score : float, optional
        Mean IoU of the classes that are not background: what "best" means.
    is_best : bool
        Whether no epoch before was better.
    learning_rate, voxels_per_second, data_share, seconds, eta
        As in `IterationEnd`.
    memory_bytes : int
        Resident memory of the process (or the peak of the GPU).
    """

    epoch: int
    iteration: int
    training_loss: float
    validation_loss: float | None
    iou: dict[str, float | None]
    dice: dict[str, float | None]
    score: float | None
    is_best: bool
    learning_rate: float
    voxels_per_second: float
    data_share: float
    seconds: float
    eta: float | None
    memory_bytes: int


@dataclass(frozen=True, eq=False)
class Preview(Event):
    """What the network makes of a few patches, after each validation.

    The patches are the same in each epoch of a run, so that one can watch them improve.

    Parameters
    ----------
    epoch, iteration : int
        As in the `EpochEnd` before it.
    patches : tuple of PreviewPatch
        Up to four, held out where anything is.
    classes : ClassTable
        Names and colors of the class indices.
    """

    epoch: int
    iteration: int
    patches: tuple[PreviewPatch, ...]
    classes: ClassTable


@dataclass(frozen=True)
class Annealing(Event):
    """The learning rate is now brought down for the end of the run."""

    iteration: int
    n_iterations: int
    reason: str


@dataclass(frozen=True)
class Noticed(Event):
    """Something that a user should know while the run goes on; each is said once.

    Parameters
    ----------
    iteration : int
        Steps done.
    kind : Notice
        What it is about.
    finding : Finding
        What was seen or changed, and what can be done about it.
    """

    iteration: int
    kind: Notice
    finding: Finding


@dataclass(frozen=True)
class BaseScored(Event):
    """The model that the training goes on from was applied to the held-out patches.

    Parameters
    ----------
    score : float
        Its mean IoU.
    """

    score: float


@dataclass(frozen=True)
class TuningDecision(Event):
    """At the end, a decision is looked for on the held-out data.

    Parameters
    ----------
    task : {"predicting", "choosing"}
        What is under way: the held-out data are predicted, or decisions are tried.
    share : float
        Share of the task that is done, 0 to 1.
    """

    is_frequent: ClassVar[bool] = True

    task: Literal["predicting", "choosing"]
    share: float


@dataclass(frozen=True)
class DecisionTuned(Event):
    """The model will decide otherwise than by the most likely class.

    Parameters
    ----------
    decision : Decision
        With its score, and that of the most likely class.
    names : tuple of str
        Of the classes, in order.
    """

    decision: Decision
    names: tuple[str, ...]


@dataclass(frozen=True)
class CheckpointSaved(Event):
    """A checkpoint is on disk."""

    path: Path
    iteration: int


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended.

    Parameters
    ----------
    run_dir, model_path : Path
        The run folder, and the model in it.
    iterations, epochs : int
        Steps and epochs done.
    seconds : float
        Used in all, resumed parts included.
    score : float, optional
        Validation score of the model; ``None`` when nothing was held out.
    is_complete : bool
        False when the run was stopped; it can be resumed.
    decision : Decision, optional
        How the model chooses classes, where that is not by the most likely one.
    verdict : str
        Whether the model is better than the one that it began as; empty without one.
    fold_scores : tuple of float
        Validation scores of the folds of a cross-validation, whose mean is ``score``.
    """

    run_dir: Path
    model_path: Path
    iterations: int
    epochs: int
    seconds: float
    score: float | None
    is_complete: bool
    decision: Decision | None = None
    verdict: str = ""
    fold_scores: tuple[float, ...] = ()

    @property
    def spread(self) -> float | None:
        """Standard deviation of the scores of the folds; ``None`` without two."""
        has_spread = len(self.fold_scores) > 1
        return statistics.stdev(self.fold_scores) if has_spread else None
