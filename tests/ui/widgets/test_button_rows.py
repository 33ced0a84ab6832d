from __future__ import annotations

from qtpy.QtWidgets import QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_segtrain.ui.widgets.button_rows import ButtonRows, keep_place


def test_one_row_is_shown_at_a_time(qtbot) -> None:
    start, pause, stop = (QPushButton(text) for text in ("Start", "Pause", "Stop"))
    rows = ButtonRows([start], [pause, stop])
    qtbot.addWidget(rows)
    rows.show()
    assert [x.isVisible() for x in (start, pause, stop)] == [True, False, False]
    rows.setCurrentIndex(1)
    assert [x.isVisible() for x in (start, pause, stop)] == [False, True, True]


def test_another_row_does_not_change_the_size(qtbot) -> None:
    rows = ButtonRows([QPushButton("a")], [QPushButton("a long text")])
    qtbot.addWidget(rows)
    sizes = []
    for index in range(2):
        rows.setCurrentIndex(index)
        sizes.append((rows.minimumSizeHint(), rows.sizeHint()))
    assert sizes[0] == sizes[1]


def test_a_hidden_bar_keeps_its_place(qtbot) -> None:
    box = QWidget()
    qtbot.addWidget(box)
    bar = QProgressBar()
    keep_place(bar)
    layout = QVBoxLayout(box)
    layout.addWidget(bar)
    box.show()
    shown = box.sizeHint()
    bar.hide()
    assert box.sizeHint() == shown
