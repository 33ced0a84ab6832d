"""The training loop: when to step, report, validate, save and end."""

from __future__ import annotations

import math
import time
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

from napari_segtrain.data.batches import Batch, iter_batches
from napari_segtrain.errors import is_out_of_memory
from napari_segtrain.training.archive import Archive
from napari_segtrain.training.checkpoint import Checkpoint, Progress
from napari_segtrain.training.clock import Deadline
from napari_segtrain.training.events import (
    Annealing,
    CheckpointSaved,
    EpochEnd,
    IterationEnd,
    Noticed,
    Preview,
    TrainingResult,
)
from napari_segtrain.training.finishing import Finisher
from napari_segtrain.training.footprint import Footprint
from napari_segtrain.training.healing import Healer
from napari_segtrain.training.hints import Hints
from napari_segtrain.training.memory import forget_frames
from napari_segtrain.training.pacing import MIN_SCORE_GAIN, Pacer
from napari_segtrain.training.run_folder import BEST, LATEST, RunFolder, epoch_name
from napari_segtrain.training.schedule import Anneal

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from napari_segtrain.control import Event, RunControl
    from napari_segtrain.training.clock import RunClock
    from napari_segtrain.training.distributed import Team
    from napari_segtrain.training.learner import Learner
    from napari_segtrain.training.plan import TrainingPlan
    from napari_segtrain.training.steps import Validation

_EVENT_SECONDS = 0.25
_Ending = Literal["complete", "stopped", "out of memory"]


@dataclass(frozen=True)
class _Order:
    """What is to be done next, with which rate, and the share of the run till then."""

    task: Literal["iterate", "validate", "stop", "end"]
    rate: float = 0.0
    anneal: Anneal | None = None
    share: float = 0.0


class TrainingLoop:
    """Makes iterations until the end, and what belongs between them.

    Parameters
    ----------
    plan : TrainingPlan
        What to do.
    learner : Learner
        What learns.
    run : RunFolder
        Where checkpoints, metrics and the model go.
    clock : RunClock
        Time used.
    team : Team
        Processes that learn together.

    Attributes
    ----------
    finisher : Finisher
        Finds out about the weights of the end.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        learner: Learner,
        run: RunFolder,
        clock: RunClock,
        team: Team,
    ) -> None:
        self._plan = plan
        self._team = team
        self._learner = learner
        self._run = run
        self._clock = clock
        self._archive = Archive(plan, learner, run)
        self._healer = Healer(plan, learner)
        self._hints = Hints(
            plan.facts.classes.names, plan.objects, solver=plan.solver.kind
        )
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
            Footprint.planned(plan),
            iterations_per_epoch=self._pacer.iterations_per_epoch,
        )
        self._rate = 0.0
        self._last_event = 0.0

    def open(self, checkpoint: Checkpoint | None) -> None:
        """Begin, or go on where a checkpoint was."""
        self._archive.open(checkpoint)
        if checkpoint is None:
            return
        self._learner.restore(checkpoint)
        self._hints.go_on_from(self._run.read_metrics(), self._run.read_notices())
        self._progress = checkpoint.progress
        if self._progress.iterations_per_epoch:
            self._pacer.iterations_per_epoch = self._progress.iterations_per_epoch
        last = max(0, self._progress.iteration - 1)
        self._learner.freeze(self._pacer.share_done(last))

    def close(self) -> None:
        """Write what is left, however the run ends."""
        self._archive.close()

    def train(self, control: RunControl) -> Generator[Event, None, bool]:
        """Iterate until the end; return whether it was reached."""
        ending: _Ending = "out of memory"
        while ending == "out of memory":
            batches = iter_batches(
                self._learner.source,
                self._progress.iteration * self._team.size + self._team.rank,
                n_threads=self._plan.config.sampling.loader_threads,
                step=self._team.size,
            )
            with closing(batches):
                ending = yield from self._guarded(batches, control)
            if ending == "out of memory":
                with self._team.together():
                    yield from self._heal(self._healer.spare_memory(self._progress))
        if ending == "complete":
            yield from self._end(control)
        else:
            self._archive.end_stopped(self._progress)
        yield self.checkpoint(LATEST)
        return ending == "complete"

    def _guarded(
        self, batches: Iterator[Batch], control: RunControl
    ) -> Generator[Event, None, _Ending]:
        """Train on batches to the end, a stop, or the end of the memory."""
        try:
            with self._team.together():
                return (yield from self._consume(batches, control))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            forget_frames(error)
            return "out of memory"

    def _consume(
        self, batches: Iterator[Batch], control: RunControl
    ) -> Generator[Event, None, _Ending]:
        while (order := self._agreed_order(control)).task != "end":
            if order.task == "stop":
                return "stopped"
            if order.task == "validate":
                yield from self._end_epoch()
            else:
                yield from self._begin_anneal(order.anneal)
                yield from self._iteration(batches, order)
        if self._progress.epoch_iterations:
            yield from self._end_epoch()
        return "complete"

    def _heal(self, healed: tuple[Progress, Noticed]) -> Iterator[Event]:
        """Take over what was changed, say so, and let a resumed run know."""
        self._progress, notice = healed
        yield self._noticed(notice)
        yield self.checkpoint(LATEST)

    def _noticed(self, notice: Noticed) -> Noticed:
        self._archive.add_notice(notice)
        return notice

    def _go_back(self) -> Iterator[Event]:
        """Go on from the last good weights, since numbers are not finite."""
        good = self._team.made_by_first(self._archive.last_good)
        yield from self._heal(self._healer.go_back(self._progress, good))

    def _wait_while_paused(self, control: RunControl) -> None:
        if control.is_paused:
            start = time.perf_counter()
            control.wait_while_paused()
            self._clock.leave_out(time.perf_counter() - start)

    def _agreed_order(self, control: RunControl) -> _Order:
        """What all processes do next; the clock of the first decides."""
        if self._team.is_first:
            self._wait_while_paused(control)
        is_stopping = self._team.any(is_so=control.is_stopping)
        order = self._order(is_stopping=is_stopping, is_finishing=control.is_finishing)
        return self._team.agree(order)

    def _order(self, *, is_stopping: bool, is_finishing: bool) -> _Order:
        pacer, progress = self._pacer, self._progress
        if pacer.is_over(progress):
            return _Order("end")
        if is_stopping:
            return _Order("stop")
        if pacer.is_epoch_end(progress):
            return _Order("validate")
        anneal = pacer.begin_anneal(progress, is_finishing=is_finishing)
        factor = pacer.rate_factor(replace(progress, anneal=anneal or progress.anneal))
        rate = self._plan.learning_rate * progress.rate_scale * factor
        return _Order("iterate", rate, anneal, pacer.share_done(progress.iteration))

    def _begin_anneal(self, anneal: Anneal | None) -> Iterator[Event]:
        if anneal is not None:
            self._progress = replace(self._progress, anneal=anneal)
            end = anneal.first + anneal.n_iterations
            yield Annealing(anneal.first, end, anneal.reason)

    def _iteration(self, batches: Iterator[Batch], order: _Order) -> Iterator[Event]:
        start = time.perf_counter()
        batch = next(batches)
        waited = time.perf_counter() - start
        self._learner.freeze(order.share)
        n_updates = self._progress.iteration
        self._rate = order.rate
        loss = self._learner.step(batch, order.rate)
        self._progress = self._progress.after_step(loss)
        if not math.isfinite(loss):
            yield from self._go_back()
            return
        self._learner.accept(n_updates)
        self._hints.counter.add(batch.targets)
        now = time.perf_counter()
        self._pacer.speed.add(waited, now - start - waited, batch.targets.numel())
        self._pacer.expect_validation(self._learner.n_judged_voxels)
        self._progress = self._pacer.calibrate_epoch(self._progress)
        if now - self._last_event >= _EVENT_SECONDS:
            self._last_event = now
            yield self._iteration_event(loss)

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
        if not self._learner.is_finite:
            yield from self._go_back()
            return
        mean_loss = self._progress.mean_epoch_loss
        progress = self._progress.after_epoch(
            validation.score if validation else None,
            min_gain=MIN_SCORE_GAIN,
            loss=validation.loss if validation else None,
        )
        self._progress = self._pacer.count_drop(progress)
        event = self._epoch_event(mean_loss, validation)
        self._archive.add_epoch(event, validation)
        yield event
        for kind, finding in self._hints.after_epoch(asdict(event)):
            yield self._noticed(Noticed(event.iteration, kind, finding))
        yield self._preview(is_best=event.is_best)
        if event.is_best and not self._archive.keeps_last:
            yield self.checkpoint(BEST)
        yield self.checkpoint(LATEST)
        every = self._plan.config.training.checkpoint_every
        if every and event.epoch % every == 0:
            yield self.checkpoint(epoch_name(event.epoch))

    def _preview(self, *, is_best: bool) -> Preview:
        progress, classes = self._progress, self._plan.facts.classes
        patches = self._learner.previews()
        preview = Preview(progress.epoch, progress.iteration, patches, classes)
        self._archive.add_preview(preview, is_best=is_best)
        return preview

    def _validate(self) -> Validation | None:
        start = time.perf_counter()
        validation = self._learner.judge()
        self._pacer.note_validation(time.perf_counter() - start)
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
        saved = self._archive.checkpoint(name, self._progress)
        self._pacer.save_seconds = time.perf_counter() - start
        return saved

    def _end(self, control: RunControl) -> Iterator[Event]:
        """Write the model; the first process does, and the others hear its score."""
        self._progress = replace(
            self._progress, is_complete=True, seconds=self._clock.seconds()
        )
        with self._team.together():
            if self._team.is_first:
                yield from self._finish(control)
        self._archive.score = self._team.agree(self._archive.score)

    def _finish(self, control: RunControl) -> Iterator[Event]:
        """Write the model, and again when something is found out about it."""
        spec, weights = self._archive.kept(self._progress)
        self._archive.write_model(spec, weights)
        deadline = Deadline(self._pacer.tuning_limit, control)
        iteration = self._progress.iteration
        finished = yield from self.finisher.finish(
            spec, weights, deadline, iteration, self._pacer.judging_speed
        )
        if finished != spec:
            self._archive.write_model(finished, weights)

    def result(self, *, is_complete: bool) -> TrainingResult:
        """Summary of the run."""
        run = self._run
        return TrainingResult(
            run_dir=run.path,
            model_path=run.model_path if run.has_model else run.path,
            iterations=self._progress.iteration,
            epochs=self._progress.epoch,
            seconds=self._clock.seconds(),
            score=self._archive.score,
            decision=self.finisher.decision,
            verdict=self.finisher.verdict,
            is_complete=is_complete,
        )
