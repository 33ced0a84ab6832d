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

from napari_segtrain.models import THUMBNAIL_NAME, join_models, load_bundle
from napari_segtrain.training.clock import Deadline
from napari_segtrain.training.events import (
    DecisionTuned,
    TrainingResult,
    TuningDecision,
)
from napari_segtrain.training.fine_tuning import verdict
from napari_segtrain.training.finishing import (
    NO_DECISION,
    WITHOUT_DECISION,
    notice_without,
)
from napari_segtrain.training.fold_plans import plan_of_fold, tuning_seconds
from napari_segtrain.training.held_out import HeldOutPredictor
from napari_segtrain.training.memory import give_back
from napari_segtrain.training.patches import class_targets, prepared_pairs
from napari_segtrain.training.tuning import choose_decision, tunes_decision

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from napari_segtrain.control import Event, RunControl
    from napari_segtrain.data.dataset import Dataset
    from napari_segtrain.models import Decision, ModelSpec
    from napari_segtrain.training.held_out import HeldOut
    from napari_segtrain.training.plan import TrainingPlan
    from napari_segtrain.training.run_folder import RunFolder


def iter_joining(
    plan: TrainingPlan,
    dataset: Dataset,
    run: RunFolder,
    control: RunControl | None = None,
) -> Generator[Event, None, TrainingResult]:
    """Write the model that averages the trainings that came to their end.

    It is there before its decision is chosen, and is written again with it. Until then
    the run can be resumed.

    Parameters
    ----------
    plan : TrainingPlan
        Of the cross-validation.
    dataset : Dataset
        The frozen data of the run.
    run : RunFolder
        Of the cross-validation.
    control : RunControl, optional
        Pause and stop; a stop leaves the model without a decision.

    Yields
    ------
    Event
        `TuningDecision`, then `DecisionTuned`, or `Noticed` when time or memory does
        not suffice to choose one.

    Returns
    -------
    TrainingResult
        Its score is the mean over the folds.
    """
    start = time.perf_counter()
    done = summarize_folds(run)
    decision = None
    with run.finishing():
        _write_model(run, plan)
        if tunes_decision(plan):
            deadline = Deadline(tuning_seconds(plan, done.seconds), control)
            work = _tuned(plan, dataset, run, done.iterations, deadline)
            decision = yield from work
        if decision is not None:
            _write_model(run, plan, decision)
    if decision is not None:
        yield DecisionTuned(decision, plan.facts.classes.names)
    seconds = done.seconds + time.perf_counter() - start
    return replace(done, decision=decision, seconds=seconds)


def _tuned(
    plan: TrainingPlan,
    dataset: Dataset,
    run: RunFolder,
    n_iterations: int,
    deadline: Deadline,
) -> Generator[Event, None, Decision | None]:
    """Choose a decision, as far as time and memory suffice."""
    folds = run.finished_folds()
    try:
        predicted = yield from _predict_held_out(plan, dataset, folds, deadline)
        return (yield from choose_decision(plan, predicted, deadline))
    except NO_DECISION as error:
        notice = notice_without(error, n_iterations, WITHOUT_DECISION)
        run.append_notice(notice)
        yield notice
        return None
    finally:
        give_back(torch.device(plan.machine.device))


def _predict_held_out(
    plan: TrainingPlan,
    dataset: Dataset,
    folds: Mapping[int, RunFolder],
    deadline: Deadline,
) -> Generator[TuningDecision, None, list[HeldOut]]:
    """Apply each model to what was held out from it, as much as one run affords."""
    pairs, intensities = prepared_pairs(plan, dataset)
    targets = class_targets(plan, pairs)
    found: list[HeldOut] = []
    for n_done, (number, fold) in enumerate(folds.items()):
        deadline.check()
        fold_plan = plan_of_fold(plan, number)
        predictor = HeldOutPredictor(
            fold_plan, pairs, targets, intensities, n_sharing=len(folds)
        )
        if _left_gpu(fold):
            predictor.move(torch.device("cpu"))
        work = predictor.predict(load_bundle(fold.model_path), deadline)
        found += yield from _as_part(work, n_done, len(folds))
    return found


def _as_part(
    work: Generator[TuningDecision, None, list[HeldOut]], n_done: int, n_parts: int
) -> Generator[TuningDecision, None, list[HeldOut]]:
    """Let the share of one of several parts be that of all."""
    while True:
        try:
            event = next(work)
        except StopIteration as end:
            found: list[HeldOut] = end.value
            return found
        yield replace(event, share=(n_done + event.share) / n_parts)


def _left_gpu(fold: RunFolder) -> bool:
    """Whether a training had to go on on the processor."""
    progress = fold.read_progress()
    return progress is not None and progress.footprint.leaves_gpu


def _write_model(
    run: RunFolder, plan: TrainingPlan, decision: Decision | None = None
) -> None:
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
    run.write_model(spec, model.network.state_dict(), thumbnail)


def summarize_folds(run: RunFolder) -> TrainingResult:
    """Sum up the trainings that came to their end; the score is their mean.

    A model may be that of an earlier epoch; what was done and used until the end is
    known from the last checkpoint.
    """
    folds = run.finished_folds().values()
    specs = [load_bundle(fold.model_path).spec for fold in folds]
    used = [_used(*each) for each in zip(folds, specs, strict=True)]
    found = (spec.scores.get("IoU") for spec in specs)
    scores = tuple(score for score in found if score is not None)
    return TrainingResult(
        run_dir=run.path,
        model_path=run.model_path,
        iterations=sum(n_iterations for n_iterations, _ in used),
        epochs=sum(len(fold.read_metrics()) for fold in folds),
        seconds=sum(seconds for _, seconds in used),
        score=statistics.fmean(scores) if scores else None,
        is_complete=True,
        fold_scores=scores,
        verdict=_verdict(specs),
    )


def _used(fold: RunFolder, spec: ModelSpec) -> tuple[int, float]:
    """Iterations and seconds of a training; of its model when no more is known."""
    progress = fold.read_progress()
    if progress is None:
        return spec.provenance["iterations"], spec.provenance["seconds"]
    return progress.iteration, progress.seconds


def _verdict(specs: list[ModelSpec]) -> str:
    """Compare the means over the folds with those of the model they began with."""
    known = [spec.provenance.get("base", {}) for spec in specs]
    if not known or not all("IoU after" in base for base in known):
        return ""
    before, after = (
        statistics.fmean(base[name] for base in known) for name in ("IoU", "IoU after")
    )
    return verdict(before, after)
