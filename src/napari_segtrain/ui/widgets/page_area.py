"""A page that scrolls up and down only."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QScrollArea, QWidget

_HEIGHT = 120


class PageArea(QScrollArea):
    """Never narrower than its page, so that nothing is cut off at the side.

    Parameters
    ----------
    page : QWidget
        What is shown.
    """

    def __init__(self, page: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setWidget(page)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self._width = 0

    def minimumSizeHint(self) -> QSize:
        """As wide as the page and a scroll bar."""
        bar = self.verticalScrollBar().sizeHint().width()
        return QSize(self.widget().minimumSizeHint().width() + bar, _HEIGHT)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the page when it asks for another width."""
        if event.type() == QEvent.Type.LayoutRequest:
            width = self.minimumSizeHint().width()
            if width != self._width:
                self._width = width
                self.updateGeometry()
        return bool(super().eventFilter(watched, event))
