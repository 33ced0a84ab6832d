"""The learning rate: one cycle over a known length, or a plateau that is annealed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_segtrain.config import (
    EpochsLength,
    IterationsLength,
    LengthConfig,
    PlateauLength,
    TimeBudgetLength,
)

WARM_UP_ITERATIONS = 20
WARM_UP_SHARE = 0.05
FINAL_SHARE = 1e-3
ANNEAL_SHARE = 0.2
PLATEAU_ANNEAL_START = 0.8
MIN_ANNEAL_ITERATIONS = 20


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
    rise = max(progress / WARM_UP_SHARE, (iteration + 1) / WARM_UP_ITERATIONS)
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, progress))))
    return max(FINAL_SHARE, min(1.0, rise) * fall)


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
        done = min(1.0, (iteration - self.first) / self.n_iterations)
        return max(FINAL_SHARE, self.factor * 0.5 * (1 + math.cos(math.pi * done)))

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
