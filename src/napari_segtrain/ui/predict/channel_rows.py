"""Images whose channels are several layers: a row of layers for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_segtrain.ui.layers.reading import guess_axes
from napari_segtrain.ui.widgets.layer_choice import LayerChoice

if TYPE_CHECKING:
    from collections.abc import Sequence

Source = tuple[tuple[Image, ...], str]
"""Layers that are the channels of an image, and the axes of each."""


class ChannelRows(QWidget):
    """One image in each row, as many layers as the model takes channels.

    Parameters
    ----------
    viewer : ViewerModel
        Or napari's proxy of it; held weakly.

    Attributes
    ----------
    changed : Signal()
        Other layers are chosen, or with other axes.
    """

    changed = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._names: tuple[str, ...] = ()
        self._rows: list[_Row] = []
        self.add_button = QPushButton("A&dd image")
        self.add_button.setToolTip("Predict one more image")
        self.add_button.clicked.connect(self._on_add_clicked)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addWidget(self.add_button)

    def set_channels(self, names: Sequence[str]) -> None:
        """Say which channels a model takes; rows are made anew when they change."""
        if tuple(names) == self._names:
            return
        self._names = tuple(names)
        while self._rows:
            self._remove(self._rows[-1])
        self._add()

    def sources(self) -> list[Source]:
        """Layers and axes of each row that is complete."""
        found = [row.source() for row in self._rows]
        return [source for source in found if source is not None]

    def rows(self) -> list[_Row]:
        """The rows, from the top."""
        return list(self._rows)

    def _on_add_clicked(self) -> None:
        self._add()
        self.changed.emit()

    def _on_row_remove_asked(self) -> None:
        row = self.sender()
        if isinstance(row, _Row) and len(self._rows) > 1:
            self._remove(row)
            self.changed.emit()

    def _add(self) -> None:
        row = _Row(self._viewer, self._names, len(self._rows))
        row.changed.connect(self.changed)
        row.remove_asked.connect(self._on_row_remove_asked)
        self._layout.insertWidget(len(self._rows), row)
        self._rows.append(row)
        self._show_removal()

    def _remove(self, row: _Row) -> None:
        self._rows.remove(row)
        row.hide()
        row.deleteLater()
        self._show_removal()

    def _show_removal(self) -> None:
        for row in self._rows:
            row.remove_button.setVisible(len(self._rows) > 1)


class _Row(QWidget):
    """The layers of one image."""

    changed = Signal()
    remove_asked = Signal()

    def __init__(self, viewer: Any, names: Sequence[str], number: int) -> None:
        super().__init__()
        self.choices = [LayerChoice(viewer, Image, parent=self) for _ in names]
        self.axes_edit = QLineEdit()
        self.axes_edit.setToolTip("Axes of each layer, such as YX or ZYX")
        self.axes_edit.setAccessibleName("Axes")
        self.axes_edit.setFixedWidth(72)
        self.remove_button = QPushButton("&Remove")
        self._build_layout(names)
        for place, choice in enumerate(self.choices):
            layers = choice.layers()
            at = number * len(names) + len(names) - 1 - place
            if at < len(layers):
                choice.set_layer(layers[at])
            choice.layer_changed.connect(self._on_choice_layer_changed)
        self.axes_edit.textEdited.connect(self.changed)
        self.remove_button.clicked.connect(self.remove_asked)
        self._guess()

    def source(self) -> Source | None:
        """Layers and axes; ``None`` while a layer is missing."""
        layers = tuple(choice.layer() for choice in self.choices)
        if any(layer is None for layer in layers):
            return None
        return layers, self.axes_edit.text().strip().upper()

    def _build_layout(self, names: Sequence[str]) -> None:
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(4)
        for name, choice in zip(names, self.choices, strict=True):
            choice.setAccessibleName(name)
            form.addRow(name, choice)
        line = QHBoxLayout()
        line.addWidget(self.axes_edit)
        line.addStretch()
        line.addWidget(self.remove_button)
        form.addRow(QLabel("Axes"), line)

    def _on_choice_layer_changed(self, _layer: Image | None) -> None:
        self._guess()
        self.changed.emit()

    def _guess(self) -> None:
        first = self.choices[0].layer()
        self.axes_edit.setText("" if first is None else guess_axes(first))
