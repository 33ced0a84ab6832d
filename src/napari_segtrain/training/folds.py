"""Cross-validation: one training per fold, and a model that averages them."""

from __future__ import annotations

import math
import shutil
import statistics
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_segtrain.config import TimeBudgetLength
from napari_segtrain.errors import ConfigError
from napari_segtrain.models import THUMBNAIL_NAME, join_models, load_bundle, save_model
from napari_segtrain.training import defaults
from napari_segtrain.training.curves import draw_curves
from napari_segtrain.training.events import FoldBegun, TrainingResult
from napari_segtrain.training.fine_tuning import verdict
from napari_segtrain.training.run_folder import LATEST, RunFolder
from napari_segtrain.training.trainer import iter_training

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_segtrain.config import ExperimentConfig
    from napari_segtrain.control import Event, RunControl
    from napari_segtrain.data.dataset import Dataset
    from napari_segtrain.models import Model, ModelSpec
    from napari_segtrain.training.plan import TrainingPlan

_JOINING_SHARE = 0.02
"""Of a time budget, for making one model of all."""
_MIN_SECONDS = 1.0


def plan_of_fold(plan: TrainingPlan, number: int) -> TrainingPlan:
    """Plan of one training of a cross-validation.

    It has its own held-out regions, seed and share of a given time, and chooses no
    decision, since the model that averages all would need another.

    Parameters
    ----------
    plan : TrainingPlan
        Of the cross-validation.
    number : int
        Fold, counted from 1.

    Raises
    ------
    ConfigError
        When the time is too short for all folds.
    """
    n_folds = len(plan.facts.folds)
    split = plan.facts.folds[number - 1]
    facts = replace(plan.facts, split=split, folds=())
    dims = plan.info.dims
    return replace(
        plan,
        config=_config_of_fold(plan.config, number, n_folds),
        facts=facts,
        validation=defaults.validation_boxes(facts, dims, is_cpu=plan.machine.is_cpu),
        max_minutes=plan.max_minutes / n_folds,
    )


def _config_of_fold(
    config: ExperimentConfig, number: int, n_folds: int
) -> ExperimentConfig:
    training = config.training
    length = training.length
    if isinstance(length, TimeBudgetLength):
        seconds = (1 - _JOINING_SHARE) * length.seconds / n_folds
        if seconds < _MIN_SECONDS:
            raise ConfigError(
                f"A time of {length.seconds:g} s is too short for {n_folds} folds; "
                f"give at least {math.ceil(n_folds * _MIN_SECONDS * 1.1)} s, or use a "
                "smaller validation.k."
            )
        length = length.model_copy(update={"seconds": seconds})
    seed = (training.seed + number - 1) % (1 << 32)
    changes = {"length": length, "seed": seed, "tune_decision": False}
    return config.model_copy(update={"training": training.model_copy(update=changes)})


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
        `FoldBegun`, then those of `iter_training`.

    Returns
    -------
    TrainingResult
        Its score is the mean over the folds.
    """
    n_folds = len(plan.facts.folds)
    start_from = _kept_base(run, start_from)
    for number in range(1, n_folds + 1):
        fold = run.fold(number)
        if not fold.model_path.exists():
            yield FoldBegun(number, n_folds)
            result = yield from _train_fold(
                plan_of_fold(plan, number), dataset, fold, control, start_from
            )
            if not result.is_complete:
                return _stopped(run, result)
        if control is not None and control.is_finishing:
            break
    return _joined(run, plan)


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


def _joined(run: RunFolder, plan: TrainingPlan) -> TrainingResult:
    """Write the model that averages all folds."""
    folds = run.finished_folds()
    model = join_models([load_bundle(fold.model_path) for fold in folds])
    config = plan.config.model_dump(mode="json")
    validation = f"{len(folds)}-fold cross-validation"
    changes = {"config": config, "validation": validation}
    spec = replace(model.spec, provenance={**model.spec.provenance, **changes})
    picture = folds[0].path / THUMBNAIL_NAME
    thumbnail = picture.read_bytes() if picture.is_file() else None
    if thumbnail is not None:
        run.write_thumbnail(thumbnail)
    weights = model.network.state_dict()
    save_model(run.model_path, spec, weights, thumbnail=thumbnail)
    return _summary(run, folds)


def _stopped(run: RunFolder, last: TrainingResult) -> TrainingResult:
    """Summary of a cross-validation that was stopped in a training."""
    folds = run.finished_folds()
    done = _summary(run, folds)
    return replace(
        done,
        model_path=run.path,
        iterations=done.iterations + last.iterations,
        epochs=done.epochs + last.epochs,
        seconds=done.seconds + last.seconds,
        score=done.score if folds else last.score,
        is_complete=False,
    )


def _summary(run: RunFolder, folds: list[RunFolder]) -> TrainingResult:
    specs = [load_bundle(fold.model_path).spec for fold in folds]
    found = (spec.scores.get("IoU") for spec in specs)
    scores = tuple(score for score in found if score is not None)
    return TrainingResult(
        run_dir=run.path,
        model_path=run.model_path,
        iterations=sum(spec.provenance["iterations"] for spec in specs),
        epochs=sum(len(fold.read_metrics()) for fold in folds),
        seconds=sum(spec.provenance["seconds"] for spec in specs),
        score=statistics.fmean(scores) if scores else None,
        is_complete=True,
        fold_scores=scores,
        verdict=_verdict(specs),
    )


def _verdict(specs: list[ModelSpec]) -> str:
    """Compare the means over the folds with those of the model they began with."""
    known = [spec.provenance.get("base", {}) for spec in specs]
    if not known or not all("IoU after" in base for base in known):
        return ""
    before, after = (
        statistics.fmean(base[name] for base in known) for name in ("IoU", "IoU after")
    )
    return verdict(before, after)
