"""Work that is asked for again and again, of which only the last answer counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_segtrain.ui.worker import start_job

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_segtrain.ui.worker import Failure, Task


class LatestJob(QObject):
    """Runs functions in a thread, one at a time.

    A function that is asked for while another runs waits for its end; of several that
    wait, the last one runs. Answers that were overtaken are dropped.

    Parameters
    ----------
    title : str
        Shown in napari's activity list.
    parent : QObject
        Owner.

    Attributes
    ----------
    started : Signal()
        An answer is on its way.
    succeeded : Signal(object)
        Result of the function asked for last.
    failed : Signal(Failure)
        Why there is none.
    """

    started = Signal()
    succeeded = Signal(object)
    failed = Signal(object)

    def __init__(self, title: str, parent: QObject) -> None:
        super().__init__(parent)
        self._title = title
        self._task: Task | None = None
        self._waiting: Callable[[], Any] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._on_timer_timeout)

    @property
    def is_busy(self) -> bool:
        """Whether an answer is still to come."""
        return self._task is not None or self._waiting is not None

    def ask(self, function: Callable[[], Any], *, delay: int = 0) -> None:
        """Run a function after ``delay`` ms in which no other was asked for."""
        self._waiting = function
        self._timer.start(delay)

    def forget(self) -> None:
        """Drop what waits, and the answer to what runs."""
        self._waiting = None
        self._timer.stop()
        self._drop_task()

    def _drop_task(self) -> None:
        if self._task is not None:
            self._task.succeeded.disconnect(self._on_task_succeeded)
            self._task.failed.disconnect(self._on_task_failed)
            self._task.ended.disconnect(self._on_task_ended)
            self._task = None

    def _on_timer_timeout(self) -> None:
        if self._task is None:
            self._run_waiting()

    def _run_waiting(self) -> None:
        function, self._waiting = self._waiting, None
        if function is None:
            return
        self.started.emit()
        task = self._task = start_job(function, title=self._title)
        task.succeeded.connect(self._on_task_succeeded)
        task.failed.connect(self._on_task_failed)
        task.ended.connect(self._on_task_ended)

    def _on_task_succeeded(self, result: object) -> None:
        if self._waiting is None:
            self.succeeded.emit(result)

    def _on_task_failed(self, failure: Failure) -> None:
        if self._waiting is None:
            self.failed.emit(failure)

    def _on_task_ended(self) -> None:
        self._task = None
        if not self._timer.isActive():
            self._run_waiting()
