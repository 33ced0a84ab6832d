"""What changes all the time is shown once a second, all of it at once."""

from __future__ import annotations

import time

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QDockWidget, QWidget

_BEAT_MS = 1000
_SETTLED_MS = 40


class Beat(QObject):
    """Answers requests at whole seconds, together with all other beats.

    Anything that is painted makes napari's window be put together again, canvas and
    all. Without a GPU the processor does that, and training waits for it. So the dock
    is painted once for a beat, after layouts and plots have settled.

    Parameters
    ----------
    widget : QWidget
        What shows the changes.

    Attributes
    ----------
    struck : Signal()
        There were requests since the last one.
    """

    struck = Signal()

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        self._still: QWidget | None = None
        self._timer = _single_shot(self)
        self._settled = _single_shot(self)
        self._timer.timeout.connect(self._on_second_over)
        self._settled.timeout.connect(self._on_settled)

    def request(self) -> None:
        """Ask for the next beat."""
        if not self._timer.isActive():
            since = int(1000 * time.monotonic()) % _BEAT_MS
            self._timer.start(_BEAT_MS - since)

    def cancel(self) -> None:
        """Forget requests, since what they are for was just done."""
        self._timer.stop()

    def _on_second_over(self) -> None:
        self._still = _content_of_dock(self._widget)
        self._still.setUpdatesEnabled(False)
        self._settled.start(_SETTLED_MS)
        self.struck.emit()

    def _on_settled(self) -> None:
        if self._still is not None and isalive(self._still):
            self._still.setUpdatesEnabled(True)
        self._still = None


def _single_shot(owner: QObject) -> QTimer:
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    return timer


def _content_of_dock(widget: QWidget) -> QWidget:
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        widget, parent = parent, parent.parentWidget()
    return widget
