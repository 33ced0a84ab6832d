"""The network of a plan: its levels as a drawing and as a table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPalette
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_segtrain.training.describe import level_rows, network_facts
from napari_segtrain.ui.train.plan_words import short_count
from napari_segtrain.ui.widgets.folding import Folding
from napari_segtrain.ui.widgets.forms.words import choice_text
from napari_segtrain.ui.widgets.texts import table_html, text_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.networks import LevelSummary
    from napari_segtrain.training.plan import TrainingPlan

_ROW = 22
_THINNEST, _THICKEST = 4, 18
_LEAST_WIDTH = 6
_GAP = 8
_FILL = 0.35
"""How much of the text color is in the bars."""


class LevelDrawing(QWidget):
    """A bar per level: as wide as its maps, as thick as the root of its channels."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._levels: tuple[LevelSummary, ...] = ()
        policy = QSizePolicy.Policy
        self.setSizePolicy(policy.Expanding, policy.Fixed)
        self.setAccessibleName("Drawing of the network's levels")

    def show_levels(self, levels: Sequence[LevelSummary]) -> None:
        """Draw other levels, the finest on top."""
        self._levels = tuple(levels)
        self.setVisible(bool(levels))
        texts = [_caption(level) for level in levels]
        self.setAccessibleDescription("; ".join(texts))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Size with all levels."""
        return QSize(self._caption_width() * 2, _ROW * len(self._levels))

    def minimumSizeHint(self) -> QSize:
        """Size with short bars."""
        return QSize(0, _ROW * len(self._levels))

    def bars(self) -> list[QRectF]:
        """Places of the bars, in pixels."""
        if not self._levels:
            return []
        room = self.width() - self._caption_width() - _GAP
        finest = self._levels[0].size[-1]
        most = max(level.channels for level in self._levels)
        places = []
        for row, level in enumerate(self._levels):
            width = max(_LEAST_WIDTH, room * level.size[-1] / finest)
            thick = max(_THINNEST, _THICKEST * math.sqrt(level.channels / most))
            left, top = (room - width) / 2, row * _ROW + (_ROW - thick) / 2
            places.append(QRectF(left, top, width, thick))
        return places

    def paintEvent(self, _event: Any) -> None:
        """Draw the bars and what they stand for."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        fill = QColor(text)
        fill.setAlphaF(_FILL)
        for row, (level, bar) in enumerate(zip(self._levels, self.bars(), strict=True)):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(fill)
            painter.drawRoundedRect(bar, 2, 2)
            painter.setPen(text)
            width = self._caption_width()
            place = QRectF(self.width() - width, row * _ROW, width, _ROW)
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, _caption(level))
        painter.end()

    def _caption_width(self) -> int:
        texts = [_caption(level) for level in self._levels]
        metrics = self.fontMetrics()
        return max((metrics.horizontalAdvance(text) for text in texts), default=0) + 2


class NetworkView(Folding):
    """The network of a plan, folded under its name and size."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("&Network", parent=parent)
        self.drawing = LevelDrawing()
        self.table = text_label("")
        self.facts = text_label("")
        self.table.setTextFormat(Qt.TextFormat.RichText)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for widget in (self.drawing, self.table, self.facts):
            layout.addWidget(widget)
        layout.addStretch()
        self.set_widget(content)

    def show_network(self, plan: TrainingPlan) -> None:
        """Show the network of a plan."""
        self.set_title(network_title(plan))
        self.drawing.show_levels(plan.levels)
        self.table.setText(table_html(level_rows(plan)))
        self.table.setVisible(bool(plan.levels))
        self.facts.setText(" ".join(network_facts(plan)))


def network_title(plan: TrainingPlan) -> str:
    """Name, number of levels and size of a network in one line."""
    n_levels = len(plan.levels)
    levels = f"{n_levels} level{'s' * (n_levels != 1)}, " if n_levels else ""
    n = short_count(plan.info.n_parameters)
    return f"&Network: {choice_text(plan.network.name)}, {levels}{n} parameters"


def _caption(level: LevelSummary) -> str:
    return f"{level.channels} channels"
