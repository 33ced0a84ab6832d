"""One plot of lines in the colors of a theme."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_segtrain.ui.widgets.curve_history import Values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.ui.widgets.theme import Palette

MAX_THICK = 300
"""Points of a line that is drawn thick: Qt takes long to stroke thick ragged lines."""

_HEIGHT = 120
_AXIS_WIDTH = 38
_TICK_POINTS = 8
_FEW_POINTS = 40
_SYMBOL_SIZE = 5
_DIGITS = (1, 2, 5)
_DOT = "\N{BLACK CIRCLE}"
_DASH = "\N{BOX DRAWINGS LIGHT TRIPLE DASH VERTICAL}"


@dataclass(frozen=True, eq=False)
class Line:
    """Values against x.

    Parameters
    ----------
    name : str
        In the legend; empty for a line that is not there.
    color : str
        ``#rrggbb``
    x, y : ndarray
        Of one length; what is not finite is a gap.
    opacity : float
        0 to 1.
    width : int
        Pixels; 1 beyond `MAX_THICK` points.
    has_dots : bool
        Whether points are marked while they are few.
    """

    name: str
    color: str
    x: Values
    y: Values
    opacity: float = 1.0
    width: int = 2
    has_dots: bool = False


class _ValueAxis(pg.AxisItem):
    """Has few values on a logarithmic scale: 1, 2 and 5 of each decade."""

    def logTickValues(self, low: float, high: float, *_: Any) -> list[Any]:
        """Return the ticks between two logarithms, of one level."""
        decades = range(math.floor(low), math.ceil(high) + 1)
        ticks = [power + math.log10(digit) for power in decades for digit in _DIGITS]
        return [(1.0, [tick for tick in ticks if low <= tick <= high])]


class CurvePlot(QWidget):
    """A legend and, below it, lines that cannot be dragged or zoomed by accident.

    Parameters
    ----------
    title : str
        What is measured.
    names_best : bool
        Whether the legend explains the mark of the best epoch.

    Signals
    -------
    hovered(x)
        The pointer is above this x; ``None`` when it left.
    """

    hovered = Signal(object)

    def __init__(self, title: str, *, names_best: bool = False) -> None:
        super().__init__()
        self._title = title
        self._names_best = names_best
        self._is_log = False
        self._palette: Palette | None = None
        self._legend = QLabel()
        self._legend.setTextFormat(Qt.TextFormat.RichText)
        self._legend.setWordWrap(True)
        self._view = pg.PlotWidget(axisItems={"left": _ValueAxis("left")})
        self._item = self._view.getPlotItem()
        self._curves: list[pg.PlotDataItem] = []
        self._best = pg.InfiniteLine(angle=90)
        self._cursor = pg.InfiniteLine(angle=90)
        self._set_up_view()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._legend)
        layout.addWidget(self._view)
        self._view.scene().sigMouseMoved.connect(self._on_scene_mouse_moved)

    @property
    def legend(self) -> str:
        """Names of the lines, as HTML."""
        return self._legend.text()

    def set_title(self, title: str) -> None:
        """Say what is measured; shown by the next `draw`."""
        self._title = title

    def set_fixed_range(self, low: float, high: float) -> None:
        """Keep the same values in view."""
        self._item.setYRange(low, high, padding=0.04)

    def set_x_range(self, low: float, high: float) -> None:
        """Show this part of x, here and in linked plots."""
        self._item.setXRange(low, max(high, low + 1e-3), padding=0.02)

    def set_log(self, *, is_log: bool) -> None:
        """Show the logarithm of the values; what has none is a gap."""
        self._is_log = is_log
        self._item.setLogMode(x=False, y=is_log)

    def hide_x_values(self) -> None:
        """Leave the numbers of x to the plot below."""
        self._item.getAxis("bottom").setStyle(showValues=False)

    def link(self, other: CurvePlot) -> None:
        """Show the same range of x as another plot."""
        self._item.setXLink(other._item)

    def apply(self, palette: Palette) -> None:
        """Take the colors of a theme; lines are given theirs by `draw`."""
        self._palette = palette
        self._view.setBackground(palette.background)
        for side in ("left", "bottom"):
            axis = self._item.getAxis(side)
            axis.setPen(palette.muted)
            axis.setTextPen(palette.text)
        self._best.setPen(pg.mkPen(palette.accent, style=Qt.PenStyle.DashLine))
        self._cursor.setPen(pg.mkPen(palette.muted))

    def draw(self, lines: Sequence[Line], best: float | None) -> None:
        """Show these lines and the x of the best epoch, and nothing else."""
        while len(self._curves) < len(lines):
            self._curves.append(self._item.plot())
        for curve, line in zip(self._curves, lines, strict=False):
            self._draw_line(curve, line)
        for curve in self._curves[len(lines) :]:
            curve.setData([], [])
        self._best.setVisible(best is not None)
        if best is not None:
            self._best.setValue(best)
        self._show_legend([line for line in lines if line.name])

    def settle(self) -> None:
        """Fit the values in view now, not while painting, which paints again."""
        self._view.scene().prepareForPaint()

    def show_cursor(self, x: float | None) -> None:
        """Show where the pointer is."""
        self._cursor.setVisible(x is not None)
        if x is not None:
            self._cursor.setValue(x)

    def leaveEvent(self, event: Any) -> None:
        """Tell that the pointer left."""
        self.hovered.emit(None)
        super().leaveEvent(event)

    def _set_up_view(self) -> None:
        self._view.setMinimumHeight(_HEIGHT)
        self._view.setAccessibleName(f"Plot of {self._title}")
        self._view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._item.setMenuEnabled(False)
        self._item.setMouseEnabled(x=False, y=False)
        self._item.hideButtons()
        self._item.showGrid(x=False, y=True, alpha=0.15)
        font = self.font()
        font.setPointSize(_TICK_POINTS)
        for side in ("left", "bottom"):
            axis = self._item.getAxis(side)
            axis.setTickFont(font)
            axis.enableAutoSIPrefix(enable=False)
        self._item.getAxis("left").setWidth(_AXIS_WIDTH)
        for mark in (self._best, self._cursor):
            mark.hide()
            self._item.addItem(mark, ignoreBounds=True)

    def _draw_line(self, curve: pg.PlotDataItem, line: Line) -> None:
        y = np.where(line.y > 0, line.y, np.nan) if self._is_log else line.y
        color = pg.mkColor(line.color)
        color.setAlphaF(line.opacity)
        width = line.width if len(y) <= MAX_THICK else 1
        is_marked = line.has_dots and len(y) <= _FEW_POINTS
        curve.setData(
            line.x,
            y,
            pen=pg.mkPen(color, width=width),
            symbol="o" if is_marked else None,
            symbolBrush=color,
            symbolPen=None,
            symbolSize=_SYMBOL_SIZE,
            antialias=True,
            connect="finite",
        )

    def _show_legend(self, lines: Sequence[Line]) -> None:
        entries = [(line.color, _DOT, line.name) for line in lines]
        if self._names_best and self._palette is not None and self._best.isVisible():
            entries.append((self._palette.accent, _DASH, "best"))
        parts = [f"<b>{self._title}</b>"]
        for color, sign, name in entries:
            text = html.escape(name).replace(" ", "&nbsp;")
            parts.append(f'<span style="color:{color}">{sign}</span>&nbsp;{text}')
        self._legend.setText(" &nbsp;".join(parts))

    def _on_scene_mouse_moved(self, position: Any) -> None:
        box = self._item.getViewBox()
        if box.sceneBoundingRect().contains(position):
            self.hovered.emit(float(box.mapSceneToView(position).x()))
        else:
            self.hovered.emit(None)
