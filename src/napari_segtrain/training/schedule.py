"""The learning rate: its course, and the anneal that ends a run of unknown length."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from napari_segtrain.config import (
    CosineSchedule,
    EpochsLength,
    IterationsLength,
    LengthConfig,
    OneCycleSchedule,
    OnPlateauSchedule,
    PiecewiseSchedule,
    PlateauLength,
    PolynomialSchedule,
    ScheduleConfig,
    TimeBudgetLength,
)
from napari_segtrain.errors import ConfigError

WARM_UP_ITERATIONS = 20
WARM_UP_SHARE = 0.05
FINAL_SHARE = 1e-3
ANNEAL_SHARE = 0.2
PLATEAU_ANNEAL_START = 0.8
MIN_ANNEAL_ITERATIONS = 20


@dataclass(frozen=True)
class Moment:
    """Where a run is, as far as a schedule asks.

    Parameters
    ----------
    share : float
        Of the run, or of its longest time, 0 to 1.
    iteration, epoch : int
        Done.
    n_drops : int
        How often the score has stopped rising.
    has_open_end : bool
        Whether the run may end at any time.
    """

    share: float
    iteration: int
    epoch: int = 0
    n_drops: int = 0
    has_open_end: bool = False


def rate_factor(schedule: ScheduleConfig, moment: Moment) -> float:
    """Factor of the peak rate at a moment of a run."""
    if isinstance(schedule, OneCycleSchedule):
        return max(FINAL_SHARE, _cycle(schedule.rise, moment))
    rise = _rise(schedule.warm_up, moment)
    return max(FINAL_SHARE, min(1.0, rise) * _level(schedule, moment))


def _cycle(rise: float | Literal["auto"], moment: Moment) -> float:
    if rise == "auto":
        if moment.has_open_end:
            return warm_up(moment.iteration)
        return one_cycle(moment.share, moment.iteration)
    risen = min(1.0, moment.share / rise)
    if moment.has_open_end:
        return risen
    return risen * _half_cosine((moment.share - rise) / (1 - rise))


def _rise(n_iterations: int | Literal["auto"], moment: Moment) -> float:
    if n_iterations == "auto":
        return _usual_rise(moment.share, moment.iteration)
    return (moment.iteration + 1) / n_iterations if n_iterations else 1.0


def _level(schedule: ScheduleConfig, moment: Moment) -> float:
    if isinstance(schedule, PiecewiseSchedule):
        return schedule.drop_factor ** (moment.epoch // schedule.every_epochs)
    if isinstance(schedule, PolynomialSchedule):
        return float((1 - moment.share) ** schedule.power)
    if isinstance(schedule, CosineSchedule):
        cycles = moment.share * schedule.cycles
        return _half_cosine(cycles % 1 if moment.share < 1 else 1.0)
    if isinstance(schedule, OnPlateauSchedule):
        return schedule.drop_factor**moment.n_drops
    return 1.0


def _half_cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, share))))


def _usual_rise(share: float, iteration: int) -> float:
    return max(share / WARM_UP_SHARE, (iteration + 1) / WARM_UP_ITERATIONS)


def check_schedule(
    schedule: ScheduleConfig, length: LengthConfig, iterations_per_epoch: int | None
) -> None:
    """Refuse a schedule of which a run of known length would see nothing.

    Raises
    ------
    ConfigError
        When the run is over before the rate has risen, or before it first drops.
    """
    n_iterations = fixed_iterations(length, iterations_per_epoch or 0)
    if n_iterations is None:
        return
    rise = 0 if isinstance(schedule, OneCycleSchedule) else schedule.warm_up
    if rise != "auto" and rise >= n_iterations:
        raise ConfigError(
            f"The rate would rise for {rise} iterations, but the training has "
            f"{n_iterations}; use a smaller training.schedule.warm_up or a longer "
            "training."
        )
    if not isinstance(schedule, PiecewiseSchedule) or not iterations_per_epoch:
        return
    if schedule.every_epochs * iterations_per_epoch >= n_iterations:
        raise ConfigError(
            f"The rate would drop after {schedule.every_epochs} epochs of "
            f"{iterations_per_epoch} iterations, but the training has {n_iterations} "
            "iterations; use a smaller training.schedule.every_epochs or a longer "
            "training."
        )


def one_cycle(progress: float, iteration: int) -> float:
    """Factor of the peak rate: a linear rise, then half a cosine down.

    Parameters
    ----------
    progress : float
        Share of the run that is done, 0 to 1.
    iteration : int
        Steps done; the rise lasts `WARM_UP_SHARE` of the run, but not longer than
        `WARM_UP_ITERATIONS`.

    Notes
    -----
    After Smith & Topin (2019), without the momentum cycle.
    """
    rise = min(1.0, _usual_rise(progress, iteration))
    return max(FINAL_SHARE, rise * _half_cosine(progress))


def warm_up(iteration: int) -> float:
    """Factor of the peak rate while the length is open: a rise, then constant."""
    return min(1.0, (iteration + 1) / WARM_UP_ITERATIONS)


@dataclass(frozen=True)
class Anneal:
    """The last part of a run whose end was not known: half a cosine down.

    Parameters
    ----------
    first, n_iterations : int
        The iteration it begins at, and how long it lasts.
    factor : float
        Factor of the peak rate at its beginning.
    reason : str
        Why, for people.
    """

    first: int
    n_iterations: int
    factor: float
    reason: str

    def factor_at(self, iteration: int) -> float:
        """Factor of the peak rate."""
        done = (iteration - self.first) / self.n_iterations
        return max(FINAL_SHARE, self.factor * _half_cosine(done))

    def is_over(self, iteration: int) -> bool:
        """Whether ``iteration`` steps are enough."""
        return iteration >= self.first + self.n_iterations


def anneal_length(iterations: int) -> int:
    """Steps of an anneal that begins after so many."""
    return max(MIN_ANNEAL_ITERATIONS, round(ANNEAL_SHARE * iterations))


def fixed_iterations(length: LengthConfig, iterations_per_epoch: int) -> int | None:
    """Length of a run in steps, where it is known beforehand."""
    if isinstance(length, IterationsLength):
        return length.iterations
    if isinstance(length, EpochsLength):
        return length.epochs * iterations_per_epoch
    return None


def time_limit(length: LengthConfig, max_minutes: float) -> float | None:
    """Longest duration of a run in seconds; ``None`` when it is counted in steps."""
    if isinstance(length, TimeBudgetLength):
        return length.seconds
    if isinstance(length, PlateauLength):
        return 60 * max_minutes
    return None
