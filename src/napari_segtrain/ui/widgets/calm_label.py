"""A label whose text changes all the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QRect, Qt
from qtpy.QtGui import QPainter
from qtpy.QtWidgets import QLabel, QWidget

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent, QResizeEvent

_FLAGS = (
    Qt.TextFlag.TextWordWrap.value
    | Qt.AlignmentFlag.AlignLeft.value
    | Qt.AlignmentFlag.AlignVCenter.value
)
_ANY_HEIGHT = 1 << 16
_CHANGES = {QEvent.Type.FontChange, QEvent.Type.StyleChange}


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
        self._text = text
        self.setAccessibleDescription(text)
        self.update()
        self._match_height()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        """Paint the text, which the label itself may not know yet."""
        painter = QPainter(self)
        self.drawFrame(painter)
        self.style().drawItemText(
            painter,
            self._room(),
            _FLAGS,
            self.palette(),
            self.isEnabled(),
            self._text,
            self.foregroundRole(),
        )

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Ask for more or fewer lines."""
        super().resizeEvent(event)
        self._match_height()

    def changeEvent(self, event: QEvent | None) -> None:
        """Ask for more or fewer lines in another font or style."""
        super().changeEvent(event)
        if event is not None and event.type() in _CHANGES:
            self._match_height()

    def _match_height(self) -> None:
        """Tell the label, and so the layout, a text of another height."""
        if self._height(self._text) != self._height(super().text()):
            super().setText(self._text)

    def _height(self, text: str) -> int:
        room = QRect(0, 0, self._room().width(), _ANY_HEIGHT)
        return self.fontMetrics().boundingRect(room, _FLAGS, text).height()

    def _room(self) -> QRect:
        """Where any `QLabel` paints its text: half an "x" away from a frame."""
        margin, indent = self.margin(), self.indent()
        room = self.contentsRect().adjusted(margin, margin, -margin, -margin)
        if indent < 0 and self.frameWidth():
            indent = self.fontMetrics().horizontalAdvance("x") // 2 - margin
        return room.adjusted(max(indent, 0), 0, 0, 0)
