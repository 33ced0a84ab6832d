"""Size of each object against how well it is found; a click shows the object."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from qtpy.QtCore import QPointF, Qt, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_segtrain.ui.widgets.theme import palette_of

if TYPE_CHECKING:
    from napari_segtrain.axes import VoxelSize
    from napari_segtrain.evaluation.object_points import ObjectPoints
    from napari_segtrain.ui.widgets.theme import Palette

    Values = npt.NDArray[np.float64]

MAX_POINTS = 4000
"""Of more objects so many are drawn; Qt would take too long for all."""

KIND_COLORS = {"found": "#009e73", "missed": "#d55e00", "extra": "#f0e442"}
"""As in the error map: right, false negative, false positive."""

_HEIGHT = 190
_SIZE, _RING = 6, 14
_REACH = 12
"""Pixels from a point at which a click still means it."""
_TICKS = [(0.0, "0"), (0.25, ""), (0.5, "0.5"), (0.75, ""), (1.0, "1")]
_GRID = 0.25
_OPACITY = 170
_UNITS = {0: "voxels", 2: "µm²", 3: "µm³"}
"""By the number of axes with a known voxel size."""


class ObjectScatter(QWidget):
    """Plot with a point per object.

    Attributes
    ----------
    object_asked : Signal(dict)
        Row of the object that was clicked, see `ObjectPoints.row`.
    """

    object_asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._points: ObjectPoints | None = None
        self._shown = np.zeros(0, int)
        self._xy: Values = np.zeros((0, 2))
        self._palette: Palette = palette_of("dark")
        self.legend = QLabel()
        self.plot = pg.PlotWidget()
        self._clouds = {kind: pg.ScatterPlotItem(size=_SIZE) for kind in KIND_COLORS}
        self._ring = pg.ScatterPlotItem(size=_RING)
        self._build()
        self.plot.scene().sigMouseClicked.connect(self._on_scene_clicked)
        self.plot.scene().sigMouseMoved.connect(self._on_scene_moved)

    @property
    def drawn(self) -> Values:
        """Logarithm of the size, and IoU, of the objects that are drawn, (n, 2)."""
        return self._xy

    def set_points(self, points: ObjectPoints, voxel_size: VoxelSize | None) -> None:
        """Show other objects.

        Parameters
        ----------
        points : ObjectPoints
        voxel_size : tuple of float, optional
            µm per voxel along (Z), Y and X; sizes are counted in voxels without.
        """
        self._points = points
        self._shown = points.sample(MAX_POINTS)
        sizes = points.sizes[self._shown] * math.prod(voxel_size or ())
        x = np.log10(np.maximum(sizes, np.finfo(float).tiny))
        self._xy = np.column_stack([x, points.iou[self._shown]])
        self._ring.setData([], [])
        self._draw()
        if len(x):
            low, high = float(x.min()), float(x.max())
            self.plot.getPlotItem().setXRange(low, max(high, low + 0.1), padding=0.04)
        unit = _UNITS[len(voxel_size or ())]
        self.plot.getPlotItem().setLabel("bottom", f"size in {unit}")
        self._show_legend()

    def apply_theme(self, theme_id: str) -> None:
        """Take the colors of a theme."""
        self._palette = palette = palette_of(theme_id)
        self.plot.setBackground(palette.background)
        for name in ("left", "bottom"):
            axis = self.plot.getPlotItem().getAxis(name)
            axis.setPen(pg.mkPen(palette.muted))
            axis.setTextPen(pg.mkPen(palette.text))
        self._ring.setPen(pg.mkPen(palette.accent, width=2))
        self._draw()
        self._show_legend()

    def nearest(self, scene_point: QPointF) -> int | None:
        """Position of the object that is drawn at a point of the scene, or nearly."""
        if not len(self._xy):
            return None
        box = self.plot.getPlotItem().getViewBox()
        at = box.mapSceneToView(scene_point)
        width, height = box.viewPixelSize()
        away = (self._xy - (at.x(), at.y())) / (width, height)
        distances = np.hypot(*away.T)
        best = int(distances.argmin())
        return int(self._shown[best]) if distances[best] <= _REACH else None

    def object_point(self, position: int) -> QPointF:
        """Where an object is drawn, in pixels of the plot."""
        at = int(np.searchsorted(self._shown, position))
        box = self.plot.getPlotItem().getViewBox()
        scene = box.mapViewToScene(QPointF(*self._xy[at].tolist()))
        return QPointF(self.plot.mapFromScene(scene))

    def _build(self) -> None:
        item = self.plot.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.setMouseEnabled(x=False, y=False)
        item.setLogMode(x=False, y=False)
        item.getAxis("bottom").setLogMode(x=True)
        item.setLabel("left", "best IoU")
        item.setYRange(0, 1, padding=0.06)
        item.getAxis("left").setTicks([_TICKS, []])
        item.showGrid(x=False, y=True, alpha=_GRID)
        for cloud in (*self._clouds.values(), self._ring):
            item.addItem(cloud)
        self._ring.setBrush(None)
        self.plot.setFixedHeight(_HEIGHT)
        self.plot.setMouseTracking(True)
        self.plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.plot.setCursor(Qt.CursorShape.PointingHandCursor)
        self.plot.setAccessibleName("Size of each object against its best IoU")
        self.legend.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.plot)
        layout.addWidget(self.legend)

    def _draw(self) -> None:
        if self._points is None:
            return
        kinds = self._points.kinds[self._shown]
        for number, (name, cloud) in enumerate(self._clouds.items()):
            color = pg.mkColor(self._palette.line(KIND_COLORS[name]))
            color.setAlpha(_OPACITY)
            chosen = self._xy[kinds == number]
            cloud.setData(chosen[:, 0], chosen[:, 1], pen=None, brush=color)

    def _show_legend(self) -> None:
        points = self._points
        if points is None:
            return
        counts = np.bincount(points.kinds, minlength=len(KIND_COLORS)).tolist()
        parts = [
            f'<span style="color:{self._palette.line(color)}">&#9679;</span>'
            f"&nbsp;{n:,}&nbsp;{name}"
            for n, (name, color) in zip(counts, KIND_COLORS.items(), strict=True)
        ]
        text = "&nbsp; ".join(parts)
        if len(self._shown) < len(points):
            text += f"; {len(self._shown):,} of them are drawn, chosen at random"
        self.legend.setText(text)

    def _select(self, position: int) -> None:
        at = int(np.searchsorted(self._shown, position))
        self._ring.setData(self._xy[at : at + 1, 0], self._xy[at : at + 1, 1])

    def _on_scene_clicked(self, event: Any) -> None:
        position = self.nearest(event.scenePos())
        if position is None or event.button() != Qt.MouseButton.LeftButton:
            return
        self._select(position)
        if self._points is not None:
            self.object_asked.emit(self._points.row(position))

    def _on_scene_moved(self, scene_point: QPointF) -> None:
        position = self.nearest(scene_point)
        text = "Click a point to see the object"
        if position is not None and self._points is not None:
            text = describe_object(self._points.row(position))
        self.plot.setToolTip(text)


def describe_object(row: dict[str, Any]) -> str:
    """Say which object it is, and how well it is found."""
    which = f"{row['class']} {row['id']}, {row['kind']}"
    return f"{which}: {row['voxels']:,} voxels, IoU {row['iou']:.2f}"
