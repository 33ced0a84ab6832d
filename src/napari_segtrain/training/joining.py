"""The model that averages the trainings of a cross-validation, and its decision.

The decision is chosen on out-of-fold probabilities: each training's network predicts
the part that was held out from it, so that together they cover all labels, and no
network is asked for what it was trained on. nnU-Net (Isensee 2021) chooses the
post-processing of its ensembles in the same way.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from napari_segtrain.models import THUMBNAIL_NAME, join_models, load_bundle, save_model
from napari_segtrain.training.events import DecisionTuned, TrainingResult
from napari_segtrain.training.fine_tuning import verdict
from napari_segtrain.training.finishing import (
    MAYBE_MEMORY,
    WITHOUT_DECISION,
    notice_without,
)
from napari_segtrain.training.fold_plans import plan_of_fold, tuning_seconds
from napari_segtrain.training.held_out import HeldOutPredictor
from napari_segtrain.training.memory import give_back
from napari_segtrain.training.patches import class_targets, prepared_pairs
from napari_segtrain.training.run_folder import LATEST
from napari_segtrain.training.tuning import choose_decision, tunes_decision

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from napari_segtrain.control import Event
    from napari_segtrain.data.dataset import Dataset
    from napari_segtrain.models import Decision, ModelSpec
    from napari_segtrain.training.held_out import HeldOut
    from napari_segtrain.training.plan import TrainingPlan
    from napari_segtrain.training.run_folder import RunFolder


def iter_joining(
    plan: TrainingPlan, dataset: Dataset, run: RunFolder
) -> Generator[Event, None, TrainingResult]:
    """Write the model that averages the trainings that came to their end.

    Parameters
    ----------
    plan : TrainingPlan
        Of the cross-validation.
    dataset : Dataset
        The frozen data of the run.
    run : RunFolder
        Of the cross-validation.

    Yields
    ------
    Event
        `DecisionTuned`, or `Noticed` when memory does not suffice to choose one.

    Returns
    -------
    TrainingResult
        Its score is the mean over the folds.
    """
    start = time.perf_counter()
    done = summarize_folds(run)
    decision = yield from _tuned(plan, dataset, run, done)
    if decision is not None:
        yield DecisionTuned(decision, plan.facts.classes.names)
    _write_model(run, plan, decision)
    seconds = done.seconds + time.perf_counter() - start
    return replace(done, decision=decision, seconds=seconds)


def _tuned(
    plan: TrainingPlan, dataset: Dataset, run: RunFolder, done: TrainingResult
) -> Generator[Event, None, Decision | None]:
    """Choose a decision, as far as time and memory suffice."""
    seconds = tuning_seconds(plan, done.seconds)
    if not tunes_decision(plan) or (seconds is not None and seconds <= 0):
        return None
    end = None if seconds is None else time.perf_counter() + seconds
    try:
        predicted = _predict_held_out(plan, dataset, run.finished_folds())
        return choose_decision(plan, predicted, end)
    except MAYBE_MEMORY as error:
        notice = notice_without(error, done.iterations, WITHOUT_DECISION)
        run.append_notice(notice)
        yield notice
        return None
    finally:
        give_back(torch.device(plan.machine.device))


def _predict_held_out(
    plan: TrainingPlan, dataset: Dataset, folds: Mapping[int, RunFolder]
) -> list[HeldOut]:
    """Apply each model to what was held out from it, as much as one run affords."""
    pairs, intensities = prepared_pairs(plan, dataset)
    targets = class_targets(plan, pairs)
    found = []
    for number, fold in folds.items():
        fold_plan = plan_of_fold(plan, number)
        predictor = HeldOutPredictor(
            fold_plan, pairs, targets, intensities, n_sharing=len(folds)
        )
        if _left_gpu(fold):
            predictor.move(torch.device("cpu"))
        found += predictor.predict(load_bundle(fold.model_path))
    return found


def _left_gpu(fold: RunFolder) -> bool:
    """Whether a training had to go on on the processor."""
    has_checkpoint = fold.checkpoint_path(LATEST).is_file()
    return has_checkpoint and fold.load(LATEST).progress.footprint.leaves_gpu


def _write_model(run: RunFolder, plan: TrainingPlan, decision: Decision | None) -> None:
    folds = list(run.finished_folds().values())
    model = join_models([load_bundle(fold.model_path) for fold in folds])
    config = plan.config.model_dump(mode="json")
    validation = f"{model.spec.n_members}-fold cross-validation"
    changes = {"config": config, "validation": validation}
    provenance = {**model.spec.provenance, **changes}
    spec = replace(model.spec, decision=decision, provenance=provenance)
    picture = folds[0].path / THUMBNAIL_NAME
    thumbnail = picture.read_bytes() if picture.is_file() else None
    if thumbnail is not None:
        run.write_thumbnail(thumbnail)
    weights = model.network.state_dict()
    save_model(run.model_path, spec, weights, thumbnail=thumbnail)


def summarize_folds(run: RunFolder) -> TrainingResult:
    """Sum up the trainings that came to their end; the score is their mean."""
    folds = run.finished_folds().values()
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
