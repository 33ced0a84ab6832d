from __future__ import annotations

import numpy as np
import pytest
from napari.qt import get_stylesheet
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_segtrain.ui.widgets.calm_label import CalmLabel


class Requests(QObject):
    """Counts how often a widget is told to lay out what it holds."""

    n_times = 0

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        self.n_times += event.type() == QEvent.Type.LayoutRequest
        return False


@pytest.fixture
def panel(qtbot) -> QWidget:
    panel = QWidget()
    panel.resize(200, 100)
    qtbot.addWidget(panel)
    return panel


def shown(qtbot, panel: QWidget, label: QLabel) -> QLabel:
    layout = QVBoxLayout(panel)
    layout.addWidget(label)
    with qtbot.waitExposed(panel):
        panel.show()
    return label


def pixels(label: QLabel) -> np.ndarray:
    image = label.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    colors = [
        image.pixel(x, y) for y in range(image.height()) for x in range(image.width())
    ]
    return np.array(colors).reshape(image.height(), -1)


def test_a_text_of_the_same_height_lays_nothing_out(qtbot, panel: QWidget) -> None:
    label = shown(qtbot, panel, CalmLabel())
    label.setText("iteration 1")
    qtbot.wait(50)
    requests = Requests()
    panel.installEventFilter(requests)
    before = pixels(label)
    label.setText("iteration 2")
    qtbot.wait(50)
    assert label.text() == "iteration 2"
    assert (pixels(label) != before).any()
    assert requests.n_times == 0
    label.setText("iteration 2, and so many words that they need another line")
    qtbot.waitUntil(lambda: requests.n_times > 0)
    assert label.heightForWidth(label.width()) > label.fontMetrics().height()


STYLES = {
    "none": "",
    "color": "QLabel { color: #ff8800; }",
    "frame": "QLabel { border: 2px solid red; background: #003300; padding: 3px; }",
    "napari": get_stylesheet("dark"),
}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_it_looks_as_any_label(qtbot, panel: QWidget, style: str) -> None:
    panel.setStyleSheet(style)
    calm, plain = CalmLabel(), QLabel()
    plain.setWordWrap(True)
    layout = QVBoxLayout(panel)
    for label in (calm, plain):
        layout.addWidget(label)
    with qtbot.waitExposed(panel):
        panel.show()
    for label in (calm, plain):
        label.setText("iteration 1 of 300 and a second line")
    qtbot.wait(50)
    calm.setText("iteration 2 of 300 and a second line")
    plain.setText("iteration 2 of 300 and a second line")
    qtbot.wait(50)
    np.testing.assert_array_equal(pixels(calm), pixels(plain))


def room_for(text: str, label: QLabel) -> bool:
    """Whether a text is shown whole."""
    flags = Qt.TextFlag.TextWordWrap.value
    room = label.contentsRect()
    lines = label.fontMetrics().boundingRect(room.adjusted(0, 0, 0, 999), flags, text)
    return lines.height() <= room.height()


LONG = "iteration 2 of 300, about 3 minutes left"


@pytest.fixture
def wide_label(qtbot, panel: QWidget) -> QLabel:
    """A label that was last laid out for a text shorter than what it shows."""
    panel.resize(600, 100)
    label = shown(qtbot, panel, CalmLabel())
    panel.layout().addStretch()
    label.setText("iteration 1")
    qtbot.wait(50)
    label.setText(LONG)
    qtbot.wait(50)
    return label


def test_a_text_is_whole_in_a_narrower_dock(qtbot, panel, wide_label) -> None:
    panel.resize(120, 200)
    qtbot.waitUntil(lambda: room_for(LONG, wide_label), timeout=1000)


def test_a_text_is_whole_in_a_larger_font(qtbot, panel, wide_label) -> None:
    panel.resize(320, 200)
    qtbot.wait(50)
    font = wide_label.font()
    font.setPointSize(3 * font.pointSize())
    wide_label.setFont(font)
    qtbot.waitUntil(lambda: room_for(LONG, wide_label), timeout=1000)


def test_a_text_is_whole_in_another_style(qtbot, panel, wide_label) -> None:
    panel.resize(600, 200)
    panel.setStyleSheet("QLabel { font-size: 40px; }")
    qtbot.waitUntil(lambda: room_for(LONG, wide_label), timeout=1000)


def test_screen_readers_are_told(wide_label) -> None:
    assert wide_label.accessibleDescription() == LONG
