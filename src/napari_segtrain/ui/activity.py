"""Running work is listed in napari's activity window, and can be cancelled there."""

from __future__ import annotations

import io
import weakref
from typing import TYPE_CHECKING, Any

from napari.utils import cancelable_progress, progress
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QApplication, QLabel, QMainWindow, QStatusBar

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QMovie

_DELAY_MS = 500
_FULL_SPEED = 100
_CALM_SPEED = 3

_shown: weakref.WeakSet[Activity] = weakref.WeakSet()


class Activity(QObject):
    """A line of the activity window, for work that takes longer than a moment.

    Parameters
    ----------
    title : str
        What is done.
    stop : callable, optional
        Called when the user presses Cancel; without it there is nothing to press.
    parent : QObject
        Owner.
    """

    def __init__(
        self, title: str, stop: Callable[[], None] | None, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._title = title
        self._stop = stop
        self._is_over = False
        self._bar: progress | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY_MS)
        self._timer.timeout.connect(self._on_moment_over)
        self._timer.start()

    def end(self) -> None:
        """Take the line away."""
        self._is_over = True
        self._timer.stop()
        self._stop = None
        bar, self._bar = self._bar, None
        if bar is not None:
            _shown.discard(self)
            _turn_spinners()
            _close(bar)

    def _on_moment_over(self) -> None:
        bar = _build_bar(self._title, self._stop)
        if self._is_over:  # napari handles events while it lists the bar
            _close(bar)
            return
        self._bar = bar
        _shown.add(self)
        _turn_spinners()


class _Bar(cancelable_progress):
    """Tells at once that it is cancelled; napari's waits for a loop that it drives."""

    def cancel(self) -> None:
        super().cancel()
        if self.cancel_callback is not None:
            self.cancel_callback()


def _build_bar(title: str, stop: Callable[[], None] | None) -> progress:
    # without a viewer there is no list, and the terminal is not ours to write to
    nowhere = io.StringIO()
    if stop is None:
        return progress(total=0, desc=title, file=nowhere)
    return _Bar(total=0, desc=title, file=nowhere, cancel_callback=stop)


def _close(bar: progress) -> None:
    """Take a bar from the list; whoever keeps it does not keep the work."""
    if isinstance(bar, _Bar):
        bar.cancel_callback = None
    try:
        bar.close()
    finally:
        bar.disable = True  # or it closes itself again, when a listener has failed


def _turn_spinners() -> None:
    """Set the speed of the spinners in napari's status bars.

    At their full speed they have the whole window put together 30 times a second,
    which without a GPU makes a training 30 % slower.
    """
    percent = _CALM_SPEED if _shown else _FULL_SPEED
    for window in QApplication.topLevelWidgets():
        if isinstance(window, QMainWindow):
            for movie in _movies(window):
                movie.setSpeed(percent)


def _movies(window: QMainWindow) -> list[QMovie]:
    # `statusBar()` would add one to a window that has none
    bars = [child for child in window.children() if isinstance(child, QStatusBar)]
    labels: list[Any] = [label for bar in bars for label in bar.findChildren(QLabel)]
    return [label.movie() for label in labels if label.movie() is not None]
