"""Controls that come and go without moving what is around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QSizePolicy, QStackedWidget, QWidget

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtWidgets import QPushButton


class ButtonRows(QStackedWidget):
    """Rows of buttons of which one is shown.

    It is always as wide as its widest row: a dock whose buttons come and go would
    change its width, and with it the canvas, which is then drawn anew at once.

    Parameters
    ----------
    *rows : iterable of QPushButton
        Buttons of each row, left to right.
    """

    def __init__(self, *rows: Iterable[QPushButton]) -> None:
        super().__init__()
        for buttons in rows:
            self.addWidget(_row(buttons))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)


def keep_place(widget: QWidget) -> None:
    """Let a widget take its place in a layout while it is hidden as well."""
    policy = widget.sizePolicy()
    policy.setRetainSizeWhenHidden(True)
    widget.setSizePolicy(policy)


def _row(buttons: Iterable[QPushButton]) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for button in buttons:
        layout.addWidget(button)
    return row
