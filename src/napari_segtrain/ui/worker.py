"""Long work in a thread, with its events in the GUI thread.

The only module that starts threads. Work is a generator of events that reads a
`RunControl`; stopping it is a flag that it reads, never an exception, so that every
stop ends in a checkpoint.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from napari.qt.threading import GeneratorWorker, create_worker
from qtpy.QtCore import QObject, QThreadPool, Signal

from napari_segtrain.control import Event, RunControl
from napari_segtrain.heap import trim_heap
from napari_segtrain.ui.activity import Activity
from napari_segtrain.workflows.failures import error_report, explain

Result = TypeVar("Result")
Work = Generator[Event, None, Result]

_EVENT_SECONDS = 0.1
_STACK_BYTES = 16 << 20
_log = logging.getLogger(__name__)
_running: set[Task] = set()


@dataclass(frozen=True)
class Failure:
    """Why work could not go on.

    Parameters
    ----------
    text : str
        One sentence for the user.
    details : str
        Traceback and versions, to be copied into a report.
    """

    text: str
    details: str


@dataclass(frozen=True)
class _Success:
    """Result of work; told apart from a `Failure`."""

    result: Any


class Task(QObject):
    """Work that runs in a thread; lives in the GUI thread.

    Its signals reach bound methods of Qt objects in the GUI thread, and are dropped
    with them.

    Parameters
    ----------
    control : RunControl
        Flags that the work reads.
    title : str
        For people.
    is_stoppable : bool
        Whether the work reads the control; napari offers to cancel no other.

    Attributes
    ----------
    reported : Signal(Event)
        What the work reports; frequent events are thinned.
    succeeded : Signal(object)
        Result.
    failed : Signal(Failure)
        Why there is none.
    ended : Signal()
        The last signal, always.
    stop_asked : Signal()
        The user pressed Cancel in napari's activity list; the task stops.
    """

    reported = Signal(object)
    succeeded = Signal(object)
    failed = Signal(object)
    ended = Signal()
    stop_asked = Signal()

    def __init__(
        self, control: RunControl, title: str, *, is_stoppable: bool = True
    ) -> None:
        super().__init__()
        self.control = control
        self.title = title
        self.is_running = True
        cancel = self._on_activity_cancelled if is_stoppable else None
        self._activity = Activity(title, cancel, self)
        # a slot of its own, as whatever listens to napari's list may fail
        self.ended.connect(self._activity.end)

    def stop(self) -> None:
        """Ask the work to save what it has and end."""
        self.control.stop()

    def pause(self) -> None:
        """Hold the work."""
        self.control.pause()

    def resume(self) -> None:
        """Let held work go on."""
        self.control.resume()

    def finish(self) -> None:
        """Ask a training to anneal, validate, save and end."""
        self.control.finish()

    def _on_activity_cancelled(self) -> None:
        self.stop_asked.emit()
        self.stop()

    def _on_worker_yielded(self, event: Event) -> None:
        self.reported.emit(event)

    def _on_worker_returned(self, outcome: _Success | Failure) -> None:
        self.is_running = False
        _running.discard(self)
        if isinstance(outcome, Failure):
            self.failed.emit(outcome)
        else:
            self.succeeded.emit(outcome.result)
        self.ended.emit()
        trim_heap()  # what the result replaces


class _Worker(GeneratorWorker):
    """A napari worker whose `quit` is a request that the work itself answers.

    napari calls `quit` when a task is cancelled or the window closes.
    """

    control: RunControl

    def quit(self) -> None:
        """Ask the work to save and return."""
        self.control.stop()


class _Titled(functools.partial[Work[Any]]):
    """Work that napari shows by its title."""

    title: str

    def __str__(self) -> str:
        return self.title


def start_task(
    make: Callable[[RunControl], Generator[Event, None, Any]],
    *,
    title: str,
    is_stoppable: bool = True,
) -> Task:
    """Run a generator of events in a thread.

    Parameters
    ----------
    make : callable
        Is given the control and returns the generator; both are called in the thread,
        which may import what is slow to import.
    title : str
        Shown in napari's activity list.
    is_stoppable : bool
        Whether the work reads the control.

    Returns
    -------
    Task
        It lives for as long as the work, whether it is kept or not.
    """
    control = RunControl()
    task = Task(control, title, is_stoppable=is_stoppable)
    pool = QThreadPool.globalInstance()
    pool.setStackSize(max(pool.stackSize(), _STACK_BYTES))
    # an idle thread keeps its OpenMP team, and one team too many puts all to sleep
    # between loops, which made a training 20 % slower
    pool.setExpiryTimeout(0)
    work = _Titled(_relayed, [make], control)
    work.title = title
    worker = create_worker(
        work,
        _worker_class=_Worker,
        _ignore_errors=True,
        _start_thread=False,
    )
    worker.control = control
    worker.warned.connect(_log_warning)
    worker.yielded.connect(task._on_worker_yielded)  # noqa: SLF001 - its other half
    worker.returned.connect(task._on_worker_returned)  # noqa: SLF001
    _running.add(task)
    worker.start()
    return task


def _log_warning(shown: tuple[Any, ...]) -> None:
    """Log warnings of libraries, which napari would pop up."""
    _log.info("%s", shown[0])


def start_job(function: Callable[[], Any], *, title: str) -> Task:
    """Run a function in a thread, to its end; see `start_task`."""

    def make(_control: RunControl) -> Generator[Event, None, Any]:
        yield from ()
        return function()

    return start_task(make, title=title, is_stoppable=False)


def _relayed(
    todo: list[Callable[[RunControl], Generator[Event, None, Any]]], control: RunControl
) -> Generator[Event, None, _Success | Failure]:
    """Pass events on, and turn any error into a `Failure`.

    A napari worker swallows a RuntimeError, as torch raises it, and would never end.
    A thread of the pool that waits for hours is replaced by another. What is to be done
    is taken out of its list, since napari keeps the workers of a window, and with them
    the arguments, until the window closes.
    """
    pool = QThreadPool.globalInstance()
    pool.releaseThread()
    try:
        return _Success((yield from _thinned(todo.pop()(control))))
    except BaseException as error:  # noqa: BLE001 - the outer edge of a thread
        return _failure(error)
    finally:
        trim_heap()
        pool.reserveThread()


def _thinned(work: Work[Result]) -> Work[Result]:
    """Drop events that follow one of their kind too closely to be looked at."""
    shown: dict[type[Event], float] = {}
    while True:
        try:
            event = next(work)
        except StopIteration as end:
            result: Result = end.value
            return result
        now = time.monotonic()
        if event.is_frequent and now - shown.get(type(event), 0.0) < _EVENT_SECONDS:
            continue
        shown[type(event)] = now
        yield event


def _failure(error: BaseException) -> Failure:
    details = error_report(error)
    text = explain(error)
    if text is None:
        text = (
            f"Something went wrong inside napari-segtrain ({type(error).__name__}: "
            f"{error}); please report it with the details."
        )
    return Failure(text, details)
