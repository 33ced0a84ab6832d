"""The training loop: a generator of events that ends in a model on disk."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import psutil
import torch
from torch import nn

from napari_segtrain.control import Event, RunControl
from napari_segtrain.data.batches import Batch, BatchSource, iter_batches
from napari_segtrain.data.facts import index_pairs, targets_of
from napari_segtrain.data.sampling import PatchReader, PatchSampler
from napari_segtrain.errors import TrainingError
from napari_segtrain.models import Model, save_model
from napari_segtrain.networks import build_network
from napari_segtrain.training.checkpoint import (
    Checkpoint,
    Progress,
    optimizer_tensors,
    restore_optimizer,
)
from napari_segtrain.training.clock import RunClock
from napari_segtrain.training.ema import WeightAverage
from napari_segtrain.training.events import (
    Annealing,
    BatchShrunk,
    CheckpointSaved,
    EpochEnd,
    IterationEnd,
    TrainingResult,
)
from napari_segtrain.training.losses import SegmentationLoss
from napari_segtrain.training.optim import build_optimizer, memory_layout
from napari_segtrain.training.pacing import MIN_SCORE_GAIN, Pacer
from napari_segtrain.training.provenance import model_spec
from napari_segtrain.training.run_folder import BEST, LATEST, RunFolder
from napari_segtrain.training.steps import (
    Precision,
    Validation,
    Validator,
    seeded_torch,
    train_step,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from napari_segtrain.data.dataset import Dataset
    from napari_segtrain.training.plan import TrainingPlan

_EVENT_SECONDS = 0.25
_MAX_BAD_STEPS = 20
_N_RECALIBRATION = 12


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
        `IterationEnd` (a few per second), `EpochEnd`, `Annealing`, `BatchShrunk`,
        `CheckpointSaved`.

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
    trainer = _Trainer(plan, dataset, run, clock)
    trainer.initialize(resume_from, start_from)
    yield trainer.checkpoint(LATEST)
    is_complete = yield from trainer.train(control or RunControl())
    return trainer.result(is_complete=is_complete)


@dataclass
class _Reports:
    """When the last event was sent, and steps that came to nothing."""

    last: float = 0.0
    n_bad: int = 0


class _Trainer:
    """State of a run in memory."""

    def __init__(
        self, plan: TrainingPlan, dataset: Dataset, run: RunFolder, clock: RunClock
    ) -> None:
        self._plan = plan
        self._run = run
        self._clock = clock
        self._training = plan.config.training
        self._device = torch.device(plan.machine.device)
        if self._training.n_threads != "auto":
            torch.set_num_threads(self._training.n_threads)
        self._pairs = dataset.pairs()
        facts = plan.facts
        self._targets = targets_of(self._pairs, facts.classes, facts.used)
        self._source = self._batch_source()
        self._loss = SegmentationLoss(plan.config.loss)
        self._precision = Precision(self._device, is_mixed=self._training.amp)
        self._validator = Validator(
            plan.validation,
            self._pairs,
            self._targets,
            facts.intensities,
            grid=plan.info.grid,
            is_2d=plan.is_2d,
        )
        self._pacer = Pacer(
            self._training.length,
            max_minutes=plan.max_minutes,
            iterations_per_epoch=plan.iterations_per_epoch,
            clock=clock,
        )
        self._reports = _Reports()
        self._progress = Progress(
            batch_size=plan.batch_size,
            iterations_per_epoch=self._pacer.iterations_per_epoch,
        )
        self._spec = model_spec(plan)
        self._network: nn.Module = nn.Identity()
        self._layout = memory_layout(self._device, is_2d=plan.is_2d)

    def _batch_source(self) -> BatchSource:
        plan, facts = self._plan, self._plan.facts
        seed = self._training.seed
        indices = index_pairs(self._pairs, facts.classes, facts.used, seed)
        sampler = PatchSampler(
            facts.split.training,
            indices,
            plan.patch_size,
            foreground=facts.classes.foreground,
            foreground_share=plan.config.sampling.foreground_share,
        )
        reader = PatchReader(
            [pair.image for pair in self._pairs],
            self._targets,
            facts.intensities,
            cache_bytes=plan.config.sampling.cache_megabytes << 20,
        )
        return BatchSource(
            sampler,
            reader,
            plan.config.augmentation,
            batch_size=plan.batch_size,
            is_2d=plan.is_2d,
            seed=seed,
        )

    def initialize(
        self, resume_from: Checkpoint | None, start_from: Model | None
    ) -> None:
        """Make network, optimizer and running mean, new or from a checkpoint."""
        network = build_network(
            self._plan.network,
            in_channels=self._plan.facts.n_channels,
            n_classes=self._plan.facts.classes.n_classes,
            seed=self._training.seed,
        )
        if start_from is not None:
            network.load_state_dict(start_from.network.state_dict())
        if resume_from is not None:
            network.load_state_dict(resume_from.network)
        self._network = network.to(self._device, memory_format=self._layout)
        self._optimizer = build_optimizer(
            self._network, self._plan.learning_rate, self._training.weight_decay
        )
        self._average = WeightAverage(self._network, self._training.ema_decay)
        if resume_from is not None:
            self._restore(resume_from)

    def _restore(self, checkpoint: Checkpoint) -> None:
        restore_optimizer(self._optimizer, checkpoint.optimizer)
        self._average.load(checkpoint.average)
        self._progress = checkpoint.progress
        self._source.batch_size = checkpoint.progress.batch_size
        if checkpoint.progress.iterations_per_epoch:
            self._pacer.iterations_per_epoch = checkpoint.progress.iterations_per_epoch
        if checkpoint.progress.scaler_scale and self._precision.scaler.is_enabled():
            state = self._precision.scaler.state_dict()
            state["scale"] = checkpoint.progress.scaler_scale
            self._precision.scaler.load_state_dict(state)

    def train(self, control: RunControl) -> Generator[Event, None, bool]:
        """Iterate until the end; return whether it was reached."""
        while not self._pacer.is_over(self._progress):
            batches = iter_batches(
                self._source,
                self._progress.iteration,
                n_threads=self._plan.config.sampling.loader_threads,
            )
            try:
                is_stopped = yield from self._consume(batches, control)
            except (MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                is_stopped = False
            else:
                if is_stopped:
                    yield self.checkpoint(LATEST)
                    return False
                continue
            finally:
                batches.close()
            yield self._shrink_batch()
        yield from self._end()
        return True

    def _consume(
        self, batches: Iterator[Batch], control: RunControl
    ) -> Generator[Event, None, bool]:
        """Train on batches until the end of the run (False) or a stop (True)."""
        while not self._pacer.is_over(self._progress):
            self._wait_while_paused(control)
            if control.is_stopping:
                return True
            anneal = self._pacer.begin_anneal(
                self._progress, is_finishing=control.is_finishing
            )
            if anneal is not None:
                self._progress = replace(self._progress, anneal=anneal)
                end = anneal.first + anneal.n_iterations
                yield Annealing(anneal.first, end, anneal.reason)
            yield from self._iteration(batches)
            if self._pacer.is_epoch_end(self._progress) and not self._is_near_end():
                yield from self._end_epoch()
        return False

    def _is_near_end(self) -> bool:
        """Whether the last validation comes now anyhow."""
        return self._pacer.is_over(self._progress)

    def _wait_while_paused(self, control: RunControl) -> None:
        if not control.is_paused:
            return
        start = time.perf_counter()
        control.wait_while_paused()
        self._clock.leave_out(time.perf_counter() - start)

    def _iteration(self, batches: Iterator[Batch]) -> Iterator[Event]:
        start = time.perf_counter()
        batch = next(batches)
        waited = time.perf_counter() - start
        rate = self._plan.learning_rate * self._pacer.rate_factor(self._progress)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        loss = self._step(self._source.augment(batch, self._device))
        computed = time.perf_counter() - start - waited
        progress = self._progress
        self._progress = replace(
            progress,
            iteration=progress.iteration + 1,
            epoch_iterations=progress.epoch_iterations + 1,
            epoch_loss_sum=progress.epoch_loss_sum + loss,
        )
        self._pacer.speed.add(waited, computed, batch.targets.numel())
        n_recalibration = _N_RECALIBRATION * batch.targets.numel()
        self._pacer.expect_validation(self._validator.n_voxels + n_recalibration)
        self._progress = self._pacer.calibrate_epoch(self._progress)
        now = time.perf_counter()
        if now - self._reports.last >= _EVENT_SECONDS:
            self._reports.last = now
            yield self._iteration_event(loss, rate)

    def _step(self, batch: Batch) -> float:
        needs_seed = self._plan.network.dropout > 0
        seeded = seeded_torch(self._training.seed, batch.iteration)
        with seeded if needs_seed else nullcontext():
            loss = train_step(
                self._network,
                self._loss,
                self._optimizer,
                batch.images.contiguous(memory_format=self._layout),
                batch.targets,
                precision=self._precision,
                gradient_clip=self._training.gradient_clip,
            )
        if np.isfinite(loss):
            self._reports.n_bad = 0
            self._average.update(self._network, batch.iteration)
            return loss
        self._reports.n_bad += 1
        if self._reports.n_bad >= _MAX_BAD_STEPS:
            self._give_up()
        self._network.load_state_dict(self._average.state)
        return 0.0

    def _give_up(self) -> NoReturn:
        raise TrainingError(
            "The training diverged (values that are not finite numbers); use a "
            "lower training.learning_rate, and check the images for extreme values. "
            "The last checkpoint can be used."
        )

    def _iteration_event(self, loss: float, rate: float) -> IterationEnd:
        speed = self._pacer.speed
        return IterationEnd(
            iteration=self._progress.iteration,
            n_iterations=self._pacer.n_iterations,
            loss=loss,
            learning_rate=rate,
            voxels_per_second=speed.voxels_per_second,
            data_share=speed.data_share,
            seconds=self._clock.seconds(),
            eta=self._pacer.eta(self._progress),
        )

    def _end_epoch(self) -> Iterator[Event]:
        """Validate, keep what is best, write the latest checkpoint."""
        progress = self._progress
        mean_loss = progress.epoch_loss_sum / max(1, progress.epoch_iterations)
        validation = self._validate()
        if not self._average.is_finite():
            self._give_up()
        score = validation.score if validation else None
        is_best = score is not None and (
            progress.best_score is None or score > progress.best_score
        )
        merit = score if score is not None else -mean_loss
        gain = MIN_SCORE_GAIN * (1 if score is not None else 5)
        target = progress.plateau_score
        has_gain = target is None or merit > target + gain
        epoch = progress.epoch + 1
        self._progress = replace(
            progress,
            epoch=epoch,
            seconds=self._clock.seconds(),
            best_score=score if is_best else progress.best_score,
            best_epoch=epoch if is_best else progress.best_epoch,
            plateau_score=merit if has_gain else target,
            epochs_without_gain=0 if has_gain else progress.epochs_without_gain + 1,
            epoch_loss_sum=0.0,
            epoch_iterations=0,
        )
        event = self._epoch_event(mean_loss, validation, is_best=is_best)
        self._run.append_metrics(event)
        yield event
        if validation is not None:
            self._spec = replace(self._spec, scores=_scores(validation))
        if is_best:
            yield self.checkpoint(BEST)
        yield self.checkpoint(LATEST)
        every = self._training.checkpoint_every
        if every and epoch % every == 0:
            yield self.checkpoint(f"epoch-{epoch:04d}")

    def _recalibrate(self) -> None:
        batches = (self._source.make(number) for number in range(_N_RECALIBRATION))
        images = (batch.images.to(self._device) for batch in batches)
        layout = self._layout
        self._average.recalibrate(
            self._network, (image.contiguous(memory_format=layout) for image in images)
        )

    def _validate(self) -> Validation | None:
        start = time.perf_counter()
        self._recalibrate()
        if not self._validator:
            return None
        validation = self._validator.run(self._network, self._average.state, self._loss)
        self._pacer.validation_seconds = time.perf_counter() - start
        self._pacer.has_new_validation = True
        return validation

    def _epoch_event(
        self, mean_loss: float, validation: Validation | None, *, is_best: bool
    ) -> EpochEnd:
        scores = validation.scores.classes if validation else ()
        speed = self._pacer.speed
        return EpochEnd(
            epoch=self._progress.epoch,
            iteration=self._progress.iteration,
            training_loss=mean_loss,
            validation_loss=validation.loss if validation else None,
            iou={row.name: row.iou for row in scores},
            dice={row.name: row.dice for row in scores},
            score=validation.score if validation else None,
            is_best=is_best,
            learning_rate=self._optimizer.param_groups[0]["lr"],
            voxels_per_second=speed.voxels_per_second,
            data_share=speed.data_share,
            seconds=self._clock.seconds(),
            eta=self._pacer.eta(self._progress),
            memory_bytes=_memory_in_use(self._device),
        )

    def checkpoint(self, name: str) -> CheckpointSaved:
        """Write a checkpoint."""
        start = time.perf_counter()
        scaler = self._precision.scaler
        self._progress = replace(
            self._progress,
            seconds=self._clock.seconds(),
            scaler_scale=float(scaler.get_scale()) if scaler.is_enabled() else None,
        )
        checkpoint = Checkpoint(
            progress=self._progress,
            network=dict(self._network.state_dict()),
            average=self._average.state,
            optimizer=optimizer_tensors(self._optimizer),
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
        if self._source.batch_size == 1:
            raise TrainingError(
                f"The memory of {self._plan.machine.name} does not suffice for one "
                f"patch of {self._plan.patch_size} voxels; use a smaller "
                "sampling.patch_size or fewer network.first_filters."
            )
        self._optimizer.zero_grad(set_to_none=True)
        self._source.batch_size //= 2
        self._progress = replace(self._progress, batch_size=self._source.batch_size)
        return BatchShrunk(self._progress.iteration, self._source.batch_size)

    def _end(self) -> Iterator[Event]:
        """Validate the last weights and write the model."""
        if self._progress.epoch_iterations:
            yield from self._end_epoch()
        self._progress = replace(self._progress, is_complete=True)
        best = self._run.load(BEST) if self._progress.best_score is not None else None
        spec = best.spec if best else self._spec
        weights = best.average if best else self._average.state
        if not self._run.model_path.exists():
            save_model(self._run.model_path, spec, weights)
        yield self.checkpoint(LATEST)

    def result(self, *, is_complete: bool) -> TrainingResult:
        """Summary of the run."""
        model = self._run.model_path
        return TrainingResult(
            run_dir=self._run.path,
            model_path=model if model.exists() else self._run.path,
            iterations=self._progress.iteration,
            epochs=self._progress.epoch,
            seconds=self._clock.seconds(),
            score=self._progress.best_score,
            is_complete=is_complete,
        )


def _scores(validation: Validation) -> dict[str, float | None]:
    overall = validation.scores.overall
    scores = {"IoU": overall.iou, "Dice": overall.dice}
    scores |= {f"IoU {row.name}": row.iou for row in validation.scores.classes}
    return scores | {f"Dice {row.name}": row.dice for row in validation.scores.classes}


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether torch (which raises plain RuntimeErrors on the CPU) ran out of memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error)
    return "DefaultCPUAllocator" in text or "out of memory" in text


def _memory_in_use(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return int(psutil.Process().memory_info().rss)
