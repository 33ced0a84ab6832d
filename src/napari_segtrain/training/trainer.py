"""The training loop: a generator of events that ends in a model on disk."""

from __future__ import annotations

import math
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_segtrain.control import Event, RunControl
from napari_segtrain.data.batches import Batch, iter_batches
from napari_segtrain.errors import TrainingError
from napari_segtrain.models import save_model
from napari_segtrain.training.checkpoint import Checkpoint, Progress
from napari_segtrain.training.clock import RunClock
from napari_segtrain.training.events import (
    Annealing,
    BatchShrunk,
    CheckpointSaved,
    EpochEnd,
    IterationEnd,
    Preview,
    TrainingResult,
)
from napari_segtrain.training.finishing import Finisher
from napari_segtrain.training.learner import Learner, is_out_of_memory
from napari_segtrain.training.pacing import MIN_SCORE_GAIN, Pacer
from napari_segtrain.training.provenance import model_spec
from napari_segtrain.training.run_folder import BEST, LATEST, RunFolder
from napari_segtrain.training.thumbnail import draw_thumbnail

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from napari_segtrain.data.dataset import Dataset
    from napari_segtrain.models import Model
    from napari_segtrain.training.plan import TrainingPlan
    from napari_segtrain.training.steps import Validation

_EVENT_SECONDS = 0.25
_MAX_BAD_STEPS = 20
_CLEARLY_BETTER = 0.02


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
        `BatchShrunk`, `CheckpointSaved`.

    Returns
    -------
    TrainingResult

    Raises
    ------
    TrainingError
        When memory does not suffice for one patch, or the loss is not finite any more.
    OutputError
        When the disk is full.
    DataError
        When a voxel is NaN or infinite, or a file cannot be read.
    """
    used_before = resume_from.progress.seconds if resume_from else 0.0
    clock = RunClock(time.perf_counter(), used_before)
    return _iterate(plan, dataset, run, control, resume_from, start_from, clock)


def _iterate(
    plan: TrainingPlan,
    dataset: Dataset,
    run: RunFolder,
    control: RunControl | None,
    resume_from: Checkpoint | None,
    start_from: Model | None,
    clock: RunClock,
) -> Generator[Event, None, TrainingResult]:
    learner = Learner(plan, dataset)
    trainer = _Trainer(plan, learner, run, clock)
    if start_from is not None and plan.base is not None:
        learner.start_from(start_from, plan.base)
        yield from trainer.finisher.score_base(start_from)
    if resume_from is not None:
        learner.restore(resume_from)
        trainer.go_on_from(resume_from.progress)
    yield trainer.checkpoint(LATEST)
    is_complete = yield from trainer.train(control or RunControl())
    return trainer.result(is_complete=is_complete)


class _Trainer:
    """The loop: when to step, report, validate, save and end."""

    def __init__(
        self, plan: TrainingPlan, learner: Learner, run: RunFolder, clock: RunClock
    ) -> None:
        self._plan = plan
        self._learner = learner
        self._run = run
        self._clock = clock
        self._pacer = Pacer(
            plan.config.training.length,
            plan.config.training.schedule,
            max_minutes=plan.max_minutes,
            iterations_per_epoch=plan.iterations_per_epoch,
            clock=clock,
        )
        self.finisher = Finisher(plan, learner, run)
        self._pacer.final_voxels = self.finisher.n_voxels
        self._progress = Progress(
            batch_size=plan.batch_size,
            iterations_per_epoch=self._pacer.iterations_per_epoch,
        )
        self._spec = model_spec(plan)
        self._score: float | None = None
        self._rate = 0.0
        self._last_event = 0.0
        self._n_bad_steps = 0
        self._preview: Preview | None = None
        self._best_preview: Preview | None = None

    def go_on_from(self, progress: Progress) -> None:
        """Take over where a checkpoint was."""
        self._progress = progress
        if progress.iterations_per_epoch:
            self._pacer.iterations_per_epoch = progress.iterations_per_epoch

    def train(self, control: RunControl) -> Generator[Event, None, bool]:
        """Iterate until the end; return whether it was reached."""
        while not self._pacer.is_over(self._progress):
            batches = iter_batches(
                self._learner.source,
                self._progress.iteration,
                n_threads=self._plan.config.sampling.loader_threads,
            )
            with closing(batches):
                is_out_of_memory, is_stopped = yield from self._guarded(
                    batches, control
                )
            if is_out_of_memory:
                yield self._shrink_batch()
            if is_stopped:
                self._score = self._kept_score()
                self._thumbnail(self._best_preview or self._preview)
                yield self.checkpoint(LATEST)
                return False
        yield from self._end()
        return True

    def _guarded(
        self, batches: Iterator[Batch], control: RunControl
    ) -> Generator[Event, None, tuple[bool, bool]]:
        """Whether memory ran out, and whether the run was stopped."""
        try:
            return False, (yield from self._consume(batches, control))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            return True, False

    def _consume(
        self, batches: Iterator[Batch], control: RunControl
    ) -> Generator[Event, None, bool]:
        """Train on batches until the end of the run (False) or a stop (True)."""
        while not self._pacer.is_over(self._progress):
            self._wait_while_paused(control)
            if control.is_stopping:
                return True
            yield from self._begin_anneal(is_finishing=control.is_finishing)
            yield from self._iteration(batches)
            is_last = self._pacer.is_over(self._progress)
            if self._pacer.is_epoch_end(self._progress) and not is_last:
                yield from self._end_epoch()
        return False

    def _wait_while_paused(self, control: RunControl) -> None:
        if control.is_paused:
            start = time.perf_counter()
            control.wait_while_paused()
            self._clock.leave_out(time.perf_counter() - start)

    def _begin_anneal(self, *, is_finishing: bool) -> Iterator[Event]:
        anneal = self._pacer.begin_anneal(self._progress, is_finishing=is_finishing)
        if anneal is not None:
            self._progress = replace(self._progress, anneal=anneal)
            end = anneal.first + anneal.n_iterations
            yield Annealing(anneal.first, end, anneal.reason)

    def _iteration(self, batches: Iterator[Batch]) -> Iterator[Event]:
        start = time.perf_counter()
        batch = next(batches)
        waited = time.perf_counter() - start
        self._learner.freeze(self._pacer.share_done(self._progress.iteration))
        factor = self._pacer.rate_factor(self._progress)
        self._rate = self._plan.learning_rate * factor
        loss = self._checked(self._learner.step(batch, self._rate), batch.iteration)
        progress = self._progress
        self._progress = replace(
            progress,
            iteration=progress.iteration + 1,
            epoch_iterations=progress.epoch_iterations + 1,
            epoch_loss_sum=progress.epoch_loss_sum + loss,
        )
        now = time.perf_counter()
        self._pacer.speed.add(waited, now - start - waited, batch.targets.numel())
        self._pacer.expect_validation(self._learner.n_judged_voxels)
        self._progress = self._pacer.calibrate_epoch(self._progress)
        if now - self._last_event >= _EVENT_SECONDS:
            self._last_event = now
            yield self._iteration_event(loss)

    def _checked(self, loss: float, iteration: int) -> float:
        """Let a good step count; take a bad one back."""
        if math.isfinite(loss):
            self._n_bad_steps = 0
            self._learner.accept(iteration)
            return loss
        self._n_bad_steps += 1
        if self._n_bad_steps >= _MAX_BAD_STEPS:
            raise _diverged()
        self._learner.reject()
        return 0.0

    def _iteration_event(self, loss: float) -> IterationEnd:
        speed = self._pacer.speed
        return IterationEnd(
            iteration=self._progress.iteration,
            n_iterations=self._pacer.n_iterations,
            loss=loss,
            learning_rate=self._rate,
            voxels_per_second=speed.voxels_per_second,
            data_share=speed.data_share,
            seconds=self._clock.seconds(),
            eta=self._pacer.eta(self._progress),
        )

    def _end_epoch(self) -> Iterator[Event]:
        """Validate, keep what is best, write the latest checkpoint."""
        validation = self._validate()
        mean_loss = self._progress.mean_epoch_loss
        score = validation.score if validation else None
        progress = self._progress.after_epoch(score, min_gain=MIN_SCORE_GAIN)
        self._progress = self._pacer.count_drop(progress)
        event = self._epoch_event(mean_loss, validation)
        self._run.append_metrics(event)
        yield event
        yield self._show(is_best=event.is_best)
        if validation is not None:
            self._spec = replace(self._spec, scores=validation.named_scores())
        if event.is_best and not self._keeps_last:
            yield self.checkpoint(BEST)
        yield self.checkpoint(LATEST)
        every = self._plan.config.training.checkpoint_every
        if every and event.epoch % every == 0:
            yield self.checkpoint(f"epoch-{event.epoch:04d}")

    def _show(self, *, is_best: bool) -> Preview:
        progress, classes = self._progress, self._plan.facts.classes
        patches = self._learner.previews()
        preview = Preview(progress.epoch, progress.iteration, patches, classes)
        self._preview = preview
        if is_best and not self._keeps_last:
            self._best_preview = preview
        return preview

    def _thumbnail(self, preview: Preview | None) -> bytes | None:
        """Picture of the model, which is written to the run folder as well."""
        picture = draw_thumbnail(preview) if preview else None
        if picture is not None:
            self._run.write_thumbnail(picture)
        return picture

    def _validate(self) -> Validation | None:
        start = time.perf_counter()
        validation = self._learner.judge()
        self._pacer.note_validation(time.perf_counter() - start)
        if not self._learner.is_finite:
            raise _diverged()
        return validation

    def _epoch_event(self, mean_loss: float, validation: Validation | None) -> EpochEnd:
        scores = validation.scores.classes if validation else ()
        progress, speed = self._progress, self._pacer.speed
        return EpochEnd(
            epoch=progress.epoch,
            iteration=progress.iteration,
            training_loss=mean_loss,
            validation_loss=validation.loss if validation else None,
            iou={row.name: row.iou for row in scores},
            dice={row.name: row.dice for row in scores},
            score=validation.score if validation else None,
            is_best=bool(validation) and progress.best_epoch == progress.epoch,
            learning_rate=self._rate,
            voxels_per_second=speed.voxels_per_second,
            data_share=speed.data_share,
            seconds=self._clock.seconds(),
            eta=self._pacer.eta(progress),
            memory_bytes=self._learner.memory_bytes,
        )

    def checkpoint(self, name: str) -> CheckpointSaved:
        """Write a checkpoint."""
        start = time.perf_counter()
        self._progress = replace(
            self._progress,
            seconds=self._clock.seconds(),
            scaler_scale=self._learner.scaler_scale,
        )
        checkpoint = Checkpoint(
            progress=self._progress,
            network=self._learner.network_state,
            average=self._learner.average_state,
            optimizer=self._learner.optimizer_state,
            spec=replace(self._spec, provenance=self._provenance()),
        )
        path = self._run.save(name, checkpoint)
        self._pacer.save_seconds = time.perf_counter() - start
        return CheckpointSaved(path, self._progress.iteration)

    def _provenance(self) -> dict[str, object]:
        return {
            **self._spec.provenance,
            "iterations": self._progress.iteration,
            "seconds": round(self._progress.seconds, 1),
        }

    def _shrink_batch(self) -> Event:
        source = self._learner.source
        if source.batch_size == 1:
            raise TrainingError(
                f"The memory of {self._plan.machine.name} does not suffice for one "
                f"patch of {self._plan.patch_size} voxels; use a smaller "
                "sampling.patch_size or fewer network.first_filters."
            )
        self._learner.free()
        source.batch_size //= 2
        self._progress = replace(self._progress, batch_size=source.batch_size)
        return BatchShrunk(self._progress.iteration, source.batch_size)

    def _end(self) -> Iterator[Event]:
        """Validate the last weights and write the model."""
        if self._progress.epoch_iterations:
            yield from self._end_epoch()
        self._progress = replace(self._progress, is_complete=True)
        spec = replace(self._spec, provenance=self._provenance())
        weights = self._learner.average_state
        preview = self._preview
        if self._keeps_best():
            best = self._run.load(BEST)
            spec, weights = best.spec, best.average
            preview = self._best_preview or preview
        self._score = spec.scores.get("IoU")
        limit = self._pacer.tuning_limit
        spec = yield from self.finisher.finish(spec, weights, limit)
        thumbnail = self._thumbnail(preview)
        if not self._run.model_path.exists():
            save_model(self._run.model_path, spec, weights, thumbnail=thumbnail)
        yield self.checkpoint(LATEST)

    @property
    def _keeps_last(self) -> bool:
        return self._plan.config.training.keep_weights == "last"

    def _kept_score(self) -> float | None:
        """Score of the weights that a stopped run leaves."""
        last = self._spec.scores.get("IoU")
        return last if self._keeps_last else self._progress.best_score

    def _keeps_best(self) -> bool:
        """Whether the best epoch is to be preferred to the annealed last one.

        Few held-out voxels make scores noisy, and the best of many noisy scores is
        often not the best model, so without a choice it has to be clearly better.
        """
        best, last = self._progress.best_score, self._spec.scores.get("IoU")
        if best is None or self._keeps_last:
            return False
        is_chosen = self._plan.config.training.keep_weights == "best"
        return is_chosen or best > (last or 0.0) + _CLEARLY_BETTER

    def result(self, *, is_complete: bool) -> TrainingResult:
        """Summary of the run."""
        model = self._run.model_path
        return TrainingResult(
            run_dir=self._run.path,
            model_path=model if model.exists() else self._run.path,
            iterations=self._progress.iteration,
            epochs=self._progress.epoch,
            seconds=self._clock.seconds(),
            score=self._score,
            decision=self.finisher.decision,
            verdict=self.finisher.verdict,
            is_complete=is_complete,
        )


def _diverged() -> TrainingError:
    return TrainingError(
        "The training diverged (values that are not finite numbers); use a lower "
        "training.learning_rate, and check the images for extreme values. The last "
        "checkpoint can be used."
    )
