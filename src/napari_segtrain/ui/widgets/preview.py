"""Validation patches with what the network makes of them."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QImage, QPainter, QPen
from qtpy.QtWidgets import QDialog, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_segtrain.ui.widgets.patch_pictures import mean_iou, pictures_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.image import ClassTable
    from napari_segtrain.ui.widgets.patch_pictures import Patch

TITLES = ("image", "ground truth", "prediction")

_GAP = 4
_FRAME = 2
_MIN_SIDE = 60
_USUAL_SIDE = 120
_LARGE_SIDE = 360
_DOT = "\N{BLACK CIRCLE}"
_HATCHED = "\N{SQUARE WITH UPPER RIGHT TO LOWER LEFT FILL}"
_NOTHING = "Patches are shown after the first validation."


class PreviewPanel(QWidget):
    """A row per patch: the image, its ground truth, its prediction.

    A click on a row, or Enter, shows it larger in a window that follows the run.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._legend = QLabel()
        self._legend.setTextFormat(Qt.TextFormat.RichText)
        self._legend.setWordWrap(True)
        self._rows: list[PatchRow] = []
        self._large: LargePatch | None = None
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        self._layout.addWidget(self._legend)
        self._layout.addStretch()
        self.clear()

    @property
    def captions(self) -> list[str]:
        """One sentence per patch."""
        return [row.caption for row in self._rows if not row.isHidden()]

    def show_patches(self, patches: Sequence[Patch], classes: ClassTable) -> None:
        """Show other patches, or the same ones later in a run.

        Parameters
        ----------
        patches : sequence of PreviewPatch
            Image of shape (C, Y, X); truth and prediction of shape (Y, X).
        classes : ClassTable
            Names and colors of the class indices.
        """
        while len(self._rows) < len(patches):
            self._add_row()
        has_slices = any(patch.z for patch in patches)
        for row, patch in zip(self._rows, patches, strict=False):
            caption = caption_of(patch, classes, has_slices=has_slices)
            row.show_pictures(pictures_of(patch, classes), caption)
        for index, row in enumerate(self._rows):
            row.setVisible(index < len(patches))
        self._legend.setText(_legend(classes) if patches else _NOTHING)
        self._update_large()

    def clear(self) -> None:
        """Show no patches."""
        for row in self._rows:
            row.hide()
        self._legend.setText(_NOTHING)
        self._update_large()

    def _add_row(self) -> None:
        row = PatchRow(_USUAL_SIDE, has_titles=not self._rows)
        row.activated.connect(self._on_row_activated)
        self._rows.append(row)
        self._layout.insertWidget(len(self._rows), row)

    def _on_row_activated(self, row: PatchRow) -> None:
        if self._large is None:
            self._large = LargePatch(self)
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


class PatchRow(QWidget):
    """Three pictures side by side and a caption; as high as its width asks for.

    Parameters
    ----------
    side : int
        Usual width of a picture in pixels.
    has_titles : bool
        Whether the kind of each picture is written above it.

    Attributes
    ----------
    activated : Signal(PatchRow)
        The row was clicked, or chosen by Enter or Space.
    """

    activated = Signal(object)

    def __init__(self, side: int, *, has_titles: bool) -> None:
        super().__init__()
        self._side = side
        self._has_titles = has_titles
        self._caption = ""
        self._pictures: tuple[QImage, ...] = ()
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip("Click to enlarge")

    @property
    def caption(self) -> str:
        """What is written below the pictures."""
        return self._caption

    @property
    def pictures(self) -> tuple[QImage, ...]:
        """Image, ground truth and prediction."""
        return self._pictures

    def show_pictures(self, pictures: tuple[QImage, ...], caption: str) -> None:
        """Show other pictures."""
        has_grown = [p.size() for p in pictures] != [p.size() for p in self._pictures]
        self._pictures, self._caption = pictures, caption
        self.setAccessibleName(f"{caption}: {', '.join(TITLES)}")
        if has_grown:
            self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Size with pictures of the usual width."""
        width = len(TITLES) * self._side + (len(TITLES) - 1) * _GAP
        return QSize(width, self.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:
        """Size with small pictures."""
        width = len(TITLES) * _MIN_SIDE
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
        for index, picture in enumerate(self._pictures):
            place = QRectF(index * (side + _GAP), self._top(), side, height)
            self._draw_picture(painter, place, picture)
            above = QRectF(place.x(), 0, side, self._top())
            painter.drawText(above, Qt.AlignmentFlag.AlignCenter, self._title(index))
        below = QRectF(0, self._top() + height, self.width(), self._line())
        middle = Qt.TextElideMode.ElideMiddle
        text = self.fontMetrics().elidedText(self._caption, middle, self.width())
        painter.drawText(below, Qt.AlignmentFlag.AlignVCenter, text)
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

    def _title(self, index: int) -> str:
        return TITLES[index] if self._has_titles else ""

    def _top(self) -> int:
        """Where the pictures begin."""
        return self._line() if self._has_titles else 0

    def _picture_width(self, width: int) -> float:
        return (width - (len(TITLES) - 1) * _GAP) / len(TITLES)

    def _aspect(self) -> float:
        """Height over width of a picture."""
        if not self._pictures:
            return 1.0
        return float(self._pictures[0].height() / max(1, self._pictures[0].width()))

    def _line(self) -> int:
        return int(self.fontMetrics().height()) + 2


class LargePatch(QDialog):
    """A row in a window of its own; Escape closes it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._source: PatchRow | None = None
        self._row = PatchRow(_LARGE_SIDE, has_titles=True)
        self._row.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._row.setToolTip("")
        self._row.setCursor(Qt.CursorShape.ArrowCursor)
        self._row.activated.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(self._row)
        layout.addStretch()

    @property
    def row(self) -> PatchRow:
        """The row that is enlarged."""
        if self._source is None:
            raise ValueError("no row is enlarged yet")
        return self._source

    def show_row(self, row: PatchRow) -> None:
        """Show the pictures of a row."""
        self._source = row
        self.setWindowTitle(row.caption)
        self._row.show_pictures(row.pictures, row.caption)


def caption_of(patch: Patch, classes: ClassTable, *, has_slices: bool) -> str:
    """Name, slice and score of a patch."""
    score = mean_iou(patch, classes)
    parts = [patch.name]
    if has_slices:
        parts.append(f"slice {patch.z}")
    parts.append("IoU -" if score is None else f"IoU {score:.2f}")
    if not getattr(patch, "is_held_out", True):
        parts.append("trained on")
    return " · ".join(parts)


def _legend(classes: ClassTable) -> str:
    rows = [classes.classes[index] for index in classes.foreground]
    parts = [
        f'<span style="color:{row.color}">{_DOT}</span>&nbsp;'
        + html.escape(row.name).replace(" ", "&nbsp;")
        for row in rows
    ]
    return " &nbsp;".join([*parts, f"{_HATCHED}&nbsp;unlabelled"])
