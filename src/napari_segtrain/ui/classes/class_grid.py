"""Rows of a class table: color, value, name, role and voxels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
)

from napari_segtrain.ui.classes.class_rows import spaced
from napari_segtrain.ui.widgets.forms.editors import CalmComboBox

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_segtrain.image import ClassInfo, Role
    from napari_segtrain.ui.classes.class_rows import ClassRows

_COLOR, _VALUE, _NAME, _ROLE, _VOXELS = range(5)
_TITLES = ("", "Value", "Name", "Role", "Voxels")
_ROLES: tuple[Role, ...] = ("background", "class", "unlabelled")
_SWATCH = 14
_ROW_HEIGHT = 26
_LEAST_ROWS, _MOST_ROWS = 2, 8
_FRAME = 4
_ROLE_TIP = (
    "Background and classes are told apart; what is unlabelled counts nowhere, neither "
    "in training nor in scores"
)


class ClassGrid(QTableWidget):
    """Shows `ClassRows`, and says what the user changes.

    Attributes
    ----------
    value_chosen : Signal(int)
        The user went to the row of a label value.
    name_edited : Signal(int, str)
    color_edited : Signal(int, str)
    role_edited : Signal(int, str)
        The user gave the value another name, color or role.
    """

    value_chosen = Signal(int)
    name_edited = Signal(int, str)
    color_edited = Signal(int, str)
    role_edited = Signal(int, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_TITLES), parent)
        self._rows: tuple[ClassInfo, ...] = ()
        self._dialog: QColorDialog | None = None
        self._set_up()
        self._connect()

    @property
    def value(self) -> int | None:
        """Label value of the current row."""
        row = self.currentRow()
        return self._rows[row].value if 0 <= row < len(self._rows) else None

    def show_rows(self, shown: ClassRows) -> None:
        """Show other rows; cells that are as they were are not touched."""
        values = [row.value for row in self._rows]
        with QSignalBlocker(self):
            if values != [row.value for row in shown.rows]:
                self._fill(shown.rows)
            for number, row in enumerate(shown.rows):
                self._show_row(number, row, shown)
        self._rows = shown.rows
        self._fit_height()

    def go_to(self, value: int) -> None:
        """Make the row of a label value the current one, if it has one."""
        values = [row.value for row in self._rows]
        if value in values and self.value != value:
            with QSignalBlocker(self):
                self.setCurrentCell(values.index(value), _NAME)

    def edit_name(self, value: int) -> None:
        """Let the user type the name of a value."""
        self.go_to(value)
        item = self.item(self.currentRow(), _NAME)
        if item is not None:
            self.setFocus()
            self.editItem(item)

    def ask_color(self, number: int) -> None:
        """Open a dialog for the color of a row."""
        row = self._rows[number]
        if self._dialog is not None or row.value == 0:
            return
        dialog = QColorDialog(QColor(row.color), self)
        dialog.setWindowTitle(f"Color of {row.name}")
        dialog.setProperty("value", row.value)
        dialog.colorSelected.connect(self._on_dialog_color_selected)
        dialog.finished.connect(self._on_dialog_finished)
        self._dialog = dialog
        dialog.open()

    def _set_up(self) -> None:
        self.setHorizontalHeaderLabels(list(_TITLES))
        self.setAccessibleName("Classes")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        triggers = QAbstractItemView.EditTrigger
        self.setEditTriggers(triggers.DoubleClicked | triggers.EditKeyPressed)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(_ROW_HEIGHT)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)

    def _connect(self) -> None:
        self.itemChanged.connect(self._on_self_item_changed)
        self.currentCellChanged.connect(self._on_self_current_changed)
        self.cellClicked.connect(self._on_self_cell_clicked)
        self.cellActivated.connect(self._on_self_cell_activated)

    def _fill(self, rows: tuple[ClassInfo, ...]) -> None:
        current = self.value
        self.setRowCount(len(rows))
        for number, row in enumerate(rows):
            for column in range(len(_TITLES)):
                if self.item(number, column) is None:  # else it may be being edited
                    self.setItem(number, column, QTableWidgetItem())
            box = CalmComboBox()
            box.addItems(list(_ROLES))
            box.setToolTip(_ROLE_TIP)
            box.setAccessibleName(f"Role of {row.value}")
            box.setProperty("value", row.value)
            box.activated.connect(self._on_role_box_activated)
            self.setCellWidget(number, _ROLE, box)
        values = [row.value for row in rows]
        if current in values:
            self.setCurrentCell(values.index(current), _NAME)

    def _show_row(self, number: int, row: ClassInfo, shown: ClassRows) -> None:
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        is_ids = shown.is_objects and row.role == "class"
        texts = {
            _VALUE: "ids" if is_ids else str(row.value),
            _NAME: row.name,
            _VOXELS: spaced(row.n_voxels),
        }
        for column in (_COLOR, _VALUE, _NAME, _VOXELS):
            item = self.item(number, column)
            is_name = column == _NAME
            item.setFlags(flags | Qt.ItemFlag.ItemIsEditable if is_name else flags)
            item.setText(texts.get(column, ""))
        self._show_color(number, row)
        self.item(number, _NAME).setToolTip(
            f"{spaced(shown.n_objects)} objects" if is_ids else row.name
        )
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        self.item(number, _VALUE).setTextAlignment(right)
        self.item(number, _VOXELS).setTextAlignment(right)
        box = self.cellWidget(number, _ROLE)
        box.setCurrentText(row.role)
        box.setEnabled(not shown.is_objects)

    def _show_color(self, number: int, row: ClassInfo) -> None:
        item = self.item(number, _COLOR)
        if item.data(Qt.ItemDataRole.UserRole) != (row.value, row.color):
            item.setData(Qt.ItemDataRole.UserRole, (row.value, row.color))
            item.setIcon(_swatch(None if row.value == 0 else row.color))
        tip = "0 is transparent" if row.value == 0 else f"{row.color}: click to change"
        item.setToolTip(tip)

    def _on_self_item_changed(self, item: QTableWidgetItem) -> None:
        row = self._rows[item.row()]
        name = item.text().strip()
        if item.column() != _NAME or name == row.name:
            return
        if name:
            self.name_edited.emit(row.value, name)
        else:
            item.setText(row.name)

    def _on_self_current_changed(self, number: int, *_others: int) -> None:
        if 0 <= number < len(self._rows):
            self.value_chosen.emit(self._rows[number].value)

    def _on_self_cell_clicked(self, number: int, column: int) -> None:
        self.value_chosen.emit(self._rows[number].value)
        if column == _COLOR:
            self.ask_color(number)

    def _on_self_cell_activated(self, number: int, column: int) -> None:
        if column == _COLOR:
            self.ask_color(number)

    def _on_role_box_activated(self) -> None:
        box = self.sender()
        if isinstance(box, CalmComboBox):
            self.role_edited.emit(box.property("value"), box.currentText())

    def _on_dialog_color_selected(self, color: QColor) -> None:
        if self._dialog is not None:
            self.color_edited.emit(self._dialog.property("value"), color.name())

    def _on_dialog_finished(self) -> None:
        if self._dialog is not None:
            self._dialog.deleteLater()
        self._dialog = None

    def _fit_height(self) -> None:
        rows = min(max(self.rowCount(), _LEAST_ROWS), _MOST_ROWS)
        header = self.horizontalHeader().sizeHint().height()
        self.setFixedHeight(rows * _ROW_HEIGHT + header + _FRAME)


def _swatch(color: str | None) -> QIcon:
    """A filled square, or an empty one for what is transparent."""
    pixmap = QPixmap(_SWATCH, _SWATCH)
    pixmap.fill(QColor(color) if color else QColor(0, 0, 0, 0))
    painter = QPainter(pixmap)
    painter.setPen(QColor("#808080"))
    painter.drawRect(0, 0, _SWATCH - 1, _SWATCH - 1)
    if color is None:
        painter.drawLine(0, _SWATCH - 1, _SWATCH - 1, 0)
    painter.end()
    return QIcon(pixmap)
