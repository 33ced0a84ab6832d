"""A label whose text changes all the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QRect, Qt
from qtpy.QtGui import QPainter
from qtpy.QtWidgets import QLabel, QWidget

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent

_FLAGS = (
    Qt.TextFlag.TextWordWrap.value
    | Qt.AlignmentFlag.AlignLeft.value
    | Qt.AlignmentFlag.AlignVCenter.value
)
_ANY_HEIGHT = 1 << 16


class CalmLabel(QLabel):
    """Plain text that is only painted when it changes, as long as it keeps its height.

    A `QLabel` has the window lay out all that it holds for every new text, and paint
    it, canvas and all.

    Parameters
    ----------
    parent : QWidget, optional
        Owner.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = ""
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)

    def text(self) -> str:
        """Return what is shown."""
        return self._text

    def setText(self, text: str | None) -> None:
        """Show another text."""
        text = text or ""
        if text == self._text:
            return
        is_as_high = self._height(text) == self._height(self._text)
        self._text = text
        if is_as_high and super().text():
            self.update()
        else:
            super().setText(text)

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        """Paint the text, which the label itself may not know yet."""
        painter = QPainter(self)
        self.style().drawItemText(
            painter,
            self.contentsRect(),
            _FLAGS,
            self.palette(),
            self.isEnabled(),
            self._text,
            self.foregroundRole(),
        )

    def _height(self, text: str) -> int:
        room = QRect(0, 0, self.contentsRect().width(), _ANY_HEIGHT)
        return self.fontMetrics().boundingRect(room, _FLAGS, text).height()
