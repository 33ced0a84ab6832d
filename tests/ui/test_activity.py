from __future__ import annotations

import pytest
from napari.utils.progress import progress
from qtpy.QtCore import QObject
from qtpy.QtGui import QMovie
from qtpy.QtWidgets import QLabel, QMainWindow

from napari_segtrain.ui.activity import Activity


def listed(title: str) -> list[progress]:
    bars = progress._all_instances  # noqa: SLF001 - what the activity window shows
    return [bar for bar in bars if bar.desc.startswith(title)]


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
