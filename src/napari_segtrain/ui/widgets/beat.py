"""What changes all the time is shown once a second, all of it at once."""

from __future__ import annotations

import time
from typing import cast

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
        self._timer = _single_shot(self)
        self._timer.timeout.connect(self._on_second_over)

    def request(self) -> None:
        """Ask for the next beat."""
        if not self._timer.isActive():
            since = int(1000 * time.monotonic()) % _BEAT_MS
            self._timer.start(_BEAT_MS - since)

    def cancel(self) -> None:
        """Forget requests, since what they are for was just done."""
        self._timer.stop()

    def _on_second_over(self) -> None:
        _stillness_of(_content_of_dock(self._widget)).begin()
        self.struck.emit()


class _Stillness(QObject):
    """Nothing of a widget is painted for a moment.

    It belongs to that widget: the one that asked for it may be gone by its end.
    """

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._timer = _single_shot(self)
        self._timer.timeout.connect(self._on_settled)

    def begin(self) -> None:
        """Begin, or begin anew."""
        self._widget().setUpdatesEnabled(False)
        self._timer.start(_SETTLED_MS)

    def _on_settled(self) -> None:
        self._widget().setUpdatesEnabled(True)

    def _widget(self) -> QWidget:
        return cast("QWidget", self.parent())


def _stillness_of(widget: QWidget) -> _Stillness:
    for child in widget.children():
        if isinstance(child, _Stillness):
            return child
    return _Stillness(widget)


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
