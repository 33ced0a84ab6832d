"""Widget of the samples that train together: a row of layers for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_segtrain.errors import DataError
from napari_segtrain.ui.classes.class_metadata import (
    RESULT_KEY,
    plugin_metadata,
    read_class_table,
)
from napari_segtrain.ui.layers.reading import n_levels
from napari_segtrain.ui.layers.samples import SampleRow, check_row, check_rows
from napari_segtrain.ui.session import session_of
from napari_segtrain.ui.train.sample_row import SampleRowWidget
from napari_segtrain.ui.widgets.theme import follow_theme, palette_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MAX_PAIRS = 200


class SampleTable(QWidget):
    """Rows of layers that train together.

    Follows the layers of the viewer by identity. Until the user chooses something, the
    first row is the topmost labels with the image that they lie on.

    Parameters
    ----------
    viewer : ViewerModel
        Or napari's proxy of it; held weakly.
    parent : QWidget, optional
        Owner.

    Attributes
    ----------
    changed : Signal()
        The rows are others, or their layers lie elsewhere or have other data.
    labels_added : Signal(object)
        New training labels were made; carries the layer.
    """

    changed = Signal()
    labels_added = Signal(object)

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session_of(viewer)
        self._is_edited = False
        self._color = "red"
        self._rows: list[SampleRowWidget] = []
        self.add_button = QPushButton("&Add row")
        self.add_button.setToolTip("Train on one more image with its labels")
        self._build_layout()
        self.add_button.clicked.connect(self._on_add_button_clicked)
        self._append()
        real = self._session.viewer
        if real is not None:
            for name in ("inserted", "removed"):
                real.layers.events[name].connect(
                    self._on_layers_changed, position="last"
                )
            follow_theme(real, self)
        self._prefill()

    def rows(self) -> list[SampleRow]:
        """The rows, from the top; those that are empty are left out."""
        rows = [widget.row() for widget in self._rows]
        return [row for row in rows if row.images or row.labels is not None]

    def set_rows(self, rows: Sequence[SampleRow]) -> None:
        """Show other rows; their layers must be in the viewer."""
        self._is_edited = True
        while len(self._rows) > max(1, len(rows)):
            self._drop(self._rows[-1])
        while len(self._rows) < len(rows):
            self._append()
        for widget, row in zip(self._rows, rows or [SampleRow()], strict=True):
            widget.set_row(row)
        self._show_removal()
        self.changed.emit()

    def row_widgets(self) -> list[SampleRowWidget]:
        """The widgets of all rows, from the top."""
        return list(self._rows)

    def labels(self) -> list[Labels]:
        """Labels layers of the rows, each once."""
        found = [row.labels for row in self.rows() if row.labels is not None]
        return list(dict.fromkeys(found))

    def problem(self) -> str:
        """Why the rows cannot train; empty when they can."""
        try:
            check_rows(self.rows())
        except DataError as error:
            return str(error)
        return ""

    def apply_theme(self, theme_id: str) -> None:
        """Take the colors of a theme."""
        self._color = palette_of(theme_id).error
        for widget in self._rows:
            widget.set_error_color(self._color)

    def _build_layout(self) -> None:
        self._list = QVBoxLayout()
        self._list.setSpacing(4)
        buttons = QHBoxLayout()
        buttons.addWidget(self.add_button)
        buttons.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._list)
        layout.addLayout(buttons)

    def _append(self) -> SampleRowWidget:
        widget = SampleRowWidget(self._session.viewer, self)
        widget.set_error_color(self._color)
        widget.changed.connect(self.changed)
        widget.edited.connect(self._on_row_edited)
        widget.remove_asked.connect(self._on_row_remove_asked)
        widget.labels_made.connect(self.labels_added)
        self._rows.append(widget)
        self._list.addWidget(widget)
        self._show_removal()
        return widget

    def _drop(self, widget: SampleRowWidget) -> None:
        self._rows.remove(widget)
        self._list.removeWidget(widget)
        widget.hide()
        widget.deleteLater()
        self._show_removal()

    def _show_removal(self) -> None:
        for widget in self._rows:
            widget.remove_button.setEnabled(len(self._rows) > 1)

    def _on_row_edited(self) -> None:
        self._is_edited = True

    def _on_row_remove_asked(self) -> None:
        widget = self.sender()
        if isinstance(widget, SampleRowWidget) and len(self._rows) > 1:
            self._is_edited = True
            self._drop(widget)
            self.changed.emit()

    def _on_add_button_clicked(self) -> None:
        self._is_edited = True
        taken = set(self.labels())
        widget = self._append()
        pair = next((row for row in self._pairs() if row.labels not in taken), None)
        if pair is not None:
            widget.set_row(pair)
        self.changed.emit()

    def _on_layers_changed(self, _event: Any) -> None:
        """Choose anew, once the combo boxes know the layers, while nobody chose."""
        if isalive(self):
            self._prefill()

    def _prefill(self) -> None:
        if self._is_edited or len(self._rows) != 1:
            return
        row = next(self._pairs(), None) or self._topmost()
        shown = self._rows[0].row()
        layers = row.images, row.labels, row.level
        if layers != (shown.images, shown.labels, shown.level):
            self._rows[0].set_row(row)

    def _topmost(self) -> SampleRow:
        images = self._layers(Image)
        labels = self._layers(Labels)
        return SampleRow(tuple(images[:1]), labels[0] if labels else None)

    def _pairs(self) -> Iterator[SampleRow]:
        """Rows that can be samples, top labels first; each labels layer once."""
        n_tried = 0
        for labels in self._layers(Labels):
            for row in _candidates(labels, self._layers(Image)):
                n_tried += 1
                if n_tried > _MAX_PAIRS:
                    return
                if _is_sample(row):
                    yield row
                    break

    def _layers(self, kind: type) -> list[Any]:
        """Layers of a kind from the top, those that somebody made for training first.

        Results of predictions are left out; labels that are hidden come last.
        """
        viewer = self._session.viewer
        found = [x for x in (viewer.layers if viewer else ()) if isinstance(x, kind)]
        found = [x for x in found[::-1] if RESULT_KEY not in plugin_metadata(x)]
        if kind is not Labels:
            return found
        return sorted(found, key=lambda x: (not x.visible, read_class_table(x) is None))


def _candidates(labels: Labels, images: Sequence[Image]) -> Iterator[SampleRow]:
    """Rows of labels with each image: first one of their name, then of their size."""
    shape = tuple(labels.data.shape)

    def rank(image: Image) -> tuple[bool, bool]:
        is_named = str(labels.name).startswith(str(image.name))
        is_as_large = tuple(image.level_shapes[0])[-len(shape) :] == shape
        return not is_named, not is_as_large

    for image in sorted(images, key=rank):
        for level in range(n_levels(image)):
            yield SampleRow((image,), labels, level=level)


def _is_sample(row: SampleRow) -> bool:
    try:
        check_row(row)
    except DataError:
        return False
    return True
