"""Tables of scores in a narrow dock: small print, no wider than they need be."""

from __future__ import annotations

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QHeaderView, QTableWidget

_MAX_ROWS = 7
_PADDING = 12
_SWATCH = 16
_MAX_NAME = 110
_TABLE_STYLE = """
QTableView { font-size: 9pt }
QTableView::item { padding: 0 2px }
QHeaderView::section { padding: 2px 3px; font-size: 9pt }
"""


def style_table(table: QTableWidget) -> None:
    """Give a table small print and narrow columns."""
    table.setStyleSheet(_TABLE_STYLE)
    table.setIconSize(QSize(10, 10))
    table.horizontalHeader().setMinimumSectionSize(24)


def fit_table(table: QTableWidget, room: int) -> None:
    """Columns as wide as their text, the first at least; all rows shown, up to some."""
    header = table.horizontalHeader()
    widths = [_text_width(table, x) + _PADDING for x in range(table.columnCount())]
    if not widths:
        return
    rows = [table.rowHeight(y) for y in range(table.rowCount())]
    room -= 2 * table.frameWidth()
    if len(rows) > _MAX_ROWS:
        room -= table.verticalScrollBar().sizeHint().width()
    widths[0] = max(min(widths[0] + _SWATCH, _MAX_NAME), room - sum(widths[1:]))
    for x, width in enumerate(widths):
        header.setSectionResizeMode(x, QHeaderView.ResizeMode.Fixed)
        header.resizeSection(x, width)
    bar = table.horizontalScrollBar().sizeHint().height()
    below = bar if sum(widths) > room else 0
    height = header.sizeHint().height() + sum(rows[:_MAX_ROWS]) + below
    table.setFixedHeight(height + 2 * table.frameWidth())


def _text_width(table: QTableWidget, x: int) -> int:
    cells = (table.item(y, x) for y in range(table.rowCount()))
    items = [item for item in (table.horizontalHeaderItem(x), *cells) if item]
    return max(table.fontMetrics().horizontalAdvance(item.text()) for item in items)
