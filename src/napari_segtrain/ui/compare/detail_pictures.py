"""Pictures of a comparison that fold away: confusion of classes, sizes of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segtrain.evaluation.confusion import ConfusionTable
from napari_segtrain.evaluation.object_points import ObjectPoints
from napari_segtrain.ui.compare.confusion_picture import ConfusionPicture
from napari_segtrain.ui.compare.object_scatter import ObjectScatter
from napari_segtrain.ui.widgets.folding import Folding

if TYPE_CHECKING:
    from napari_segtrain.ui.compare.comparison import Comparison

_MIN_CLASSES = 2


class DetailPictures(QWidget):
    """Shows the pictures that there is something to see in.

    Attributes
    ----------
    object_asked : Signal(dict)
        Row of an object to be shown, see `ObjectList.to_rows`.
    """

    object_asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._undrawn: Comparison | None = None
        self.confusion = ConfusionPicture()
        self.confusion_folding = Folding("Confusion matri&x")
        self.scatter = ObjectScatter()
        self.scatter_folding = Folding("Objects by si&ze")
        self.confusion_folding.set_widget(self.confusion)
        self.confusion_folding.setToolTip("Which class is taken for which")
        self.scatter_folding.set_widget(self.scatter)
        self.scatter_folding.setToolTip("Size of each object against its best IoU")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.confusion_folding)
        layout.addWidget(self.scatter_folding)
        self.scatter.object_asked.connect(self.object_asked)
        self.scatter_folding.unfolded.connect(self._draw_scatter)

    def show_comparison(self, comparison: Comparison) -> None:
        """Show other results; what stays empty is hidden."""
        report = comparison.report
        table = ConfusionTable.of(report.total.scores, report.classes)
        self.confusion.set_table(table)
        self.confusion_folding.setVisible(len(table.rows) >= _MIN_CLASSES)
        self.scatter_folding.setVisible(report.n_objects > 0)
        self._undrawn = comparison
        if self.scatter_folding.isExpanded():
            self._draw_scatter()

    def apply_theme(self, theme_id: str) -> None:
        """Take the colors of a theme."""
        self.confusion.apply_theme(theme_id)
        self.scatter.apply_theme(theme_id)

    def _draw_scatter(self) -> None:
        """Draw the objects when they are first looked at."""
        comparison, self._undrawn = self._undrawn, None
        if comparison is not None:
            points = ObjectPoints.of(comparison.report)
            self.scatter.set_points(points, comparison.voxel_size)
