"""A table of scores that can be sorted and copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QGuiApplication, QIcon, QKeyEvent, QKeySequence, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
)

from napari_segtrain.evaluation.table import column_title, format_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qtpy.QtWidgets import QWidget

_SWATCH = 12
_ROW_HEIGHT = 24


class ScoreTable(QTableWidget):
    """Rows of scores; a click on a title sorts, Ctrl+C copies for a spreadsheet.

    Numbers are sorted as numbers; a score that is not defined is shown as ``-`` and
    comes last in either order.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Scores")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)

    def set_rows(
        self,
        rows: Sequence[Mapping[str, object]],
        columns: Sequence[str] | None = None,
        colors: Sequence[str] | None = None,
        tips: Mapping[str, str] | None = None,
    ) -> None:
        """Show other rows, in their order until a title is clicked.

        Parameters
        ----------
        rows : sequence of mapping
            Column name to text, number or ``None``.
        columns : sequence of str, optional
            Names to show, in order; those of the first row without it.
        colors : sequence of str, optional
            One per row, shown before its first cell.
        tips : mapping of str to str, optional
            What a column means, by its name.
        """
        names = list(columns or (rows[0] if rows else ()))
        self.setSortingEnabled(False)
        self.setColumnCount(len(names))
        self.setRowCount(len(rows))
        self.setHorizontalHeaderLabels([column_title(name) for name in names])
        for x, name in enumerate(names):
            if tips and name in tips:
                self.horizontalHeaderItem(x).setToolTip(tips[name])
        for y, row in enumerate(rows):
            for x, name in enumerate(names):
                self.setItem(y, x, _Cell(row.get(name)))
            if colors:
                self.item(y, 0).setIcon(_swatch(colors[y]))
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)

    def text(self) -> str:
        """Rows as tab-separated text with titles: the selected ones, or all."""
        chosen = sorted({index.row() for index in self.selectedIndexes()})
        columns = range(self.columnCount())
        titles = [self.horizontalHeaderItem(x).text() for x in columns]
        lines = [
            [self.item(y, x).plain for x in columns]
            for y in chosen or range(self.rowCount())
        ]
        return "\n".join("\t".join(line) for line in [titles, *lines])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy on Ctrl+C."""
        clipboard = QGuiApplication.clipboard()
        if event.matches(QKeySequence.StandardKey.Copy) and clipboard is not None:
            clipboard.setText(self.text())
        else:
            super().keyPressEvent(event)


class _Cell(QTableWidgetItem):
    """A value with its text; compares by value."""

    def __init__(self, value: Any) -> None:
        super().__init__(format_value(value))
        self._value = value
        self.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
        if not isinstance(value, str):
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            self.setTextAlignment(right)
        else:
            self.setToolTip(value)

    @property
    def plain(self) -> str:
        """Text for a spreadsheet: all digits, nothing for a value that is not there."""
        return "" if self._value is None else str(self._value)

    def __lt__(self, other: QTableWidgetItem) -> bool:
        """Whether it comes before another cell when the order rises."""
        mine, others = self._value, getattr(other, "_value", None)
        if mine is None or others is None:
            is_falling = self._order() == Qt.SortOrder.DescendingOrder
            first, second = (others, mine) if is_falling else (mine, others)
            return first is not None and second is None
        if isinstance(mine, str) or isinstance(others, str):
            return str(mine).casefold() < str(others).casefold()
        return bool(mine < others)

    def _order(self) -> Qt.SortOrder:
        table = self.tableWidget()
        if table is None:
            return Qt.SortOrder.AscendingOrder
        return table.horizontalHeader().sortIndicatorOrder()


def _swatch(color: str) -> QIcon:
    picture = QPixmap(_SWATCH, _SWATCH)
    picture.fill(QColor(color))
    return QIcon(picture)
