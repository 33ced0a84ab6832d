"""Steering of long work, and the base of the events that it yields."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import ClassVar

_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Event:
    """Something that long work reports; each package defines its own children.

    Attributes
    ----------
    is_frequent : bool
        Whether a face may leave some out that follow one another closely.
    """

    is_frequent: ClassVar[bool] = False


class RunControl:
    """Stop, pause and finish-now flags that any thread may set.

    Long work reads them between two iterations (or tiles); nothing is interrupted in
    the middle.
    """

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._finish = threading.Event()
        self._go_on = threading.Event()
        self._go_on.set()

    def stop(self) -> None:
        """Ask the work to save what it has and return."""
        self._stop.set()
        self._go_on.set()

    def finish(self) -> None:
        """Ask a training run to anneal its rate, validate, save and return."""
        self._finish.set()
        self._go_on.set()

    def pause(self) -> None:
        """Hold the work after its present iteration or tile, unless it is to stop."""
        self._go_on.clear()
        if self.is_stopping:  # asked last, since another thread may stop meanwhile
            self._go_on.set()

    def resume(self) -> None:
        """Let paused work go on."""
        self._go_on.set()

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    @property
    def is_finishing(self) -> bool:
        """Whether `finish` was called."""
        return self._finish.is_set()

    @property
    def is_paused(self) -> bool:
        """Whether the work is to hold."""
        return not self._go_on.is_set()

    def wait_while_paused(self, timeout: float | None = None) -> bool:
        """Block while paused; return whether the work may go on.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; without it, until resumed, stopped or finished.
        """
        return self._go_on.wait(timeout)


class LinkedControl(RunControl):
    """Stops and pauses with another control; stopped by itself, it alone stops.

    Parameters
    ----------
    other : RunControl
        Of the work that this one steers a part of.
    """

    def __init__(self, other: RunControl) -> None:
        super().__init__()
        self._other = other

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` of either was called."""
        return super().is_stopping or self._other.is_stopping

    @property
    def is_paused(self) -> bool:
        """Whether the other one holds its work, and this one was not stopped."""
        return self._other.is_paused and not self.is_stopping

    def wait_while_paused(self, timeout: float | None = None) -> bool:
        """Block while paused; see `RunControl.wait_while_paused`."""
        if timeout is not None:
            return self._other.wait_while_paused(timeout)
        while self.is_paused:
            self._other.wait_while_paused(_POLL_SECONDS)
        return True


def is_in_team() -> bool:
    """Whether torchrun has started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_first_process() -> bool:
    """Whether this is the process that shows what happens: the only one, mostly."""
    return not is_in_team() or int(os.environ.get("RANK", "0")) == 0
