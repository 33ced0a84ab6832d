"""Running work is listed in napari's activity window, and can be cancelled there."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from napari.utils import cancelable_progress
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QApplication, QLabel, QMainWindow

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QMovie

_DELAY_MS = 500
_FULL_SPEED = 100
_CALM_SPEED = 3


class Activity(QObject):
    """A line of the activity window, for work that takes longer than a moment.

    Parameters
    ----------
    title : str
        What is done.
    stop : callable
        Called when the user presses Cancel.
    parent : QObject
        Owner.
    """

    def __init__(self, title: str, stop: Callable[[], None], parent: QObject) -> None:
        super().__init__(parent)
        self._title = title
        self._stop = stop
        self._bar: _Bar | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY_MS)
        self._timer.timeout.connect(self._on_moment_over)
        self._timer.start()

    def end(self) -> None:
        """Take the line away."""
        self._timer.stop()
        if self._bar is not None:
            self._bar.close()
            self._bar = None
            _turn_spinners(_FULL_SPEED)

    def _on_moment_over(self) -> None:
        # without a viewer there is no list, and the terminal is not ours to write to
        self._bar = _Bar(total=0, desc=self._title, file=io.StringIO())
        self._bar.stop = self._stop
        _turn_spinners(_CALM_SPEED)


class _Bar(cancelable_progress):
    """Tells at once that it is cancelled; napari's waits for a loop that it drives."""

    stop: Callable[[], None]

    def cancel(self) -> None:
        super().cancel()
        self.stop()


def _turn_spinners(percent: int) -> None:
    """Set the speed of the spinners in napari's status bars.

    At their full speed they have the whole window put together 30 times a second,
    which without a GPU makes a training 30 % slower.
    """
    for window in QApplication.topLevelWidgets():
        if isinstance(window, QMainWindow):
            for movie in _movies(window.statusBar()):
                movie.setSpeed(percent)


def _movies(widget: Any) -> list[QMovie]:
    labels = widget.findChildren(QLabel)
    return [label.movie() for label in labels if label.movie() is not None]
