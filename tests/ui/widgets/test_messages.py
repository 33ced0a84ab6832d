from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QLabel, QPushButton, QTextEdit, QToolButton, QWidget

from napari_segtrain.ui.widgets.messages import MessageBar
from napari_segtrain.ui.worker import Failure

LONG = "The labels hold one class only, 'axon'; paint some of the background, too. " * 3
FAILURE = Failure("Memory ran out; choose a smaller patch.", "Traceback\n  line 1")


@pytest.fixture
def host(qtbot):
    host = QWidget()
    qtbot.addWidget(host)
    host.resize(400, 300)
    host.show()
    return host


@pytest.fixture
def bar(host):
    bar = MessageBar(host)
    bar.resize(400, 100)
    return bar


def button(bar, text):
    found = [b for b in bar.findChildren(QPushButton) if text in b.text()]
    return found[0]


def test_it_is_not_there_without_a_message(bar):
    assert not bar.isVisible()
    bar.show_text("info", "Done.")
    assert bar.isVisible()
    bar.clear()
    assert not bar.isVisible()
    assert bar.text == ""


@pytest.mark.parametrize("level", ["info", "warning", "error"])
def test_a_sentence_has_a_level_that_is_not_only_a_color(bar, level):
    bar.show_text(level, "No <b>labels</b> & no image.")
    assert (bar.level, bar.text) == (level, "No <b>labels</b> & no image.")
    names = [label.accessibleName() for label in bar.findChildren(QLabel)]
    assert f"{level}: No <b>labels</b> & no image." in names
    signs = {label.text() for label in bar.findChildren(QLabel)}
    assert signs & {"i", "!", "×"}
    assert not button(bar, "Copy").isVisible()


def test_a_long_sentence_is_wrapped(bar):
    bar.show_text("error", LONG)
    assert bar.minimumSizeHint().width() < 200
    line = bar.fontMetrics().height()
    assert bar.layout().heightForWidth(400) > 3 * line


def test_details_of_a_failure_are_shown_and_copied(bar):
    bar.show_failure(FAILURE)
    details = bar.findChild(QTextEdit)
    assert bar.level == "error"
    assert not details.isVisible()
    button(bar, "details").click()
    copied = QGuiApplication.clipboard().text()
    assert copied == f"{FAILURE.text}\n\n{FAILURE.details}"
    toggle = button(bar, "Show")
    toggle.click()
    assert details.isVisible()
    assert details.isReadOnly()
    assert toggle.text() == "Hide &details"
    bar.show_text("info", "Done.")
    assert not details.isVisible()
    assert bar.details == ""


def test_the_user_dismisses_it_by_keyboard(bar, qtbot):
    bar.show_failure(FAILURE)
    close = bar.findChild(QToolButton)
    assert close.accessibleName() == "Dismiss the message"
    with qtbot.waitSignal(bar.dismissed):
        qtbot.keyClick(close, Qt.Key.Key_Space)
    assert not bar.isVisible()
