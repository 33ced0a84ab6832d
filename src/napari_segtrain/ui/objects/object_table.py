"""The measurements of objects as a table: sorted at once, also with 100,000 rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QGuiApplication, QKeySequence
from qtpy.QtWidgets import QAbstractItemView, QTableView

from napari_segtrain.evaluation.table import column_title, format_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qtpy.QtGui import QKeyEvent
    from qtpy.QtWidgets import QWidget

    Row = Mapping[str, Any]

_HEIGHT = 220
_ROW_HEIGHT = 22
_MIN_WIDTH, _PADDING = 48, 18
_LOOKED_AT = 30
"""Rows whose texts a column is as wide as."""
_HIDDEN = ("z_from", "z_to", "y_from", "y_to", "x_from", "x_to", "unit")
"""Columns that are written to files only."""


class ObjectModel(QAbstractTableModel):
    """Rows of objects in any order."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[Row] = ()
        self._columns: list[str] = []
        self._order: Any = np.zeros(0, np.intp)

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show other rows."""
        self.beginResetModel()
        self._rows = rows
        self._columns = [c for c in (rows[0] if rows else ()) if c not in _HIDDEN]
        self._order = np.arange(len(rows))
        self.endResetModel()

    def row(self, y: int) -> Row:
        """The object in a line of the table."""
        return self._rows[int(self._order[y])]

    def find(self, label: int, place: Mapping[str, int]) -> int | None:
        """Line of the object with an id, at a position along item axes."""
        for y, at in enumerate(self._order.tolist()):
            row = self._rows[at]
            if row["label"] == label and all(row.get(a) == n for a, n in place.items()):
                return y
        return None

    def rowCount(self, _parent: QModelIndex | None = None) -> int:
        """Objects."""
        return len(self._rows)

    def columnCount(self, _parent: QModelIndex | None = None) -> int:
        """Measurements."""
        return len(self._columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text of a cell, and how it lies."""
        value = self.row(index.row())[self._columns[index.column()]]
        if role == Qt.ItemDataRole.DisplayRole:
            is_id = self._columns[index.column()] in ("label", "neighbor")
            return str(int(value)) if is_id and value is not None else _text(value)
        if role == Qt.ItemDataRole.TextAlignmentRole and not isinstance(value, str):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = 0
    ) -> Any:
        """Titles of the columns."""
        if (
            orientation == Qt.Orientation.Horizontal
            and role == Qt.ItemDataRole.DisplayRole
        ):
            return column_title(self._columns[section])
        return None

    def sort(
        self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder
    ) -> None:
        """Sort by a column; what is absent comes last in either order."""
        if not 0 <= column < len(self._columns):
            return
        self.layoutAboutToBeChanged.emit()
        name = self._columns[column]
        values = [row[name] for row in self._rows]
        is_falling = order == Qt.SortOrder.DescendingOrder
        self._order = _sorted(values, is_falling=is_falling)
        self.layoutChanged.emit()

    def text(self, lines: Sequence[int]) -> str:
        """Lines for a spreadsheet, with titles."""
        titles = "\t".join(column_title(name) for name in self._columns)
        rows = (self.row(y) for y in lines)
        cells = (
            "\t".join("" if row[c] is None else str(row[c]) for c in self._columns)
            for row in rows
        )
        return "\n".join([titles, *cells])


class ObjectTableView(QTableView):
    """Shows objects; a line that is chosen is told, and can be chosen from outside.

    Attributes
    ----------
    object_chosen : Signal(object)
        Row of the object that the user chose.
    """

    object_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = ObjectModel()
        self._is_following = False
        self.setModel(self._model)
        self.setSortingEnabled(True)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setFixedHeight(_HEIGHT)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setAccessibleName("Measurements of the objects")
        self.setToolTip("Click an object to see it")
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        self.selectionModel().selectionChanged.connect(self._on_selection_changed)

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show other objects, in the order of their ids."""
        header = self.horizontalHeader()
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self._model.set_rows(rows)
        metrics = self.fontMetrics()
        for x in range(self._model.columnCount()):
            title = str(self._model.headerData(x, Qt.Orientation.Horizontal))
            first = (self._model.index(y, x) for y in range(min(len(rows), _LOOKED_AT)))
            texts = [title, *(str(index.data()) for index in first)]
            width = max(metrics.horizontalAdvance(text) for text in texts)
            header.resizeSection(x, max(width, _MIN_WIDTH) + _PADDING)

    def choose(self, label: int, place: Mapping[str, int]) -> None:
        """Choose the line of an object without telling; none when there is none."""
        y = self._model.find(label, place)
        self._is_following = True
        try:
            if y is None:
                self.clearSelection()
            else:
                self.selectRow(y)
                self.scrollTo(self._model.index(y, 0))
        finally:
            self._is_following = False

    def text(self) -> str:
        """The chosen lines, or all, for a spreadsheet."""
        chosen = sorted({index.row() for index in self.selectedIndexes()})
        return self._model.text(chosen or range(self._model.rowCount()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy on Ctrl+C."""
        clipboard = QGuiApplication.clipboard()
        if event.matches(QKeySequence.StandardKey.Copy) and clipboard is not None:
            clipboard.setText(self.text())
        else:
            super().keyPressEvent(event)

    def _on_selection_changed(self, *_: Any) -> None:
        ranges = list(self.selectionModel().selection())
        is_single = len(ranges) == 1 and ranges[0].top() == ranges[0].bottom()
        if is_single and not self._is_following:
            self.object_chosen.emit(self._model.row(ranges[0].top()))


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else format_value(value)


def _sorted(values: Sequence[Any], *, is_falling: bool) -> Any:
    """Order of values; ``None`` last."""
    absent = np.array([value is None for value in values], bool)
    if any(isinstance(value, str) for value in values):
        keys = np.array([str(value).casefold() for value in values])
        _, keys = np.unique(keys, return_inverse=True)
    else:
        keys = np.array([0.0 if value is None else float(value) for value in values])
    return np.lexsort((-keys if is_falling else keys, absent))
