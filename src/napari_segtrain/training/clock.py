"""Time that a run has used, pauses left out, how fast it goes, and deadlines."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_segtrain.control import RunControl


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


class CutShort(Exception):
    """Time or the user ended something before it came to a result.

    Parameters
    ----------
    is_stopped : bool
        Whether it was the user.
    """

    def __init__(self, *, is_stopped: bool) -> None:
        super().__init__("it was stopped" if is_stopped else "the time was over")
        self.is_stopped = is_stopped


class Deadline:
    """Until when something may go on, which the user may also pause or stop.

    Parameters
    ----------
    seconds : float, optional
        From now, pauses left out; no end without it.
    control : RunControl, optional
        Stop and pause.
    """

    def __init__(
        self, seconds: float | None = None, control: RunControl | None = None
    ) -> None:
        self._end = math.inf if seconds is None else time.perf_counter() + seconds
        self._control = control

    def is_over(self) -> bool:
        """Wait while paused; then tell whether time or the user ends the work."""
        if self._control is not None and self._control.is_paused:
            start = time.perf_counter()
            self._control.wait_while_paused()
            self._end += time.perf_counter() - start
        return self._is_stopped or time.perf_counter() >= self._end

    @property
    def seconds_left(self) -> float:
        """Time until then, at least 0; infinite without a limit."""
        return max(0.0, self._end - time.perf_counter())

    def check(self) -> None:
        """Raise `CutShort` when it is over."""
        if self.is_over():
            raise CutShort(is_stopped=self._is_stopped)

    def check_stop(self) -> None:
        """Raise `CutShort` when the user ends the work, however late it is."""
        self.is_over()
        if self._is_stopped:
            raise CutShort(is_stopped=True)

    @property
    def _is_stopped(self) -> bool:
        return self._control is not None and self._control.is_stopping


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
