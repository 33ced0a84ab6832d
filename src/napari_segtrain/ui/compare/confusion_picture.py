"""Picture of which class is taken for which."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFontMetricsF, QHelpEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_segtrain.ui.widgets.theme import mix, palette_of, readable

if TYPE_CHECKING:
    from napari_segtrain.evaluation.confusion import ConfusionTable

_MANY = 6
"""Columns from which their names are written upwards, and cells hold one line."""
_ROW_HEIGHT, _LOW_ROW = 36, 22
_MAX_NAME = 92
_GAP = 4
_TEXT_CONTRAST = 4.5
_STRONG = 0.85
"""Share of the accent in a cell that holds all of its row."""
_CAPTION = "rows: ground truth, columns: segmentation; percent of each row"
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_CENTER = Qt.AlignmentFlag.AlignCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


class ConfusionPicture(QWidget):
    """Grid of shares: a row per true class, a column per predicted one.

    A cell is as colored as its share of the row, and says the percentage and, where
    there is room, the voxels; the tool tip says both in full.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table: ConfusionTable | None = None
        self._palette = palette_of("dark")
        self.setAccessibleName("Confusion matrix")
        policy = QSizePolicy.Policy
        self.setSizePolicy(policy.Expanding, policy.Fixed)

    @property
    def table(self) -> ConfusionTable | None:
        """What is shown."""
        return self._table

    def set_table(self, table: ConfusionTable) -> None:
        """Show other counts."""
        self._table = table
        self.setAccessibleDescription(describe_confusion(table))
        self.updateGeometry()
        self.update()

    def apply_theme(self, theme_id: str) -> None:
        """Take the colors of a theme."""
        self._palette = palette_of(theme_id)
        self.update()

    def sizeHint(self) -> QSize:
        """As wide as there is room, as high as its rows."""
        return QSize(240, self._height())

    def minimumSizeHint(self) -> QSize:
        """Narrow cells hold no text."""
        return QSize(160, self._height())

    def cell_at(self, point: QPointF) -> tuple[int, int] | None:
        """Row and column below a point, in pixels of the widget."""
        if self._table is None:
            return None
        grid = self._grid()
        x = (point.x() - grid.left()) / grid.width()
        y = (point.y() - grid.top()) / grid.height()
        n_rows, n_columns = self._table.counts.shape
        is_inside = 0 <= x < 1 and 0 <= y < 1
        return (int(y * n_rows), int(x * n_columns)) if is_inside else None

    def cell(self, row: int, column: int) -> QRectF:
        """Where a cell is drawn, in pixels of the widget."""
        grid, table = self._grid(), self._table
        n_rows, n_columns = (1, 1) if table is None else table.counts.shape
        width, height = grid.width() / n_columns, grid.height() / n_rows
        left, top = grid.left() + column * width, grid.top() + row * height
        return QRectF(left, top, width, height)

    def event(self, event: QEvent | None) -> bool:
        """Explain the cell below the pointer."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            at = self.cell_at(QPointF(event.pos()))
            text = "" if at is None or self._table is None else _tip(self._table, *at)
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return bool(super().event(event))

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        """Draw names and cells."""
        table = self._table
        if table is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = self.font()
        font.setPointSizeF(8.5)
        painter.setFont(font)
        self._draw_names(painter, table)
        for row in range(len(table.rows)):
            for column in range(len(table.columns)):
                self._draw_cell(painter, table, row, column)
        painter.setPen(QColor(self._palette.muted))
        below = QRectF(0, self._grid().bottom(), self.width(), self._line())
        text = painter.fontMetrics().elidedText(
            _CAPTION, Qt.TextElideMode.ElideRight, self.width()
        )
        painter.drawText(below, _LEFT, text)
        painter.end()

    def _draw_names(self, painter: QPainter, table: ConfusionTable) -> None:
        painter.setPen(QColor(self._palette.text))
        grid = self._grid()
        for row, name in enumerate(table.rows):
            place = self.cell(row, 0)
            place.setLeft(0)
            place.setRight(grid.left() - _GAP)
            painter.drawText(place, _RIGHT, self._elided(painter, name, place.width()))
        for column, name in enumerate(table.columns):
            place = self.cell(0, column)
            place.moveTop(0)
            place.setHeight(grid.top() - _GAP)
            if self._is_upward():
                self._draw_upward(painter, name, place)
            else:
                text = self._elided(painter, name, place.width())
                painter.drawText(place, _CENTER, text)

    def _draw_upward(self, painter: QPainter, name: str, place: QRectF) -> None:
        painter.save()
        painter.translate(place.center().x(), place.bottom())
        painter.rotate(-90)
        room = QRectF(0, -place.width() / 2, place.height(), place.width())
        painter.drawText(room, _LEFT, self._elided(painter, name, place.height()))
        painter.restore()

    def _draw_cell(
        self, painter: QPainter, table: ConfusionTable, row: int, column: int
    ) -> None:
        share = float(table.shares[row, column])
        place = self.cell(row, column).adjusted(0.5, 0.5, -0.5, -0.5)
        palette = self._palette
        empty = mix(palette.background, palette.text, 0.08)
        color = mix(empty, palette.accent, _STRONG * share)
        painter.fillRect(place, QColor(color))
        painter.setPen(QColor(readable(palette.text, color, _TEXT_CONTRAST)))
        count = int(table.counts[row, column])
        lines = [_percent(share) if table.counts[row].any() else "-"]
        if not self._is_upward() and count:
            lines.append(short_count(count))
        metrics = QFontMetricsF(painter.font())
        if metrics.horizontalAdvance(lines[0]) <= place.width():
            painter.drawText(place, _CENTER, "\n".join(lines))

    def _elided(self, painter: QPainter, text: str, room: float) -> str:
        return str(
            painter.fontMetrics().elidedText(
                text, Qt.TextElideMode.ElideRight, max(int(room), 0)
            )
        )

    def _is_upward(self) -> bool:
        return self._table is not None and len(self._table.columns) >= _MANY

    def _name_width(self) -> float:
        names = () if self._table is None else self._table.rows
        metrics = QFontMetricsF(self.font())
        widths = [metrics.horizontalAdvance(name) for name in names]
        return min(max(widths, default=0), _MAX_NAME)

    def _line(self) -> float:
        return QFontMetricsF(self.font()).height() + 2

    def _head(self) -> float:
        return self._name_width() if self._is_upward() else self._line()

    def _row_height(self) -> int:
        return _LOW_ROW if self._is_upward() else _ROW_HEIGHT

    def _height(self) -> int:
        n_rows = 0 if self._table is None else len(self._table.rows)
        return round(
            self._head() + _GAP + n_rows * self._row_height() + self._line() + 2
        )

    def _grid(self) -> QRectF:
        n_rows = 0 if self._table is None else len(self._table.rows)
        left, top = self._name_width() + _GAP, self._head() + _GAP
        width = max(self.width() - left - 1, 1.0)
        return QRectF(left, top, width, max(n_rows * self._row_height(), 1))


def describe_confusion(table: ConfusionTable) -> str:
    """Say for each true class what most of it is taken for."""
    parts = []
    for name, shares in zip(table.rows, table.shares, strict=True):
        best = int(shares.argmax())
        if shares[best]:
            parts.append(f"{name}: {_percent(shares[best])} {table.columns[best]}")
    return "; ".join(parts)


def short_count(count: int) -> str:
    """Three digits and a letter for thousands: ``12.3k``."""
    for size, letter in _UNITS:
        if count >= size:
            value = count / size
            n_digits = max(0, 2 - int(math.log10(value)))
            return f"{value:.{n_digits}f}{letter}"
    return str(count)


def _percent(share: float) -> str:
    """One digit after the point, but for nothing and everything."""
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    text = f"{100 * share:.1f}"
    if text in ("0.0", "100.0"):
        text = "<0.1" if share < 0.5 else ">99.9"  # noqa: PLR2004 - rounded to an end
    return f"{text} %"


def _tip(table: ConfusionTable, row: int, column: int) -> str:
    true, found = table.rows[row], table.columns[column]
    count, share = int(table.counts[row, column]), float(table.shares[row, column])
    if not table.counts[row].any():
        return f"The ground truth has no {true}."
    verb = "are right" if row == column else f"are taken for {found}"
    if column == len(table.rows):
        verb = "have no prediction"
    return f"{count:,} voxels of {true} {verb}: {_percent(share)} of {true}."
