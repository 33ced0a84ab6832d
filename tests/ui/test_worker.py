from __future__ import annotations

import gc
import threading
import time
import warnings
import weakref
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
from napari.utils.notifications import notification_manager
from napari.utils.progress import cancelable_progress, progress

from napari_segtrain.control import Event
from napari_segtrain.errors import DataError
from napari_segtrain.ui.worker import Failure, start_job, start_task


@dataclass(frozen=True)
class Step(Event):
    number: int


@dataclass(frozen=True)
class Often(Event):
    is_frequent: ClassVar[bool] = True

    number: int


def listed(title: str) -> list[progress]:
    bars = progress._all_instances  # noqa: SLF001 - what the activity window shows
    return [bar for bar in bars if bar.desc.startswith(title)]


def ended(qtbot, task) -> dict[str, list]:
    """What a task said until its end."""
    said: dict[str, list] = {"events": [], "results": [], "failures": []}
    task.reported.connect(said["events"].append)
    task.succeeded.connect(said["results"].append)
    task.failed.connect(said["failures"].append)
    with qtbot.waitSignal(task.ended, timeout=5000):
        pass
    return said


def test_events_and_result_arrive(qtbot) -> None:
    def work(_control):
        yield Step(1)
        yield Step(2)
        return threading.current_thread() is threading.main_thread()

    task = start_task(work, title="a task")
    assert task.is_running
    said = ended(qtbot, task)
    assert said == {
        "events": [Step(1), Step(2)], "results": [False], "failures": []
    }  # fmt: skip
    assert not task.is_running


@pytest.mark.parametrize("kind", [RuntimeError, ValueError, KeyError, SystemExit])
def test_any_error_ends_the_task(qtbot, kind) -> None:
    def work(_control):
        yield Step(1)
        raise kind("a screw is loose")

    said = ended(qtbot, start_task(work, title="a task"))
    (failure,) = said["failures"]
    assert isinstance(failure, Failure)
    assert "a screw is loose" in failure.text
    assert "report" in failure.text
    assert "Traceback" in failure.details
    assert "napari-segtrain" in failure.details
    assert said["results"] == []


def test_an_own_error_is_its_sentence(qtbot) -> None:
    def work():
        raise DataError("The labels are empty; paint some.")

    (failure,) = ended(qtbot, start_job(work, title="a job"))["failures"]
    assert failure.text == "The labels are empty; paint some."


def test_stop_lets_the_work_save(qtbot) -> None:
    saved = []

    def work(control):
        while not control.is_stopping:
            time.sleep(0.001)
            yield Step(0)
        saved.append(True)
        return "saved"

    task = start_task(work, title="a task")
    with qtbot.waitSignal(task.reported, timeout=5000):
        pass
    task.stop()
    assert ended(qtbot, task)["results"] == ["saved"]
    assert saved == [True]


def test_pause_holds(qtbot) -> None:
    n_steps = []

    def work(control):
        while not control.is_stopping:
            control.wait_while_paused()
            n_steps.append(1)
            time.sleep(0.001)
            yield Step(len(n_steps))

    task = start_task(work, title="a task")
    with qtbot.waitSignal(task.reported, timeout=5000):
        pass
    task.pause()
    qtbot.wait(50)
    before = len(n_steps)
    qtbot.wait(100)
    assert len(n_steps) <= before + 1
    task.resume()
    qtbot.waitUntil(lambda: len(n_steps) > before + 1, timeout=5000)
    task.stop()
    ended(qtbot, task)


def test_frequent_events_are_thinned(qtbot) -> None:
    def work(_control):
        for number in range(1000):
            yield Often(number)
        yield Step(1)

    events = ended(qtbot, start_task(work, title="a task"))["events"]
    assert events[0] == Often(0)
    assert events[-1] == Step(1)
    assert len(events) < 50


def test_long_tasks_leave_room_for_others(qtbot) -> None:
    """More tasks than cores run side by side."""

    def wait(control):
        while not control.is_stopping:
            time.sleep(0.005)
            yield Step(0)

    tasks = [start_task(wait, title=str(number)) for number in range(6)]
    said = ended(qtbot, start_job(lambda: "done", title="a job"))
    assert said["results"] == ["done"]
    for task in tasks:
        task.stop()
    qtbot.waitUntil(lambda: not any(task.is_running for task in tasks), timeout=5000)


def test_ended_work_keeps_nothing(make_napari_viewer_proxy, qtbot) -> None:
    """napari remembers the tasks of a window for as long as it is open."""

    class Data:
        def length(self) -> int:
            return 3

    make_napari_viewer_proxy()
    data = Data()
    kept = weakref.ref(data)
    task = start_job(data.length, title="a job")
    del data
    assert ended(qtbot, task)["results"] == [3]
    gc.collect()
    assert kept() is None


def test_a_task_is_gone_after_its_end(qtbot) -> None:
    """It needs no collection of garbage, which a thread may begin."""
    task = start_task(lambda _control: iter(()), title="a task")
    ended(qtbot, task)
    kept = weakref.ref(task)
    gc.disable()
    try:
        del task
        assert kept() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_task_that_nobody_keeps_is_listed_until_its_end(qtbot, is_listed) -> None:
    done = threading.Event()
    start_job(partial(done.wait, 10), title="a forgotten job")
    gc.collect()
    if is_listed:
        qtbot.waitUntil(lambda: len(listed("a forgotten job")) == 1)
        gc.collect()
    done.set()
    qtbot.wait(700)
    assert not listed("a forgotten job")


def test_a_list_that_fails_holds_no_end_back(qtbot) -> None:
    """Whatever a viewer has beside it may listen to napari's list."""
    go_on = threading.Event()
    task = start_job(partial(go_on.wait, 10), title="a job")
    qtbot.waitUntil(lambda: len(listed("a job")) == 1)

    def fail(_event: object) -> None:
        raise ValueError("a screw is loose")

    changed = progress._all_instances.events.changed  # noqa: SLF001
    changed.connect(fail)
    try:
        with qtbot.capture_exceptions() as errors:
            go_on.set()
            said = ended(qtbot, task)
    finally:
        changed.disconnect(fail)
    assert said["results"] == [True]
    assert len(errors) == 1
    assert not listed("a job")


def test_cancel_in_the_list_asks_whoever_started_it_first(qtbot) -> None:
    def work(control):
        while not control.is_stopping:
            time.sleep(0.001)
            yield Step(0)

    task = start_task(work, title="a task")
    asked = []
    task.stop_asked.connect(lambda: asked.append(task.control.is_stopping))
    qtbot.waitUntil(lambda: len(listed("a task")) == 1)
    (bar,) = listed("a task")
    bar.cancel()
    assert asked == [False]
    ended(qtbot, task)


def test_a_job_cannot_be_cancelled(qtbot) -> None:
    done = threading.Event()
    task = start_job(partial(done.wait, 10), title="a job")
    qtbot.waitUntil(lambda: len(listed("a job")) == 1)
    (bar,) = listed("a job")
    assert not isinstance(bar, cancelable_progress)
    done.set()
    ended(qtbot, task)


def test_warnings_are_logged_and_do_not_pop_up(qtbot, caplog) -> None:
    popped = []
    notification_manager.notification_ready.connect(popped.append)
    caplog.set_level("INFO", "napari_segtrain")

    def work():
        warnings.warn("the oil is low", stacklevel=1)

    assert ended(qtbot, start_job(work, title="a job"))["failures"] == []
    qtbot.waitUntil(lambda: "the oil is low" in caplog.text, timeout=5000)
    notification_manager.notification_ready.disconnect(popped.append)
    assert popped == []


def test_a_thread_ends_with_its_work(qtbot) -> None:
    """Idle threads keep OpenMP teams and memory that slow down what comes next."""
    seen = []

    def work():
        seen.append(threading.get_native_id())

    for _ in range(3):
        ended(qtbot, start_job(work, title="a job"))
    tasks = Path("/proc/self/task")
    if not tasks.exists():
        pytest.skip("threads are listed in a file on Linux alone")
    qtbot.waitUntil(lambda: not any((tasks / str(n)).exists() for n in seen))
