"""Cross-validation: one training per fold, and then a model that averages them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_segtrain.models import load_bundle, save_model
from napari_segtrain.training.curves import draw_curves
from napari_segtrain.training.events import FoldBegun, TrainingResult
from napari_segtrain.training.fold_plans import plan_of_fold
from napari_segtrain.training.joining import iter_joining, summarize_folds
from napari_segtrain.training.run_folder import LATEST, RunFolder
from napari_segtrain.training.trainer import iter_training

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_segtrain.control import Event, RunControl
    from napari_segtrain.data.dataset import Dataset
    from napari_segtrain.models import Model
    from napari_segtrain.training.plan import TrainingPlan


def iter_folds(
    plan: TrainingPlan,
    dataset: Dataset,
    run: RunFolder,
    control: RunControl | None = None,
    *,
    start_from: Model | None = None,
) -> Generator[Event, None, TrainingResult]:
    """Train fold after fold; those that came to their end before are not repeated.

    When it is stopped, the trainings that came to their end can be used as a model, and
    the run can be resumed. After "finish now" the present training is the last one.

    Parameters
    ----------
    plan : TrainingPlan
        Of the cross-validation.
    dataset : Dataset
        The frozen data of the run.
    run : RunFolder
        Each fold has a run folder of its own in it.
    control : RunControl, optional
        Stop, pause and finish-now.
    start_from : Model, optional
        First weights of each fold.

    Yields
    ------
    Event
        `FoldBegun`, then those of `iter_training`; in the end those of `iter_joining`.

    Returns
    -------
    TrainingResult
        Its score is the mean over the folds.
    """
    n_folds = len(plan.facts.folds)
    start_from = _kept_base(run, start_from)
    for number in range(1, n_folds + 1):
        fold = run.fold(number)
        if not fold.has_model:
            yield FoldBegun(number, n_folds)
            result = yield from _train_fold(
                plan_of_fold(plan, number), dataset, fold, control, start_from
            )
            if not result.is_complete:
                return _stopped(run, result)
        if control is not None and control.is_finishing:
            break
    return (yield from iter_joining(plan, dataset, run, control))


def _kept_base(run: RunFolder, base: Model | None) -> Model | None:
    """Keep the model that all folds begin with, for those after a resumption."""
    if base is not None:
        save_model(run.base_path, base.spec, base.network.state_dict())
    return load_bundle(run.base_path) if run.base_path.exists() else None


def _train_fold(
    plan: TrainingPlan,
    dataset: Dataset,
    fold: RunFolder,
    control: RunControl | None,
    start_from: Model | None,
) -> Generator[Event, None, TrainingResult]:
    state = None
    if fold.checkpoint_path(LATEST).is_file():
        state = fold.rewind(LATEST)
    else:
        shutil.rmtree(fold.path, ignore_errors=True)
        RunFolder.create(fold.path).write_start(plan.config, plan)
    first = start_from if state is None else None
    result = yield from iter_training(
        plan, dataset, fold, control, resume_from=state, start_from=first
    )
    draw_curves(fold.path)
    return result


def _stopped(run: RunFolder, last: TrainingResult) -> TrainingResult:
    """Summary of a cross-validation that was stopped in a training."""
    done = summarize_folds(run)
    return replace(
        done,
        model_path=run.path,
        iterations=done.iterations + last.iterations,
        epochs=done.epochs + last.epochs,
        seconds=done.seconds + last.seconds,
        score=last.score if done.score is None else done.score,
        is_complete=False,
    )
