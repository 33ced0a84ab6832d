"""What a comparison found: table, curve, worst slices."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_segtrain.ui.compare.detail_pictures import DetailPictures
from napari_segtrain.ui.compare.part_tables import PartTables
from napari_segtrain.ui.compare.slice_curve import SliceCurve
from napari_segtrain.ui.compare.slice_series import (
    Place,
    SliceSeries,
    WorstSlice,
    axis_name,
    describe_worst,
)
from napari_segtrain.ui.compare.table_fit import fit_table, style_table
from napari_segtrain.ui.widgets.score_table import ScoreTable
from napari_segtrain.ui.widgets.theme import palette_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtGui import QResizeEvent, QShowEvent

    from napari_segtrain.evaluation.report import EvaluationReport
    from napari_segtrain.ui.compare.comparison import Comparison

_COLUMNS = ("class", "iou", "dice", "precision", "recall", "voxels")
_CLEAR = "#00000000"
_TIPS = {
    "iou": "Shared voxels / voxels that either has (Jaccard)",
    "dice": "Twice the shared voxels / voxels of both together (F1)",
    "precision": "Share of the segmentation that is right",
    "recall": "Share of the ground truth that was found",
    "voxels": "Voxels of the ground truth that count",
}


class ComparisonView(QWidget):
    """Shows a comparison.

    Attributes
    ----------
    slice_asked : Signal(dict)
        Slice of the ground truth to be shown, by axis.
    object_asked : Signal(dict)
        Object to be shown, see `ObjectList.to_rows`.
    """

    slice_asked = Signal(object)
    object_asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._series: SliceSeries | None = None
        self._worst: list[WorstSlice] = []
        self._present: dict[str, float | None] = {}
        self._accent = palette_of("dark").accent
        self.title = QLabel()
        self.summary = QLabel()
        self.table = ScoreTable()
        self.pictures = DetailPictures()
        self.parts = PartTables()
        self.slices = QWidget()
        self.axis_choice = QComboBox()
        self.curve = SliceCurve()
        self.readout = QLabel()
        self.worst = QLabel()
        self.legend = QLabel()
        self._build_layout()
        self._connect()

    def show_comparison(self, comparison: Comparison, names: tuple[str, str]) -> None:
        """Show other results.

        Parameters
        ----------
        comparison : Comparison
        names : (str, str)
            Of the ground truth and of the segmentation.
        """
        report = comparison.report
        self.title.setText(f"<b>{escape(names[1])}</b> against {escape(names[0])}")
        self.summary.setText(_summary(comparison))
        self._fill_table(report)
        self.parts.show_report(report)
        self.pictures.show_comparison(comparison)
        self._fit_tables()
        self.legend.setText(_legend(comparison.legend))
        self._series = SliceSeries(report, comparison.overlap)
        self._fill_axes(self._series)
        self._draw()

    def set_present(self, at: Mapping[str, float | None]) -> None:
        """Mark the slice of the ground truth that the viewer shows, by axis."""
        before, self._present = self._present, dict(at)
        axis = self.axis()
        others = [key for key in self._present if key != axis]
        if any(_rounded(before, key) != _rounded(self._present, key) for key in others):
            self._draw()
        else:
            self._mark()

    def axis(self) -> str | None:
        """Axis of the curve; ``None`` when there is a single slice."""
        found = self.axis_choice.currentData()
        return None if found is None else str(found)

    def axes(self) -> tuple[str, ...]:
        """Axes along which there are several slices."""
        return () if self._series is None else self._series.axes

    def apply_theme(self, theme_id: str) -> None:
        """Take the colors of a theme."""
        palette = palette_of(theme_id)
        self.curve.apply_theme(theme_id)
        self.pictures.apply_theme(theme_id)
        self._accent = palette.accent
        self._show_worst()

    def showEvent(self, event: QShowEvent) -> None:
        """Fit the tables, now that their fonts are known."""
        super().showEvent(event)
        self._fit_tables()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the tables to the width."""
        super().resizeEvent(event)
        self._fit_tables()

    def _fit_tables(self) -> None:
        for table in (self.table, *self.parts.all_tables()):
            fit_table(table, self.width())

    def _build_layout(self) -> None:
        for label in (self.title, self.summary, self.worst, self.legend, self.readout):
            label.setWordWrap(True)
        flags = Qt.TextInteractionFlag
        self.summary.setTextInteractionFlags(
            flags.TextSelectableByMouse | flags.TextSelectableByKeyboard
        )
        self.worst.setTextInteractionFlags(
            flags.LinksAccessibleByMouse | flags.LinksAccessibleByKeyboard
        )
        for table in (self.table, *self.parts.all_tables()):
            style_table(table)
        self.table.setAccessibleName("Scores of the classes")
        self.axis_choice.setAccessibleName("Axis of the curve")
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.readout, stretch=1)
        row.addWidget(self.axis_choice)
        below = QVBoxLayout(self.slices)
        below.setContentsMargins(0, 4, 0, 0)
        below.setSpacing(3)
        below.addWidget(self.curve)
        below.addLayout(row)
        below.addWidget(self.worst)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (
            *(self.title, self.summary, self.table, self.pictures),
            *(self.parts, self.slices, self.legend),
        ):
            layout.addWidget(widget)

    def _connect(self) -> None:
        self.axis_choice.currentIndexChanged.connect(self._on_axis_changed)
        self.curve.slice_clicked.connect(self._on_curve_clicked)
        self.curve.slice_hovered.connect(self._on_curve_hovered)
        self.worst.linkActivated.connect(self._on_worst_activated)
        self.parts.object_asked.connect(self.object_asked)
        self.pictures.object_asked.connect(self.object_asked)

    def _fill_table(self, report: EvaluationReport) -> None:
        name = report.total.name
        rows = [
            {**row, "voxels": row["truth_voxels"]}
            for row in report.to_rows()
            if row["image"] == name
        ]
        colors = [row.color for row in report.classes.classes]
        colors += [_CLEAR] * (len(rows) - len(colors))
        self.table.set_rows(rows, _COLUMNS, colors, _TIPS)

    def _fill_axes(self, series: SliceSeries) -> None:
        chosen = self.axis()
        with QSignalBlocker(self.axis_choice):
            self.axis_choice.clear()
            for axis in reversed(series.axes):
                self.axis_choice.addItem(f"along {axis}", axis)
            index = self.axis_choice.findData(chosen)
            self.axis_choice.setCurrentIndex(max(index, 0) if series.axes else -1)
        self.axis_choice.setVisible(len(series.axes) > 1)
        self.slices.setVisible(bool(series.axes))
        self._worst = series.worst()
        self._show_worst()

    def _show_worst(self) -> None:
        links = describe_worst(self._worst, self._accent)
        self.worst.setText(f"Lowest IoU: {links}")
        self.worst.setVisible(bool(self._worst))

    def _draw(self) -> None:
        axis = self.axis()
        if self._series is None or axis is None:
            return
        self.curve.set_curves(
            self._series.numbers(axis),
            self._series.curves(axis, self._present),
            axis=f"{axis_name(axis)} ({axis})",
        )
        self._mark()

    def _mark(self) -> None:
        axis = self.axis()
        if axis is not None:
            self.curve.set_present(self._present.get(axis))
            self._describe(None)

    def _describe(self, hovered: int | None) -> None:
        """Say the scores of a slice: the one below the pointer, or the present one."""
        place = self._place(hovered)
        text = ""
        if place is not None and self._series is not None:
            text = self._series.describe(place)
        self.readout.setText(text)

    def _place(self, number: int | None) -> dict[str, int] | None:
        """Present slice, at another number along the axis of the curve if given."""
        at = {axis: self._present.get(axis) for axis in self.axes()}
        axis = self.axis()
        if axis is not None and number is not None:
            at[axis] = float(number)
        if not at or any(value is None for value in at.values()):
            return None
        return {key: round(value or 0) for key, value in at.items()}

    def _on_axis_changed(self) -> None:
        self._draw()

    def _on_curve_clicked(self, number: int) -> None:
        axis = self.axis()
        if axis is not None:
            self.slice_asked.emit(Place({axis: number}))

    def _on_curve_hovered(self, number: int | None) -> None:
        self._describe(number)

    def _on_worst_activated(self, link: str) -> None:
        self.slice_asked.emit(self._worst[int(link)].place)


def _summary(comparison: Comparison) -> str:
    overall = comparison.report.total.scores.overall
    accuracy = "-" if overall.accuracy is None else f"{overall.accuracy:.1%}"
    n_unlabelled = comparison.n_voxels - overall.n_truth
    counted = f"{accuracy} of {overall.n_truth:,} voxels are right"
    if n_unlabelled:
        where = f", or outside of '{comparison.region_name}',"
        outside = where if comparison.region_name else ""
        counted += f"; {n_unlabelled:,} are not labelled{outside} and do not count"
    where = comparison.overlap.describe()
    return f"{counted}.\n{where}" if where else f"{counted}."


def _legend(legend: Mapping[int, tuple[str, str]]) -> str:
    parts = [
        f'<span style="color:{color}">&#9632;</span>&nbsp;{name.replace(" ", "&nbsp;")}'
        for name, color in legend.values()
    ]
    return "&nbsp; ".join(parts)


def _rounded(at: Mapping[str, float | None], axis: str) -> int | None:
    value = at.get(axis)
    return None if value is None else round(value)
