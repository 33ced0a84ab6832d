"""A score slice by slice; a click goes to the slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from qtpy.QtCore import QPointF, Qt, Signal

from napari_segtrain.ui.widgets.theme import palette_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QKeyEvent
    from qtpy.QtWidgets import QWidget

_HEIGHT = 170
_FEW = 40
"""Slices up to which each has a dot."""
_GRID = 0.25
_TICKS = [(0.0, "0"), (0.25, ""), (0.5, "0.5"), (0.75, ""), (1.0, "1")]


@dataclass(frozen=True)
class Curve:
    """Scores of one class.

    Parameters
    ----------
    name, color
        For people; the color as ``#rrggbb``.
    values : tuple of float or None
        One per slice, from 0 to 1; ``None`` is a gap.
    """

    name: str
    color: str
    values: tuple[float | None, ...]


class SliceCurve(pg.PlotWidget):
    """Plot of scores along the slices of a volume or the times of a series.

    The left and right keys go to the slice before and after.

    Parameters
    ----------
    parent : QWidget, optional
        Owner.

    Attributes
    ----------
    slice_clicked : Signal(int)
        Slice that was asked for.
    slice_hovered : Signal(object)
        Slice below the pointer, ``None`` when it left.
    """

    slice_clicked = Signal(int)
    slice_hovered = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._slices: tuple[int, ...] = ()
        self._curves: tuple[Curve, ...] = ()
        self._present: float | None = None
        self._palette = palette_of("dark")
        self._lines: list[Any] = []
        self._present_line = pg.InfiniteLine(angle=90, movable=False)
        self._hover_line = pg.InfiniteLine(angle=90, movable=False)
        self._build()
        self._connect()

    def _build(self) -> None:
        plot = self.getPlotItem()
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.setMouseEnabled(x=False, y=False)
        plot.setLabel("left", "IoU")
        plot.setYRange(0, 1, padding=0.1)
        plot.getAxis("left").setTicks([_TICKS, []])
        plot.showGrid(x=False, y=True, alpha=_GRID)
        plot.addItem(self._hover_line, ignoreBounds=True)
        plot.addItem(self._present_line, ignoreBounds=True)
        self._present_line.hide()
        self._hover_line.hide()
        self.setFixedHeight(_HEIGHT)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Score of each slice")
        self.setToolTip("Click a slice to see it; the arrow keys go on from there.")

    def _connect(self) -> None:
        self.scene().sigMouseClicked.connect(self._on_scene_clicked)
        self.scene().sigMouseMoved.connect(self._on_scene_moved)

    @property
    def slices(self) -> tuple[int, ...]:
        """The slices that are drawn."""
        return self._slices

    @property
    def present(self) -> float | None:
        """The slice that is marked."""
        return self._present

    def set_curves(
        self, slices: Sequence[int], curves: Sequence[Curve], *, axis: str
    ) -> None:
        """Draw scores.

        Parameters
        ----------
        slices : sequence of int
            Number of each slice, rising.
        curves : sequence of Curve
            With one value per slice.
        axis : str
            What is numbered, for people: ``slice (Z)``.
        """
        self._slices, self._curves = tuple(slices), tuple(curves)
        self.getPlotItem().setLabel("bottom", axis)
        if self._slices:
            first, last = self._slices[0], self._slices[-1]
            self.getPlotItem().setXRange(first - 0.5, last + 0.5, padding=0.01)
        self._draw()

    def set_present(self, index: float | None) -> None:
        """Mark the slice that the viewer shows; ``None`` when it shows none."""
        self._present = index
        is_inside = (
            index is not None
            and bool(self._slices)
            and self._slices[0] - 1 < index < self._slices[-1] + 1
        )
        self._present_line.setVisible(is_inside)
        if index is not None and is_inside:
            self._present_line.setPos(round(index))

    def apply_theme(self, theme_id: str) -> None:
        """Take the colors of a theme."""
        self._palette = palette = palette_of(theme_id)
        self.setBackground(palette.background)
        for name in ("left", "bottom"):
            axis = self.getPlotItem().getAxis(name)
            axis.setPen(pg.mkPen(palette.muted))
            axis.setTextPen(pg.mkPen(palette.text))
        self._present_line.setPen(pg.mkPen(palette.accent, width=2))
        self._hover_line.setPen(pg.mkPen(palette.muted, style=Qt.PenStyle.DotLine))
        self._draw()

    def nearest(self, position: float) -> int | None:
        """Slice that is drawn nearest to a position along the axis."""
        if not self._slices:
            return None
        numbers = np.array(self._slices)
        return int(numbers[np.abs(numbers - position).argmin()])

    def slice_point(self, index: int) -> QPointF:
        """Where a slice is drawn, halfway up, in pixels of the widget."""
        box = self.getPlotItem().getViewBox()
        scene = box.mapViewToScene(QPointF(float(index), 0.5))
        return QPointF(self.mapFromScene(scene))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go to a neighboring slice, the first or the last."""
        index = self._by_key(event.key())
        if index is None:
            super().keyPressEvent(event)
            return
        event.accept()
        self.slice_clicked.emit(index)

    def leaveEvent(self, event: Any) -> None:
        """Forget the slice below the pointer."""
        self._hover_line.hide()
        self.slice_hovered.emit(None)
        super().leaveEvent(event)

    def _by_key(self, key: int) -> int | None:
        if not self._slices:
            return None
        here = self.nearest(self._present if self._present is not None else 0)
        at = self._slices.index(here) if here is not None else 0
        last = len(self._slices) - 1
        moves = {
            Qt.Key.Key_Left: max(at - 1, 0),
            Qt.Key.Key_Right: min(at + 1, last),
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: last,
        }
        return self._slices[moves[key]] if key in moves else None

    def _position(self, scene_point: QPointF) -> float:
        box = self.getPlotItem().getViewBox()
        return float(box.mapSceneToView(scene_point).x())

    def _on_scene_clicked(self, event: Any) -> None:
        index = self.nearest(self._position(event.scenePos()))
        if index is not None and event.button() == Qt.MouseButton.LeftButton:
            self.slice_clicked.emit(index)

    def _on_scene_moved(self, scene_point: QPointF) -> None:
        index = self.nearest(self._position(scene_point))
        if index is None:
            return
        self._hover_line.setPos(index)
        self._hover_line.show()
        self.slice_hovered.emit(index)

    def _draw(self) -> None:
        plot = self.getPlotItem()
        for line in self._lines:
            plot.removeItem(line)
        self._lines = [self._line(curve) for curve in self._curves]
        for line in self._lines:
            plot.addItem(line)

    def _line(self, curve: Curve) -> Any:
        values = _with_gaps(curve.values)
        color = self._palette.line(curve.color)
        dots: dict[str, Any] = {}
        if len(values) <= _FEW or _has_lone_values(values):
            dots = {
                "symbol": "o",
                "symbolSize": 5,
                "symbolBrush": color,
                "symbolPen": None,
            }
        return pg.PlotDataItem(
            np.array(self._slices, float),
            values,
            pen=pg.mkPen(color, width=2),
            connect="finite",
            antialias=True,
            **dots,
        )


def _with_gaps(values: Sequence[float | None]) -> npt.NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], float)


def _has_lone_values(values: npt.NDArray[np.float64]) -> bool:
    """Whether a value has gaps on both sides, so that no line shows it."""
    known = np.pad(np.isfinite(values), 1)
    return bool((known[1:-1] & ~known[:-2] & ~known[2:]).any())
