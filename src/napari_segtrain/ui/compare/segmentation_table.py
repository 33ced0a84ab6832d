"""Several segmentations in a table; the chosen one is shown below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QItemSelectionModel, QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_segtrain.ui.compare.table_fit import fit_table, style_table
from napari_segtrain.ui.widgets.score_table import ScoreTable

if TYPE_CHECKING:
    from qtpy.QtGui import QResizeEvent, QShowEvent

    from napari_segtrain.ui.compare.comparison_series import ComparedSeries

_COLUMNS = ("segmentation", "iou", "dice", "f1")
_ROW_ROLE = Qt.ItemDataRole.UserRole
_TIPS = {
    "iou": "Mean over the classes but the background",
    "dice": "Mean over the classes but the background",
    "f1": "Of objects at the first IoU threshold, mean over the classes",
}


class SegmentationTable(QWidget):
    """Shows the scores of each segmentation; of one alone nothing.

    Attributes
    ----------
    chosen : Signal(int)
        Number of the segmentation that is to be shown.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = ScoreTable()
        self.table.setAccessibleName("Segmentations")
        self.table.setToolTip("Click a segmentation to see its scores below")
        self.verdict = QLabel()
        self.verdict.setWordWrap(True)
        flags = Qt.TextInteractionFlag
        self.verdict.setTextInteractionFlags(
            flags.TextSelectableByMouse | flags.TextSelectableByKeyboard
        )
        style_table(self.table)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.table)
        layout.addWidget(self.verdict)
        self.table.itemSelectionChanged.connect(self._on_selection_changed)
        self.hide()

    def show_series(self, series: ComparedSeries, chosen: int = 0) -> None:
        """Show other segmentations, and which one is looked at."""
        with QSignalBlocker(self.table):
            columns = [name for name in _COLUMNS if name in series.rows[0]]
            self.table.set_rows(series.rows, columns, tips=_TIPS)
            for y in range(len(series.rows)):
                self._set_number(y, y)
        self.verdict.setText(series.verdict)
        self.verdict.setVisible(bool(series.verdict))
        self.setVisible(len(series.rows) > 1)
        self.select(chosen)
        fit_table(self.table, self.width())

    def select(self, number: int) -> None:
        """Mark a segmentation as the one that is shown."""
        with QSignalBlocker(self.table):
            for y in range(self.table.rowCount()):
                if self._number(y) == number:
                    model = self.table.model().index(y, 0)
                    flag = QItemSelectionModel.SelectionFlag
                    how = flag.ClearAndSelect | flag.Rows
                    self.table.selectionModel().setCurrentIndex(model, how)

    def showEvent(self, event: QShowEvent) -> None:
        """Fit the table, now that its font is known."""
        super().showEvent(event)
        fit_table(self.table, self.width())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the table to the width."""
        super().resizeEvent(event)
        fit_table(self.table, self.width())

    def _set_number(self, y: int, number: int) -> None:
        item = self.table.item(y, 0)
        if item is not None:
            item.setData(_ROW_ROLE, number)

    def _number(self, y: int) -> int | None:
        item = self.table.item(y, 0)
        return None if item is None else item.data(_ROW_ROLE)

    def _on_selection_changed(self) -> None:
        rows = {index.row() for index in self.table.selectedIndexes()}
        number = self._number(rows.pop()) if len(rows) == 1 else None
        if number is not None:
            self.chosen.emit(number)
