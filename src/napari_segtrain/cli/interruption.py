"""Ctrl-C and SIGTERM: the first asks for a stop, the second ends at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from napari_segtrain.control import RunControl, is_first_process, is_in_team

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SIGNAL_BASE = 128


class SignalControl(RunControl):
    """Is stopped by a signal, and remembers which."""

    def __init__(self, note: str) -> None:
        super().__init__()
        self._note = note
        self._number = signal.SIGINT

    def on_signal(self, number: int, _frame: object) -> None:
        """Ask for a stop; end at once when that was asked before.

        torchrun makes two signals of one Ctrl-C, and ends what takes too long itself.
        """
        if self.is_stopping:
            if is_in_team():
                return
            raise KeyboardInterrupt
        self._number = signal.Signals(number)
        if is_first_process():
            typer.echo(f"stopping: {self._note}", err=True)
        self.stop()

    def leave(self) -> typer.Exit:
        """Return what is raised to leave as a program does that a signal ended."""
        return typer.Exit(_SIGNAL_BASE + self._number)


@contextmanager
def interruptible(note: str) -> Iterator[SignalControl]:
    """Give a control that signals stop.

    Parameters
    ----------
    note : str
        What is done before the end, for the user.
    """
    control = SignalControl(note)
    old = {name: signal.signal(name, control.on_signal) for name in _SIGNALS}
    try:
        yield control
    finally:
        for name, handler in old.items():
            signal.signal(name, handler)
