"""Runs and models as items of a list: their texts, pictures and how they are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter, QPalette
from qtpy.QtWidgets import (
    QApplication,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from napari_segtrain.workflows.library import RunInfo, list_runs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SIDE = 48
_MARGIN = 6
_DOT = 8
_FAINT = 0.65
_N_LINES = 3
RUN_ROLE = Qt.ItemDataRole.UserRole
SEARCH_ROLE = Qt.ItemDataRole.UserRole + 1


@dataclass(frozen=True)
class Entry:
    """A run or model with its picture, as read in a thread."""

    run: RunInfo
    picture: QImage | None


def read_entries(folder: Path) -> list[Entry]:
    """List a folder and load its pictures; to be called in a thread."""
    return [Entry(run, _picture(run.thumbnail)) for run in list_runs(folder)]


def score_of(run: RunInfo) -> str:
    """Short text of a score; empty without one."""
    return "" if run.score is None else f"{run.score:.2f}"


def facts_of(run: RunInfo) -> str:
    """State, kind and date of a run in one line."""
    if run.problem is not None:
        return run.problem
    dims = f"{run.dims}D" if run.dims else ""
    parts = (_state_of(run), dims, _date_text(run.created))
    return " · ".join(part for part in parts if part)


def class_names(run: RunInfo) -> str:
    """Names of the classes that are not background."""
    return ", ".join(row.name for row in run.classes if row.role == "class")


class RunsModel(QAbstractListModel):
    """The entries of a list.

    Attributes
    ----------
    rename_asked : Signal(RunInfo, str)
        The user typed another name.
    """

    rename_asked = Signal(object, str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._entries: list[Entry] = []

    @property
    def runs(self) -> list[RunInfo]:
        """What is listed, the newest first."""
        return [entry.run for entry in self._entries]

    def set_entries(self, entries: Sequence[Entry]) -> None:
        """Replace what is listed."""
        self.beginResetModel()
        self._entries = list(entries)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Count the entries."""
        is_inside = parent is not None and parent.isValid()
        return 0 if is_inside else len(self._entries)

    def flags(self, index: QModelIndex) -> Any:
        """Names can be edited."""
        return super().flags(index) | Qt.ItemFlag.ItemIsEditable

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a role asks for."""
        if not 0 <= index.row() < len(self._entries):
            return None
        entry = self._entries[index.row()]
        run, roles = entry.run, Qt.ItemDataRole
        if role in {roles.AccessibleTextRole, SEARCH_ROLE, roles.ToolTipRole}:
            return _long_text(run, role)
        return {
            roles.DisplayRole: run.name,
            roles.EditRole: run.name,
            roles.DecorationRole: entry.picture,
            RUN_ROLE: run,
        }.get(role)

    def setData(
        self,
        index: QModelIndex,
        value: Any,
        role: int = Qt.ItemDataRole.EditRole,
    ) -> bool:
        """Ask for another name; the list shows it when it was read again."""
        run = self.data(index, RUN_ROLE)
        if role != Qt.ItemDataRole.EditRole or run is None or value == run.name:
            return False
        self.rename_asked.emit(run, str(value))
        return True


class RunDelegate(QStyledItemDelegate):
    """Draws picture, name, score, classes and state of a run."""

    def sizeHint(self, option: QStyleOptionViewItem, _index: QModelIndex) -> QSize:
        """Three lines of text or the picture, whichever is taller."""
        line = QFontMetrics(option.font).height()
        return QSize(200, max(SIDE, _N_LINES * line) + 2 * _MARGIN)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Draw an entry."""
        self._draw_back(painter, option, index)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = option.rect.adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN)
        _draw_picture(painter, rect, index.data(Qt.ItemDataRole.DecorationRole))
        palette = option.widget.palette() if option.widget else option.palette
        self._draw_lines(painter, option, index.data(RUN_ROLE), palette)
        painter.restore()

    def updateEditorGeometry(
        self, editor: QWidget, option: QStyleOptionViewItem, _index: QModelIndex
    ) -> None:
        """Put the editor of the name where the name is."""
        rect = _text_rect(option)
        editor.setGeometry(rect.adjusted(-4, -4, 0, 0))
        editor.setFixedHeight(max(22, rect.height() // _N_LINES + 8))

    def _draw_back(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        plain = QStyleOptionViewItem(option)
        self.initStyleOption(plain, index)
        plain.text = ""
        plain.features &= ~QStyleOptionViewItem.ViewItemFeature.HasDecoration
        widget = option.widget
        style = widget.style() if widget else QApplication.style()
        control = QStyle.ControlElement.CE_ItemViewItem
        style.drawControl(control, plain, painter, widget)

    def _draw_lines(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        run: RunInfo,
        palette: QPalette,
    ) -> None:
        rect = _text_rect(option)
        height = rect.height() // _N_LINES
        lines = [
            QRect(rect.left(), rect.top() + n * height, rect.width(), height)
            for n in range(_N_LINES)
        ]
        color = palette.color(QPalette.ColorRole.Text)
        painter.setPen(color)
        bold = QFont(option.font)
        bold.setBold(True)
        painter.setFont(bold)
        left = _draw_right(painter, lines[0], score_of(run))
        _draw_left(painter, left, run.name)
        painter.setFont(option.font)
        _draw_classes(painter, lines[1], run)
        color.setAlphaF(_FAINT)
        painter.setPen(color)
        _draw_left(painter, lines[2], facts_of(run))


def _text_rect(option: QStyleOptionViewItem) -> QRect:
    rect = option.rect.adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN)
    return rect.adjusted(SIDE + 2 * _MARGIN, 0, 0, 0)


def _draw_picture(painter: QPainter, rect: QRect, picture: QImage | None) -> None:
    frame = QRect(rect.left(), rect.top() + (rect.height() - SIDE) // 2, SIDE, SIDE)
    if picture is None:
        painter.fillRect(frame, QColor(128, 128, 128, 60))
        return
    size = picture.size()
    target = QRect(0, 0, size.width(), size.height())
    target.moveCenter(frame.center())
    painter.drawImage(target, picture)


def _draw_left(painter: QPainter, rect: QRect, text: str) -> None:
    metrics = painter.fontMetrics()
    shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, rect.width())
    flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
    painter.drawText(rect, flags, shown)


def _draw_right(painter: QPainter, rect: QRect, text: str) -> QRect:
    """Draw a text at the right and return what is left of the line."""
    flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
    painter.drawText(rect, flags, text)
    width = painter.fontMetrics().horizontalAdvance(text)
    return rect.adjusted(0, 0, -(width + _MARGIN) if text else 0, 0)


def _draw_classes(painter: QPainter, rect: QRect, run: RunInfo) -> None:
    """Draw a dot and the name of each class that is not background."""
    metrics = painter.fontMetrics()
    left = rect.left()
    for row in run.classes:
        if row.role != "class" or left > rect.right() - 2 * _DOT:
            continue
        dot = QRect(left, rect.center().y() - _DOT // 2, _DOT, _DOT)
        painter.save()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(row.color))
        painter.drawEllipse(dot)
        painter.restore()
        left += _DOT + 4
        rest = QRect(left, rect.top(), rect.right() - left, rect.height())
        _draw_left(painter, rest, row.name)
        left += metrics.horizontalAdvance(row.name) + 10


def _long_text(run: RunInfo, role: int) -> str:
    """Return all that is known: for the ear, the search field or a tooltip."""
    score = "no score" if run.score is None else f"score {score_of(run)}"
    parts = [run.name, class_names(run), score, facts_of(run)]
    if role == SEARCH_ROLE:
        parts += run.images
    elif role == Qt.ItemDataRole.ToolTipRole:
        return "\n".join((*filter(None, parts), str(run.path)))
    return ", ".join(filter(None, parts))


def _picture(path: Path | None) -> QImage | None:
    image = QImage() if path is None else QImage(str(path))
    if image.isNull():
        return None
    return image.scaled(
        SIDE,
        SIDE,
        Qt.AspectRatioMode.KeepAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )


def _state_of(run: RunInfo) -> str:
    if run.state == "complete":
        return "" if run.is_run else "model"
    return run.state


def _date_text(created: datetime) -> str:
    local = created.astimezone()
    today = datetime.now().astimezone().date()
    if local.date() == today:
        return f"today {local:%H:%M}"
    return f"{local.day} {local:%b %Y}"
