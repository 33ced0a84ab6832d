"""What was found: sums by class, the table of objects, densities."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_segtrain.ui.objects.density_plot import DensityPlot
from napari_segtrain.ui.objects.object_table import ObjectTableView
from napari_segtrain.ui.widgets.folding import Folding
from napari_segtrain.ui.widgets.score_table import ScoreTable

if TYPE_CHECKING:
    from napari_segtrain.ui.objects.object_work import LayerObjects

_SUMMARY_HEIGHT = 26
_TIPS = {
    "density": "Objects per µm³ or µm² (voxels, where their size is not known)",
    "share": "Part of the image that they fill",
    "neighbor_distance": "Mean distance from center to nearest center",
}


class ObjectsView(QWidget):
    """Shows objects that were found.

    Attributes
    ----------
    object_chosen : Signal(object)
        Row of an object that is to be shown.
    """

    object_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel()
        self.summary = ScoreTable()
        self.table = ObjectTableView()
        self.density = DensityPlot()
        self._density_folding = Folding("&Density along an axis")
        self._build_layout()
        self.table.object_chosen.connect(self.object_chosen)

    def show_objects(self, found: LayerObjects) -> None:
        """Show other objects."""
        summary = found.summary
        n = len(found.rows)
        unit = found.items[0].table.unit if found.items else "voxels"
        measure = "µm" if unit == "um" else "voxels"
        many = f"{n:,} object" + "s" * (n != 1)
        self.title.setText(f"<b>{many}</b> of {escape(found.name)}, in {measure}")
        columns = [
            c for c in (summary[0] if summary else ()) if c not in ("image", "unit")
        ]
        shown = [{**row, "density": f"{row['density']:.3g}"} for row in summary]
        self.summary.set_rows(shown, columns, tips=_TIPS)
        rows = min(len(summary), 6)
        header = self.summary.horizontalHeader().sizeHint().height()
        bar = self.summary.horizontalScrollBar().sizeHint().height()
        self.summary.setFixedHeight(header + rows * _SUMMARY_HEIGHT + bar)
        self.table.set_rows(found.rows)
        self.density.show_items(found.items)
        for widget in (self.summary, self.table, self._density_folding):
            widget.setVisible(n > 0)

    def apply_theme(self, theme_id: str) -> None:
        """Take the colors of a theme."""
        self.density.apply_theme(theme_id)

    def _build_layout(self) -> None:
        self.title.setWordWrap(True)
        self.summary.setAccessibleName("Sums of the classes")
        self._density_folding.set_widget(self.density)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.title, self.summary, self.table, self._density_folding):
            layout.addWidget(widget)
