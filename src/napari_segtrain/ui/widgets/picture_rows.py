"""Rows of pictures side by side, which can be enlarged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QImage, QPainter, QPen
from qtpy.QtWidgets import QDialog, QSizePolicy, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAP = 4
_FRAME = 2
_MIN_SIDE = 60
_USUAL_WIDTH = 368
_LARGE_WIDTH = 1088
_ENLARGE = "Click to enlarge"


@dataclass(frozen=True, eq=False)
class Pictures:
    """What a row shows.

    Parameters
    ----------
    images : tuple of QImage
        Of one size.
    titles : tuple of str
        One per image.
    caption : str
        Of all of them.
    details : tuple of str
        Longer titles, shown as tooltip and when the row is enlarged.
    """

    images: tuple[QImage, ...]
    titles: tuple[str, ...]
    caption: str
    details: tuple[str, ...] = ()

    @property
    def long_titles(self) -> tuple[str, ...]:
        """The details, or the titles where there are none."""
        return self.details or self.titles


class PictureRows(QWidget):
    """Rows of pictures, one below the other; the first has titles.

    A click on a row, or Enter, shows it larger in a window that follows it.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[PictureRow] = []
        self._large: LargePictures | None = None
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)

    @property
    def shown(self) -> list[Pictures]:
        """What the rows show."""
        return [row.shown for row in self._rows if not row.isHidden()]

    @property
    def captions(self) -> list[str]:
        """One per row."""
        return [pictures.caption for pictures in self.shown]

    def show_rows(self, rows: Sequence[Pictures]) -> None:
        """Show other rows, or the same ones with other pictures."""
        while len(self._rows) < len(rows):
            self._add_row()
        for row, pictures in zip(self._rows, rows, strict=False):
            row.show_pictures(pictures)
        for index, row in enumerate(self._rows):
            row.setVisible(index < len(rows))
        self._update_large()

    def _add_row(self) -> None:
        row = PictureRow(_USUAL_WIDTH, has_titles=not self._rows)
        row.activated.connect(self._on_row_activated)
        self._rows.append(row)
        self._layout.addWidget(row)

    def _on_row_activated(self, row: PictureRow) -> None:
        if self._large is None:
            self._large = LargePictures(self)
            self._large.finished.connect(self._on_large_finished)
        self._large.show_row(row)
        self._large.show()
        self._large.raise_()

    def _on_large_finished(self) -> None:
        if self._large is not None:
            self._large.deleteLater()
        self._large = None

    def _update_large(self) -> None:
        if self._large is None:
            return
        if self._large.row.isHidden():
            self._large.close()
        else:
            self._large.show_row(self._large.row)


class PictureRow(QWidget):
    """Pictures side by side and a caption; as high as its width asks for.

    Parameters
    ----------
    width : int
        Usual width in pixels.
    has_titles : bool
        Whether the title of each picture is written above it.

    Attributes
    ----------
    activated : Signal(PictureRow)
        The row was clicked, or chosen by Enter or Space.
    """

    activated = Signal(object)

    def __init__(self, width: int, *, has_titles: bool) -> None:
        super().__init__()
        self._usual_width = width
        self._has_titles = has_titles
        self.shown = Pictures((), (), "")
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_pictures(self, pictures: Pictures) -> None:
        """Show other pictures."""
        sizes = [[image.size() for image in p.images] for p in (pictures, self.shown)]
        self.shown = pictures
        self.setAccessibleName(f"{pictures.caption}: {', '.join(pictures.long_titles)}")
        self.setToolTip("\n".join((*pictures.details, _ENLARGE)))
        if sizes[0] != sizes[1]:
            self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Size with pictures of the usual width."""
        width = self._usual_width
        return QSize(width, self.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:
        """Size with small pictures."""
        width = self._n_columns() * _MIN_SIDE
        return QSize(width, self.heightForWidth(width))

    def heightForWidth(self, width: int) -> int:
        """Height of the pictures, their titles and the caption."""
        height = self._picture_width(width) * self._aspect()
        return round(self._top() + height) + self._line() + _GAP

    def paintEvent(self, event: Any) -> None:  # noqa: ARG002 - Qt's signature
        """Draw titles, pictures and the caption."""
        painter = QPainter(self)
        side = self._picture_width(self.width())
        height = side * self._aspect()
        pairs = zip(self.shown.images, self.shown.titles, strict=True)
        for index, (image, title) in enumerate(pairs):
            place = QRectF(index * (side + _GAP), self._top(), side, height)
            self._draw_picture(painter, place, image)
            if self._has_titles:
                above = QRectF(place.x(), 0, side, self._top())
                self._draw_text(painter, above, Qt.AlignmentFlag.AlignCenter, title)
        below = QRectF(0, self._top() + height, self.width(), self._line())
        vertical = Qt.AlignmentFlag.AlignVCenter
        self._draw_text(painter, below, vertical, self.shown.caption)
        if self.hasFocus():
            painter.setPen(QPen(self.palette().highlight().color(), _FRAME))
            painter.drawRect(QRectF(1, self._top(), self.width() - 2, height))
        painter.end()

    def mouseReleaseEvent(self, event: Any) -> None:
        """Enlarge on a click."""
        is_left = event.button() == Qt.MouseButton.LeftButton
        if is_left and self.rect().contains(event.position().toPoint()):
            self.activated.emit(self)

    def keyPressEvent(self, event: Any) -> None:
        """Enlarge on Enter or Space."""
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space}:
            self.activated.emit(self)
        else:
            super().keyPressEvent(event)

    def _draw_picture(self, painter: QPainter, place: QRectF, picture: QImage) -> None:
        """Smooth when it is made smaller; larger pixels stay sharp."""
        is_smaller = picture.width() > place.width() * self.devicePixelRatioF()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, is_smaller)
        painter.drawImage(place, picture)

    def _draw_text(
        self, painter: QPainter, place: QRectF, where: Qt.AlignmentFlag, text: str
    ) -> None:
        """Leave out the middle of what is too long."""
        middle, width = Qt.TextElideMode.ElideMiddle, int(place.width())
        shown = self.fontMetrics().elidedText(text, middle, width)
        painter.drawText(place, where, shown)

    def _top(self) -> int:
        """Where the pictures begin."""
        return self._line() if self._has_titles else 0

    def _picture_width(self, width: int) -> float:
        n = self._n_columns()
        return (width - (n - 1) * _GAP) / n

    def _n_columns(self) -> int:
        return max(1, len(self.shown.images))

    def _aspect(self) -> float:
        """Height over width of a picture."""
        if not self.shown.images:
            return 1.0
        first = self.shown.images[0]
        return float(first.height() / max(1, first.width()))

    def _line(self) -> int:
        return int(self.fontMetrics().height()) + 2


class LargePictures(QDialog):
    """A row in a window of its own; Escape closes it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._source: PictureRow | None = None
        self._row = PictureRow(_LARGE_WIDTH, has_titles=True)
        self._row.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._row.setCursor(Qt.CursorShape.ArrowCursor)
        self._row.activated.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(self._row)
        layout.addStretch()

    @property
    def row(self) -> PictureRow:
        """The row that is enlarged."""
        if self._source is None:
            raise ValueError("no row is enlarged yet")
        return self._source

    def show_row(self, row: PictureRow) -> None:
        """Show the pictures of a row, with titles in full."""
        self._source = row
        shown = replace(row.shown, titles=row.shown.long_titles, details=())
        self.setWindowTitle(shown.caption)
        self._row.show_pictures(shown)
        self._row.setToolTip("")
