"""A planned training: a generator of events that ends in a model on disk."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import torch

from napari_segtrain.control import RunControl
from napari_segtrain.training.clock import Deadline, RunClock
from napari_segtrain.training.distributed import current_team
from napari_segtrain.training.learner import Learner
from napari_segtrain.training.loop import TrainingLoop
from napari_segtrain.training.memory import forget_frames, give_back
from napari_segtrain.training.run_folder import LATEST

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_segtrain.control import Event
    from napari_segtrain.data.dataset import Dataset
    from napari_segtrain.models import Model
    from napari_segtrain.training.checkpoint import Checkpoint
    from napari_segtrain.training.events import TrainingResult
    from napari_segtrain.training.plan import TrainingPlan
    from napari_segtrain.training.run_folder import RunFolder


def iter_training(
    plan: TrainingPlan,
    dataset: Dataset,
    run: RunFolder,
    control: RunControl | None = None,
    *,
    resume_from: Checkpoint | None = None,
    start_from: Model | None = None,
) -> Generator[Event, None, TrainingResult]:
    """Train as planned.

    The clock of a time budget starts with this call. Every way of ending leaves a
    loadable model in the run folder.

    Parameters
    ----------
    plan : TrainingPlan
        What to do.
    dataset : Dataset
        The frozen data of the run.
    run : RunFolder
        Where checkpoints, metrics and the model go.
    control : RunControl, optional
        Stop, pause and finish-now, effective within one iteration.
    resume_from : Checkpoint, optional
        Go on from here.
    start_from : Model, optional
        First weights of a new run.

    Yields
    ------
    Event
        `IterationEnd` (a few per second), `EpochEnd`, `Preview`, `Annealing`,
        `Noticed`, `CheckpointSaved`; at the end `TuningDecision`, `DecisionTuned`.

    Returns
    -------
    TrainingResult

    Raises
    ------
    TrainingError
        When memory does not suffice for the smallest patch, or the loss is again and
        again not finite.
    OutputError
        When the disk is full.
    DataError
        When a voxel is NaN or infinite, or a file cannot be read.
    """
    used_before = resume_from.progress.seconds if resume_from else 0.0
    clock = RunClock(time.perf_counter(), used_before)
    work = _train(plan, dataset, run, control, resume_from, start_from, clock)
    return _freeing(work, torch.device(plan.machine.device))


def _freeing(
    work: Generator[Event, None, TrainingResult], device: torch.device
) -> Generator[Event, None, TrainingResult]:
    """Give the memory of network and optimizer back, however the work ends."""
    try:
        return (yield from work)
    except BaseException as error:
        forget_frames(error)
        raise
    finally:
        give_back(device)


def _train(
    plan: TrainingPlan,
    dataset: Dataset,
    run: RunFolder,
    control: RunControl | None,
    resume_from: Checkpoint | None,
    start_from: Model | None,
    clock: RunClock,
) -> Generator[Event, None, TrainingResult]:
    team, control = current_team(), control or RunControl()
    with team.together():
        learner = Learner(plan, dataset, team)
        loop = TrainingLoop(plan, learner, run, clock, team)
        if start_from is not None and plan.base is not None:
            learner.start_from(start_from, plan.base)
            yield from loop.finisher.score_base(start_from, Deadline(control=control))
    with closing(loop):
        with team.together():
            loop.open(resume_from)
            yield loop.checkpoint(LATEST)
        is_complete = yield from loop.train(control)
        return loop.result(is_complete=is_complete)
