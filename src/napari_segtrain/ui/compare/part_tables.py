"""Tables of what is scored beside classes: objects, surfaces, centers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_segtrain.ui.widgets.score_table import ScoreTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_segtrain.evaluation.report import EvaluationReport

_PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "objects": (
        "Objects that match, by IoU",
        ("class", "threshold", "f1", "pq", "precision", "recall", "n_truth"),
    ),
    "object_summary": (
        "Objects as a whole",
        ("class", "mean_ap", "count_error", "n_split", "n_merged", "rand_f", "voi"),
    ),
    "centers": (
        "Objects matched by their centers",
        ("class", "f1", "precision", "recall", "mean_distance", "n_truth"),
    ),
    "boundaries": (
        "Surfaces",
        ("class", "boundary_f1", "surface_dice", "mean_distance", "hausdorff95"),
    ),
}
_N_WORST = 200
_WORST_COLUMNS = ("iou", "kind", "class", "id", "voxels", "split", "merged")
_CLEAR = "#00000000"
_ROW_ROLE = Qt.ItemDataRole.UserRole
_TIPS = {
    "threshold": "IoU from which objects match",
    "f1": "Twice the matched objects / objects of both together (RQ)",
    "pq": "Panoptic quality: F1 times the mean IoU of those above the IoU",
    "n_truth": "Objects in the ground truth",
    "mean_ap": "Matched / (matched, missed and extra), mean over IoU 0.5 to 0.95",
    "count_error": "Objects too many, or too few when negative",
    "n_split": "True objects that are cut into several",
    "n_merged": "Predicted objects that hold several true ones",
    "rand_f": "Adapted Rand F-score",
    "voi": "Variation of information, in bits",
    "boundary_f1": "Harmonic mean of the shares of both surfaces within the tolerance",
    "surface_dice": "Share of both surfaces together within the tolerance",
    "mean_distance": "Mean distance of both surfaces, or of matched centers",
    "hausdorff95": "95 % of either surface are at most so far from the other",
    "kind": "found, missed, or extra (predicted only)",
    "id": "Label value of the object on its side",
    "split": "1 when it is cut into several",
    "merged": "1 when it lies with others in a predicted object",
}


class PartTables(QWidget):
    """Shows those parts that were scored, and the worst objects.

    Attributes
    ----------
    object_asked : Signal(dict)
        Row of an object to be shown in the viewer, see `ObjectList.to_rows`.
    """

    object_asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.titles = {part: QLabel(title) for part, (title, _) in _PARTS.items()}
        self.tables = {part: ScoreTable() for part in _PARTS}
        self.worst_title = QLabel()
        self.worst_table = ScoreTable()
        self._rows: list[Mapping[str, object]] = []
        self._is_told = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part, (title, _) in _PARTS.items():
            self.tables[part].setAccessibleName(title)
            layout.addWidget(self.titles[part])
            layout.addWidget(self.tables[part])
        self.worst_table.setAccessibleName("Worst objects")
        self.worst_table.setToolTip("Click an object to see it")
        layout.addWidget(self.worst_title)
        layout.addWidget(self.worst_table)
        self.worst_table.itemSelectionChanged.connect(self._on_selection_changed)
        self.worst_table.cellClicked.connect(self._on_cell_clicked)

    def all_tables(self) -> list[ScoreTable]:
        """Every table, shown or not."""
        return [*self.tables.values(), self.worst_table]

    def show_report(self, report: EvaluationReport) -> None:
        """Fill the tables; what was not scored is hidden."""
        named = {row.name: row.color for row in report.classes.classes}
        for part, (title, columns) in _PARTS.items():
            rows = report.total_rows(part)
            colors = [named.get(str(row["class"]), _CLEAR) for row in rows]
            self.tables[part].set_rows(rows, columns, colors, _TIPS)
            unit = str(rows[0].get("unit") or "") if rows else ""
            unit = unit.replace("um", "µm")
            self.titles[part].setText(f"{title}, in {unit}" if unit else title)
            self.titles[part].setVisible(bool(rows))
            self.tables[part].setVisible(bool(rows))
        self._show_worst(report.worst_objects(_N_WORST), report.n_objects)

    def _show_worst(self, rows: Sequence[Mapping[str, object]], n: int) -> None:
        self._rows = []
        columns = [name for name in _WORST_COLUMNS if rows and name in rows[0]]
        self.worst_table.set_rows(rows, columns, tips=_TIPS)
        self._rows = list(rows)
        for y in range(len(rows)):
            item = self.worst_table.item(y, 0)
            if item is not None:
                item.setData(_ROW_ROLE, y)
        many = f"The {len(rows)} worst of {n:,} objects"
        what = many if n > len(rows) else "Objects, the worst first"
        self.worst_title.setText(f"{what}; click one to see it")
        self.worst_title.setVisible(bool(rows))
        self.worst_table.setVisible(bool(rows))

    def _on_cell_clicked(self) -> None:
        """Show the object of a line that was chosen before, once more."""
        if self._is_told:
            self._is_told = False
        else:
            self._on_selection_changed()
            self._is_told = False

    def _on_selection_changed(self) -> None:
        chosen = {index.row() for index in self.worst_table.selectedIndexes()}
        if len(chosen) != 1 or not self._rows:
            return
        item = self.worst_table.item(chosen.pop(), 0)
        number = None if item is None else item.data(_ROW_ROLE)
        if number is not None:
            self._is_told = True
            self.object_asked.emit(self._rows[number])
