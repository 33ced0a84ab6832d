from __future__ import annotations

import pytest
from qtpy.compat import isalive
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_segtrain.ui.widgets.beat import Beat


class Painted(QWidget):
    """Counts how often it is painted."""

    n_times = 0

    def event(self, event: QEvent) -> bool:
        self.n_times += event.type() == QEvent.Type.Paint
        return super().event(event)


@pytest.fixture
def panel(qtbot) -> QWidget:
    panel = Painted()
    qtbot.addWidget(panel)
    layout = QVBoxLayout(panel)
    for text in ("a", "b"):
        layout.addWidget(QLabel(text, panel))
    with qtbot.waitExposed(panel):
        panel.show()
    return panel


def test_many_requests_are_answered_once(qtbot, panel: QWidget) -> None:
    beat = Beat(panel)
    struck: list[None] = []
    beat.struck.connect(lambda: struck.append(None))
    n_requests = 0
    while len(struck) < 2:
        beat.request()
        qtbot.wait(10)
        n_requests += 1
    assert n_requests > 10


def test_without_a_request_nothing_is_done(qtbot, panel: QWidget) -> None:
    beat = Beat(panel)
    with qtbot.assertNotEmitted(beat.struck, wait=1100):
        beat.request()
        beat.cancel()


def test_two_beats_of_a_dock_are_painted_once(qtbot, panel: QWidget) -> None:
    labels = panel.findChildren(QLabel)
    beats = [Beat(label) for label in labels]
    for beat, label in zip(beats, labels, strict=True):
        beat.struck.connect(lambda label=label: label.setText("another text\n" * 3))
    qtbot.wait(100)
    before = panel.n_times
    for beat in beats:
        beat.request()
    with qtbot.waitSignals([beat.struck for beat in beats], timeout=2000):
        pass
    assert not panel.updatesEnabled()
    qtbot.waitUntil(panel.updatesEnabled)
    qtbot.waitUntil(lambda: panel.n_times > before)
    qtbot.wait(100)
    assert panel.n_times == before + 1


def struck_label(qtbot, panel: QWidget) -> QLabel:
    """A label of the panel whose beat has just struck."""
    label = panel.findChildren(QLabel)[0]
    beat = Beat(label)
    beat.request()
    with qtbot.waitSignal(beat.struck, timeout=2000):
        pass
    assert not panel.updatesEnabled()
    return label


def deleted(widget: QWidget) -> None:
    widget.deleteLater()
    QCoreApplication.sendPostedEvents(widget, QEvent.Type.DeferredDelete.value)
    assert not isalive(widget)


def test_a_label_that_is_gone_does_not_hold_the_dock(qtbot, panel: QWidget) -> None:
    deleted(struck_label(qtbot, panel))
    qtbot.waitUntil(panel.updatesEnabled, timeout=1000)


def test_a_label_outlives_its_dock(qtbot) -> None:
    panel, other = QWidget(), QWidget()
    QLabel(panel)
    label = struck_label(qtbot, panel)
    qtbot.addWidget(other)
    label.setParent(other)
    deleted(panel)
    qtbot.wait(100)
    assert label.updatesEnabled()


def test_a_second_beat_begins_the_stillness_anew(qtbot, panel: QWidget) -> None:
    struck_label(qtbot, panel)
    struck_label(qtbot, panel)
    qtbot.waitUntil(panel.updatesEnabled, timeout=1000)
