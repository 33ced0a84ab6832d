"""Models whose results are averaged with those of the chosen one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_segtrain.ui.models.model_items import class_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.workflows.library import RunInfo

_MIN_LETTERS = 12


class OtherModels(QWidget):
    """A row for each further model; only those of the same classes are offered.

    Attributes
    ----------
    changed : Signal()
        Other models are chosen.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.add_button = QPushButton("A&verage with another model")
        self.add_button.setToolTip(
            "The mean of several models is better than each; with uncertainty set to "
            "agreement a map shows where they differ"
        )
        self._offered: list[RunInfo] = []
        self._rows: list[_Row] = []
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        self._layout.addWidget(self.add_button)
        self.add_button.clicked.connect(self._on_add_clicked)
        self.set_models([], None)

    def set_models(self, runs: Sequence[RunInfo], chosen: RunInfo | None) -> None:
        """Say which models there are, and which is chosen already."""
        before = self.paths()
        self._offered = [
            run for run in runs if chosen is not None and _is_of(run, chosen)
        ]
        known = {run.path for run in self._offered}
        for row in [row for row in self._rows if row.path() not in known]:
            self._remove(row)
        for row in self._rows:
            row.offer(self._offered)
        self._show()
        if self.paths() != before:
            self.changed.emit()

    def paths(self) -> tuple[Path, ...]:
        """The further models, each once, in the order of the rows."""
        found = (row.path() for row in self._rows)
        return tuple(dict.fromkeys(path for path in found if path is not None))

    def rows(self) -> list[_Row]:
        """The rows, from the top."""
        return list(self._rows)

    def _show(self) -> None:
        self.setVisible(bool(self._offered))
        self.add_button.setVisible(len(self._rows) < len(self._offered))

    def _remove(self, row: _Row) -> None:
        self._rows.remove(row)
        row.hide()
        row.deleteLater()

    def _on_add_clicked(self) -> None:
        taken = set(self.paths())
        free = [run for run in self._offered if run.path not in taken]
        row = _Row()
        row.offer(self._offered)
        row.choose(free[0].path)
        row.changed.connect(self.changed)
        row.remove_asked.connect(self._on_row_remove_asked)
        self._layout.insertWidget(len(self._rows), row)
        self._rows.append(row)
        self._show()
        self.changed.emit()

    def _on_row_remove_asked(self) -> None:
        row = self.sender()
        if isinstance(row, _Row):
            self._remove(row)
            self._show()
            self.changed.emit()


class _Row(QWidget):
    """One further model."""

    changed = Signal()
    remove_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.box = QComboBox()
        self.box.setMinimumContentsLength(_MIN_LETTERS)
        self.box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.box.setAccessibleName("Further model")
        self.remove_button = QPushButton("Remove")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Mean with"))
        layout.addWidget(self.box, stretch=1)
        layout.addWidget(self.remove_button)
        self.box.activated.connect(self.changed)
        self.remove_button.clicked.connect(self.remove_asked)

    def path(self) -> Path | None:
        """Of the model."""
        found = self.box.currentData()
        return None if found is None else Path(found)

    def choose(self, path: Path) -> None:
        """Choose a model that is offered."""
        self.box.setCurrentIndex(self.box.findData(str(path)))

    def offer(self, runs: Sequence[RunInfo]) -> None:
        """Offer models; what was chosen stays."""
        before = self.path()
        self.box.clear()
        for run in runs:
            self.box.addItem(f"{run.name} · {class_names(run)}", str(run.path))
        if before is not None:
            self.choose(before)


def _is_of(run: RunInfo, chosen: RunInfo) -> bool:
    """Whether a model may be averaged with the chosen one."""
    return (
        run.path != chosen.path and run.has_model and _meaning(run) == _meaning(chosen)
    )


def _meaning(run: RunInfo) -> tuple[object, ...]:
    names = tuple(row.name for row in run.classes)
    outputs = names if run.objects is None else run.objects.output_names(names)
    return tuple(row.value for row in run.classes), outputs, run.n_channels
