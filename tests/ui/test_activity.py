from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from napari.utils.progress import cancelable_progress, progress
from qtpy.QtCore import QObject
from qtpy.QtGui import QMovie
from qtpy.QtWidgets import QLabel, QMainWindow, QStatusBar

from napari_segtrain.ui.activity import Activity


def listed(title: str) -> list[progress]:
    bars = progress._all_instances  # noqa: SLF001 - what the activity window shows
    return [bar for bar in bars if bar.desc.startswith(title)]


@contextmanager
def told(slot: Callable[[], None]) -> Iterator[None]:
    """Call a slot whenever the list changes."""
    events = progress._all_instances.events  # noqa: SLF001
    changed = events.changed.connect(lambda _event: slot())
    try:
        yield
    finally:
        events.changed.disconnect(changed)


@pytest.fixture
def owner(qtbot) -> QObject:
    return QObject()


def test_long_work_is_listed_until_its_end(qtbot, owner, capfd) -> None:
    activity = Activity("long work", lambda: None, owner)
    qtbot.waitUntil(lambda: len(listed("long work")) == 1)
    activity.end()
    assert not listed("long work")
    activity.end()
    assert capfd.readouterr() == ("", "")


def test_work_of_a_moment_is_not_listed(qtbot, owner) -> None:
    activity = Activity("short work", lambda: None, owner)
    qtbot.wait(100)
    activity.end()
    qtbot.wait(600)
    assert not listed("short work")


def test_cancel_stops_the_work_at_once(qtbot, owner) -> None:
    stopped = []
    activity = Activity("work", lambda: stopped.append(True), owner)
    qtbot.waitUntil(lambda: len(listed("work")) == 1)
    (bar,) = listed("work")
    bar.cancel()
    assert stopped == [True]
    activity.end()
    bar.cancel()
    assert stopped == [True]


def test_work_that_cannot_be_stopped_has_no_cancel(qtbot, owner) -> None:
    activity = Activity("work", None, owner)
    qtbot.waitUntil(lambda: len(listed("work")) == 1)
    (bar,) = listed("work")
    assert not isinstance(bar, cancelable_progress)
    activity.end()
    assert not listed("work")


def test_work_may_end_while_it_is_being_listed(qtbot, owner) -> None:
    """As napari, while it adds a bar, has the events of others handled."""
    activity = Activity("work", lambda: None, owner)
    seen: list[int] = []

    def end() -> None:
        seen.append(len(listed("work")))
        activity.end()

    with told(end):
        qtbot.waitUntil(lambda: seen == [1, 0])
    assert not listed("work")


def test_work_may_be_cancelled_while_it_is_being_listed(qtbot, owner) -> None:
    stopped = []
    activity = Activity("work", lambda: stopped.append(True), owner)

    def cancel() -> None:
        for bar in listed("work"):
            bar.cancel()

    with told(cancel):
        qtbot.waitUntil(lambda: stopped == [True])
    activity.end()


def test_an_activity_keeps_no_work_that_is_over(qtbot, owner) -> None:
    class Work:
        def stop(self) -> None:
            pass

    work = Work()
    kept = weakref.ref(work)
    activity = Activity("work", work.stop, owner)
    qtbot.waitUntil(lambda: len(listed("work")) == 1)
    (bar,) = listed("work")
    activity.end()
    del work
    assert kept() is None
    assert bar not in listed("work")


def test_spinners_of_status_bars_turn_slowly_meanwhile(qtbot, owner) -> None:
    window = QMainWindow()
    qtbot.addWidget(window)
    spinner, other = QLabel(), QLabel()
    for label in (spinner, other):
        label.setMovie(QMovie(label))
    window.statusBar().addWidget(spinner)
    window.setCentralWidget(other)
    activity = Activity("work", lambda: None, owner)
    qtbot.waitUntil(lambda: len(listed("work")) == 1)
    assert spinner.movie().speed() < 10
    assert other.movie().speed() == 100
    activity.end()
    assert spinner.movie().speed() == 100


def test_spinners_turn_slowly_until_the_last_work_is_over(qtbot, owner) -> None:
    window = QMainWindow()
    qtbot.addWidget(window)
    spinner = QLabel()
    spinner.setMovie(QMovie(spinner))
    window.statusBar().addWidget(spinner)
    activities = [Activity(f"work {n}", lambda: None, owner) for n in range(2)]
    qtbot.waitUntil(lambda: len(listed("work")) == 2)
    activities[0].end()
    assert spinner.movie().speed() < 10
    activities[1].end()
    assert spinner.movie().speed() == 100


def test_windows_without_a_status_bar_are_given_none(qtbot, owner) -> None:
    window = QMainWindow()
    qtbot.addWidget(window)
    activity = Activity("work", lambda: None, owner)
    qtbot.waitUntil(lambda: len(listed("work")) == 1)
    activity.end()
    assert not window.findChildren(QStatusBar)
