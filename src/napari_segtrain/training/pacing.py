"""When to validate, when to anneal and when to end."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_segtrain.config import (
    LengthConfig,
    OnPlateauSchedule,
    PlateauLength,
    ScheduleConfig,
)
from napari_segtrain.training.clock import RunClock, Speedometer
from napari_segtrain.training.schedule import (
    MIN_ANNEAL_ITERATIONS,
    PLATEAU_ANNEAL_START,
    Anneal,
    Moment,
    anneal_length,
    fixed_iterations,
    rate_factor,
    time_limit,
)

if TYPE_CHECKING:
    from napari_segtrain.training.checkpoint import Progress

MIN_SCORE_GAIN = 0.002
_FINISH_SHARE = 0.1
_MAX_FINISH_ITERATIONS = 150
_VALIDATION_SHARE = 0.04
_EPOCHS_PER_RUN = 10
_MAX_EPOCH_SECONDS = 20.0
_CALIBRATION_ITERATIONS = 8
_FORWARD_SHARE = 0.4
_MIN_RESERVE = 0.3
_SAVE_FACTOR = 4.0
TUNING_SHARE = 0.05
_FINAL_FACTOR = 1.7
"""What a decision costs, over what a validation takes for its voxels."""


class Pacer:
    """Answers the loop's questions about time.

    Parameters
    ----------
    length : LengthConfig
        How long the run lasts.
    schedule : ScheduleConfig
        Course of the learning rate.
    max_minutes : float
        Longest time of a run until plateau.
    iterations_per_epoch : int, optional
        ``None``: measured by `calibrated_epoch`.
    clock : RunClock
        Time used.
    """

    def __init__(
        self,
        length: LengthConfig,
        schedule: ScheduleConfig,
        *,
        max_minutes: float,
        iterations_per_epoch: int | None,
        clock: RunClock,
    ) -> None:
        self._length = length
        self._schedule = schedule
        self._clock = clock
        self.iterations_per_epoch = iterations_per_epoch or 0
        self._is_measured = iterations_per_epoch is None
        self._has_new_validation = False
        self.n_iterations = fixed_iterations(length, self.iterations_per_epoch)
        self._limit = time_limit(length, max_minutes)
        self.speed = Speedometer()
        self.final_voxels = 0
        """Voxels that are predicted at the end, to choose a decision and to compare."""
        self._judged_voxels = 1
        self.validation_seconds = 0.0
        self.save_seconds = 0.0

    def expect_validation(self, n_voxels: int) -> None:
        """Guess what a validation costs from the training speed, until one was made.

        Parameters
        ----------
        n_voxels : int
            Voxels that pass the network.
        """
        self._judged_voxels = max(1, n_voxels)
        if not self.validation_seconds and self.speed.voxels_per_second:
            cost = n_voxels * _FORWARD_SHARE / self.speed.voxels_per_second
            self.validation_seconds = cost

    def note_validation(self, seconds: float) -> None:
        """Take note of what a validation cost."""
        self.validation_seconds = seconds
        self._has_new_validation = True

    @property
    def reserve(self) -> float:
        """Seconds to keep for the last validation and for writing the model."""
        saving = max(_MIN_RESERVE, _SAVE_FACTOR * self.save_seconds)
        return saving + 1.1 * self.validation_seconds + self._final_seconds

    @property
    def judging_speed(self) -> float:
        """Voxels that a validation predicts in a second; 0 when not known yet."""
        seconds = self.validation_seconds
        return self._judged_voxels / seconds if seconds else 0.0

    @property
    def _final_seconds(self) -> float:
        """What predictions at the end are expected to take."""
        share = self.final_voxels / self._judged_voxels
        expected = _FINAL_FACTOR * share * self.validation_seconds
        return min(expected, TUNING_SHARE * (self._limit or math.inf))

    @property
    def tuning_limit(self) -> float | None:
        """Seconds that choosing a decision may take now; ``None`` without a limit."""
        if self._limit is None:
            return None
        left = self._limit - self._clock.seconds() - _SAVE_FACTOR * self.save_seconds
        return min(left, TUNING_SHARE * self._limit)

    def share_done(self, iteration: int) -> float:
        """Share of the run that is done, 0 to 1."""
        if self.n_iterations:
            return min(1.0, iteration / self.n_iterations)
        limit = self._limit or 1.0
        return min(1.0, self._clock.seconds() / max(1e-3, limit - self.reserve))

    def rate_factor(self, progress: Progress) -> float:
        """Factor of the peak learning rate for the next iteration."""
        if progress.anneal:
            return progress.anneal.factor_at(progress.iteration)
        moment = Moment(
            share=self.share_done(progress.iteration),
            iteration=progress.iteration,
            epoch=progress.epoch,
            n_drops=progress.n_drops,
            has_open_end=isinstance(self._length, PlateauLength),
        )
        return rate_factor(self._schedule, moment)

    def count_drop(self, progress: Progress) -> Progress:
        """At the end of an epoch, count a plateau on which the rate is to drop."""
        n = progress.epochs_without_gain
        schedule = self._schedule
        if isinstance(schedule, OnPlateauSchedule) and n and not n % schedule.patience:
            return replace(progress, n_drops=progress.n_drops + 1)
        return progress

    def is_over(self, progress: Progress) -> bool:
        """Whether no further iteration is to be made."""
        if progress.anneal and progress.anneal.is_over(progress.iteration):
            return True
        if self.n_iterations:
            return progress.iteration >= self.n_iterations
        margin = 0.5 * self.speed.iteration_seconds
        limit = (self._limit or 0.0) - self.reserve - margin
        return self._clock.seconds() >= limit

    def is_epoch_end(self, progress: Progress) -> bool:
        """Whether a validation is due, and not the last one at once after it."""
        is_full = 0 < self.iterations_per_epoch <= progress.epoch_iterations
        return is_full and self._clock.seconds() < self._last_validation_start

    @property
    def _last_validation_start(self) -> float:
        """Seconds from which on a validation takes the time of the last one."""
        if self.n_iterations or not self._limit:
            return math.inf
        return self._limit - self.reserve - self.validation_seconds

    def calibrate_epoch(self, progress: Progress) -> Progress:
        """Choose the iterations per epoch from what iteration and validation cost."""
        if not self._is_measured or progress.iteration < _CALIBRATION_ITERATIONS:
            return progress
        if self.iterations_per_epoch and not self._has_new_validation:
            return progress
        self._has_new_validation = False
        share = (self._limit or 0.0) / _EPOCHS_PER_RUN
        seconds = max(
            self.validation_seconds / _VALIDATION_SHARE, min(share, _MAX_EPOCH_SECONDS)
        )
        n = max(10, round(seconds / max(1e-4, self.speed.iteration_seconds)))
        self.iterations_per_epoch = n
        return replace(progress, iterations_per_epoch=n)

    def begin_anneal(self, progress: Progress, *, is_finishing: bool) -> Anneal | None:
        """Return the last part of the run when it has to begin now.

        Parameters
        ----------
        progress : Progress
            Where the run is.
        is_finishing : bool
            Whether the user asks to finish now.
        """
        if progress.anneal:
            return None
        if is_finishing:
            n = round(_FINISH_SHARE * progress.iteration)
            n = min(max(n, MIN_ANNEAL_ITERATIONS), _MAX_FINISH_ITERATIONS)
            return self._anneal(progress, n, "finish now")
        if not isinstance(self._length, PlateauLength):
            return None
        if progress.epochs_without_gain >= self._length.patience:
            n = anneal_length(progress.iteration)
            reason = f"no better score for {self._length.patience} epochs"
            return self._anneal(progress, self._fitting(n), reason)
        if self.share_done(progress.iteration) >= PLATEAU_ANNEAL_START:
            n = self._fitting(progress.iteration)
            return self._anneal(progress, n, "the time is nearly over")
        return None

    def _anneal(self, progress: Progress, n_iterations: int, reason: str) -> Anneal:
        factor = self.rate_factor(progress)
        return Anneal(progress.iteration, n_iterations, factor, reason)

    def _fitting(self, n_iterations: int) -> int:
        """So many iterations, or as many as the time that is left allows."""
        left = (self._limit or 0.0) - self.reserve - self._clock.seconds()
        affordable = int(0.95 * left / max(1e-4, self.speed.iteration_seconds))
        return max(1, min(n_iterations, affordable))

    def eta(self, progress: Progress) -> float | None:
        """Seconds to the end, as far as known; for a plateau the longest."""
        per_iteration = self.speed.iteration_seconds
        if progress.anneal:
            last = progress.anneal.first + progress.anneal.n_iterations
            return max(0, last - progress.iteration) * per_iteration + self.reserve
        if self.n_iterations:
            return (self.n_iterations - progress.iteration) * per_iteration
        return max(0.0, (self._limit or 0.0) - self._clock.seconds())
