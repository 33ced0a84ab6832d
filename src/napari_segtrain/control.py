"""Steering of long work, and the base of the events that it yields."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import ClassVar


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


def is_in_team() -> bool:
    """Whether torchrun has started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_first_process() -> bool:
    """Whether this is the process that shows what happens: the only one, mostly."""
    return not is_in_team() or int(os.environ.get("RANK", "0")) == 0
