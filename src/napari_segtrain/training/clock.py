"""Time that a run has used, pauses left out, and how fast it goes."""

from __future__ import annotations

import time


class RunClock:
    """Seconds since the start, earlier parts of a resumed run included.

    Parameters
    ----------
    started : float
        `time.perf_counter` at the call of the run.
    used_before : float
        Seconds used by earlier parts.
    """

    def __init__(self, started: float, used_before: float) -> None:
        self._zero = started - used_before

    def seconds(self) -> float:
        """Seconds used so far."""
        return time.perf_counter() - self._zero

    def leave_out(self, seconds: float) -> None:
        """Do not count so many seconds, which were a pause."""
        self._zero += seconds


class Speedometer:
    """Voxels per second and share of time spent waiting, over the last iterations."""

    _MEMORY = 0.9

    def __init__(self) -> None:
        self.iteration_seconds = 0.0
        self.data_share = 0.0
        self.voxels_per_second = 0.0

    def add(self, waited: float, computed: float, n_voxels: int) -> None:
        """Count an iteration.

        Parameters
        ----------
        waited, computed : float
            Seconds waited for the batch, and spent on it.
        n_voxels : int
            Voxels of its patches.
        """
        seconds = max(1e-9, waited + computed)
        keep = self._MEMORY if self.iteration_seconds else 0.0
        self.iteration_seconds = keep * self.iteration_seconds + (1 - keep) * seconds
        self.data_share = keep * self.data_share + (1 - keep) * waited / seconds
        speed = n_voxels / seconds
        self.voxels_per_second = keep * self.voxels_per_second + (1 - keep) * speed
