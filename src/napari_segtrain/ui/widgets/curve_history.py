"""Losses and scores of a run, thinned so that any run fits on a screen; knows no Qt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MAX_POINTS = 2000
"""Of one line, at most."""

_SMOOTH_SHARE = 50
_MIN_SMOOTH = 3

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class EpochPoint:
    """The end of an epoch.

    Parameters
    ----------
    epoch, iteration : int
        Counted from 1.
    seconds : float
        Since the start of the run.
    training_loss : float
        Mean over the epoch.
    validation_loss : float, optional
        ``None`` when nothing is held out.
    iou : mapping of str to float
        By class name; ``None`` for a class that does not occur.
    is_best : bool
        Whether no epoch before was better.
    """

    epoch: int
    iteration: int
    seconds: float
    training_loss: float
    validation_loss: float | None
    iou: Mapping[str, float | None]
    is_best: bool = False


class LossTrack:
    """Losses of iterations; neighbors are averaged as often as needed."""

    def __init__(self) -> None:
        self._rows = np.empty((MAX_POINTS, 3))
        self._n_rows = 0
        self._n_merged = 1
        self._sum = np.zeros(3)
        self._n_pending = 0

    def add(self, iteration: int, seconds: float, loss: float) -> None:
        """Append an iteration."""
        self._sum += (iteration, seconds, loss)
        self._n_pending += 1
        if self._n_pending < self._n_merged:
            return
        if self._n_rows == MAX_POINTS - 1:
            self._halve()
        self._rows[self._n_rows] = self._sum / self._n_pending
        self._n_rows += 1
        self._sum[:] = 0
        self._n_pending = 0

    def points(self) -> Values:
        """Return rows of iteration, seconds and loss, the newest included."""
        rows = self._rows[: self._n_rows]
        if self._n_pending:
            rows = np.vstack([rows, self._sum / self._n_pending])
        return rows.copy()

    def _halve(self) -> None:
        n_pairs = self._n_rows // 2
        pairs = self._rows[: 2 * n_pairs].reshape(n_pairs, 2, 3).mean(axis=1)
        odd = self._rows[2 * n_pairs : self._n_rows].copy()
        self._n_rows = n_pairs + len(odd)
        self._rows[:n_pairs] = pairs
        self._rows[n_pairs : self._n_rows] = odd
        self._n_merged *= 2


class CurveHistory:
    """What the curves of a run show."""

    def __init__(self) -> None:
        self.track = LossTrack()
        self.epochs: list[EpochPoint] = []

    @property
    def best(self) -> EpochPoint | None:
        """The best epoch so far."""
        return next((e for e in reversed(self.epochs) if e.is_best), None)

    @property
    def names(self) -> list[str]:
        """Classes with a score."""
        return list(dict.fromkeys(name for e in self.epochs for name in e.iou))

    def add_epoch(self, point: EpochPoint) -> None:
        """Append an epoch; when there are too many, every second one is dropped."""
        self.epochs.append(point)
        if len(self.epochs) > MAX_POINTS:
            best = self.best
            last = len(self.epochs) - 1
            self.epochs = [
                epoch
                for index, epoch in enumerate(self.epochs)
                if index % 2 == last % 2 or epoch is best
            ]


def smooth(values: Values) -> Values:
    """Running mean with weights that decay over a fiftieth of the values.

    Values that are not finite change nothing.
    """
    decay = 1 - 1 / max(_MIN_SMOOTH, len(values) / _SMOOTH_SHARE)
    smoothed = np.full(len(values), np.nan)
    total = weight = 0.0
    for index, value in enumerate(values.tolist()):
        if math.isfinite(value):
            total = decay * total + value
            weight = decay * weight + 1
        if weight:
            smoothed[index] = total / weight
    return smoothed
