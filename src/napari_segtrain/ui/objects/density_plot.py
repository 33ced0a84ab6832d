"""How dense objects lie along an axis, as a curve."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_segtrain.objects.density import CDEEP3M_SLAB
from napari_segtrain.ui.widgets.curve_plot import CurvePlot, Line
from napari_segtrain.ui.widgets.forms.number_box import NumberBox
from napari_segtrain.ui.widgets.forms.shapes import Number
from napari_segtrain.ui.widgets.theme import palette_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.workflows.objects import MeasuredObjects


class DensityPlot(QWidget):
    """Curve of the density, an axis to choose and the thickness of the slab."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._items: Sequence[MeasuredObjects] = ()
        self._color = palette_of("dark").accent
        self.axis_choice = QComboBox()
        self.slab_box = NumberBox(Number(is_whole=False, low=0, is_low_open=True))
        self.unit = QLabel()
        self.plot = CurvePlot("Objects per volume")
        self._build_layout()
        self.axis_choice.currentIndexChanged.connect(self._draw)
        self.slab_box.changed.connect(self._draw)
        self.slab_box.set_value(CDEEP3M_SLAB)

    @property
    def slab(self) -> float | None:
        """Thickness of the slab; ``None`` while what is typed is none."""
        try:
            value = self.slab_box.value()
        except ValueError:
            return None
        return value if value is not None and value > 0 else None

    def show_items(self, items: Sequence[MeasuredObjects]) -> None:
        """Show the objects of one item, or of several together."""
        self._items = [item for item in items if len(item.table)]
        axes = [
            axis
            for i, axis in enumerate("zyx")
            if self._items and self._items[0].objects.ids.shape[i] > 1
        ]
        with QSignalBlocker(self.axis_choice):
            self.axis_choice.clear()
            self.axis_choice.addItems([f"along {axis}" for axis in axes])
        is_um = bool(self._items) and self._items[0].table.unit == "um"
        self.unit.setText("µm" if is_um else "voxels")
        self._draw()

    def apply_theme(self, theme_id: str) -> None:
        """Take the colors of a theme."""
        palette = palette_of(theme_id)
        self._color = palette.accent
        self.plot.apply(palette)
        self._draw()

    def _build_layout(self) -> None:
        self.axis_choice.setAccessibleName("Axis of the density")
        self.slab_box.setAccessibleName("Thickness of the slab")
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.axis_choice)
        row.addWidget(QLabel("in a slab of"))
        row.addWidget(self.slab_box)
        row.addWidget(self.unit)
        row.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self.plot)

    def _draw(self) -> None:
        axis = self.axis_choice.currentText()[-1:]
        if not self._items or not axis or self.slab is None:
            self.plot.draw([], None)
            return
        profiles = [item.density(axis, self.slab) for item in self._items]
        positions = profiles[0].positions
        density = np.mean([profile.densities for profile in profiles], axis=0)
        power = _power(float(density.max(initial=0.0)))
        unit = "µm" if profiles[0].unit == "um" else "voxel"
        self.plot.set_title(_title(power, unit, is_flat=profiles[0].is_flat))
        self.plot.set_x_range(0.0, float(positions[-1]))
        line = Line("", self._color, positions, density * 10.0**power)
        self.plot.draw([line], None)


def _power(highest: float) -> int:
    """Power of ten, a multiple of three, that makes the highest value 1 or more."""
    if highest <= 0:
        return 0
    return max(0, 3 * math.ceil(-math.log10(highest) / 3))


def _title(power: int, unit: str, *, is_flat: bool) -> str:
    size = "\N{SUPERSCRIPT TWO}" if is_flat else "\N{SUPERSCRIPT THREE}"
    many = f"{10**power:,} " if power else ""
    return f"Objects per {many}{unit}{size}"
