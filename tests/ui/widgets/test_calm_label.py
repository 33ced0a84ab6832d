from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QObject
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
    data = image.constBits()
    data.setsize(image.sizeInBytes())
    return np.frombuffer(data, np.uint8).reshape(image.height(), -1).copy()


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


@pytest.mark.parametrize("style", ["", "QLabel { color: #ff8800; }"])
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
