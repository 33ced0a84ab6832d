"""Widget of the classes of a Labels layer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_segtrain.image import ClassInfo, Role, ZeroSetting, default_color
from napari_segtrain.ui.classes.class_counts import ClassCounts
from napari_segtrain.ui.classes.class_grid import ClassGrid
from napari_segtrain.ui.classes.class_rows import (
    ClassRows,
    Said,
    free_value,
    read_said,
    resolve_rows,
    save_rows,
    write_rows,
)
from napari_segtrain.ui.session import session_of
from napari_segtrain.ui.widgets.forms.editors import CalmComboBox
from napari_segtrain.ui.widgets.theme import follow_theme, palette_of

if TYPE_CHECKING:
    from napari.layers import Labels

_ZERO_WORDS: dict[ZeroSetting, str] = {
    "auto": "what the labels suggest",
    "dense": "background",
    "painted-slices": "background in labelled slices",
    "unlabelled": "unlabelled",
}
_ZEROS: tuple[ZeroSetting, ...] = get_args(ZeroSetting)
_ZERO_TIP = (
    "Voxels that nobody painted are 0. In dense labels they are background; beside "
    "strokes they are unlabelled and count nowhere"
)


class ClassTableWidget(QWidget):
    """Names, colors and roles of label values, with the voxels of each.

    What is shown is stored in the layer (metadata, features, colormap), and is what
    the training will use. Values are counted in a thread, and kept up to date by
    strokes.

    Parameters
    ----------
    viewer : ViewerModel
        Or napari's proxy of it; held weakly.
    parent : QWidget, optional
        Owner.

    Attributes
    ----------
    changed : Signal()
        The table is another, counts included.
    edited : Signal()
        The user changed it.
    """

    changed = Signal()
    edited = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session_of(viewer)
        self._said = Said()
        self._shown = ClassRows((), "dense")
        self._is_storing = False
        self.counts = ClassCounts(self)
        self.zero_choice = CalmComboBox()
        self.sentence = QLabel()
        self.grid = ClassGrid()
        self.add_button = QPushButton("Add &class")
        self.remove_button = QPushButton("Remo&ve")
        self.objects_box = QCheckBox("Values number ob&jects")
        self.problem_label = QLabel()
        self._set_up_children()
        self._build_layout()
        self._connect()
        self.set_layer(None)

    @property
    def layer(self) -> Labels | None:
        """The layer whose classes are shown."""
        return self.counts.layer

    @property
    def shown(self) -> ClassRows:
        """What is shown."""
        return self._shown

    def set_layer(self, layer: Labels | None) -> None:
        """Show the classes of another layer, or of none."""
        layer = getattr(layer, "__wrapped__", layer)
        if layer is not None and layer is self.layer:
            return
        before = self.layer
        if before is not None:
            before.events.selected_label.disconnect(self._on_layer_selected_label)
            before.events.metadata.disconnect(self._on_layer_metadata)
        self._said = Said() if layer is None else read_said(layer)
        self.problem_label.hide()
        self.counts.set_layer(layer, self._said.unlabelled)
        if layer is not None:
            layer.events.selected_label.connect(self._on_layer_selected_label)
            layer.events.metadata.connect(self._on_layer_metadata)
            self._on_layer_selected_label()

    def apply_theme(self, theme_id: str) -> None:
        """Take the colors of a theme."""
        color = palette_of(theme_id).error
        self.problem_label.setStyleSheet(f"QLabel {{ color: {color} }}")

    def _set_up_children(self) -> None:
        for zero in _ZEROS:
            self.zero_choice.addItem(_ZERO_WORDS[zero], zero)
        self.zero_choice.setAccessibleName("What 0 means")
        self.zero_choice.setToolTip(_ZERO_TIP)
        for label in (self.sentence, self.problem_label):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.add_button.setToolTip("One more class, to paint with")
        self.remove_button.setToolTip("Remove a class of which nothing is painted")
        self.objects_box.setToolTip(
            "Each value but 0 is the number of an object; all of them are one class"
        )

    def _build_layout(self) -> None:
        zero = QHBoxLayout()
        zero.addWidget(QLabel("0 means"))
        zero.addWidget(self.zero_choice, stretch=1)
        buttons = QHBoxLayout()
        buttons.addWidget(self.add_button)
        buttons.addWidget(self.remove_button)
        buttons.addStretch()
        buttons.addWidget(self.objects_box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.grid)
        layout.addLayout(buttons)
        layout.addLayout(zero)
        layout.addWidget(self.sentence)
        layout.addWidget(self.problem_label)

    def _connect(self) -> None:
        self.counts.changed.connect(self._on_counts_changed)
        self.counts.failed.connect(self._on_counts_failed)
        self.zero_choice.activated.connect(self._on_zero_choice_activated)
        self.objects_box.clicked.connect(self._on_objects_box_clicked)
        self.add_button.clicked.connect(self._on_add_button_clicked)
        self.remove_button.clicked.connect(self._on_remove_button_clicked)
        self.grid.value_chosen.connect(self._on_grid_value_chosen)
        self.grid.name_edited.connect(self._on_grid_name_edited)
        self.grid.color_edited.connect(self._on_grid_color_edited)
        self.grid.role_edited.connect(self._on_grid_role_edited)
        real = self._session.viewer
        if real is not None:
            follow_theme(real, self)

    def _on_counts_changed(self) -> None:
        if self.counts.facts is not None:
            self._store()
        self._show()

    def _on_counts_failed(self, reason: str) -> None:
        self.sentence.hide()
        self.problem_label.setText(reason)
        self.problem_label.show()

    def _on_layer_metadata(self, _event: Any) -> None:
        """Take a table that somebody else stored."""
        layer = self.layer
        if isalive(self) and layer is not None and not self._is_storing:
            self._said = read_said(layer)
            self.counts.set_unlabelled(self._said.unlabelled)
            self._show()

    def _on_layer_selected_label(self, _event: Any = None) -> None:
        layer = self.layer
        if isalive(self) and layer is not None:
            self.grid.go_to(int(layer.selected_label))
            self._show_buttons()

    def _on_zero_choice_activated(self) -> None:
        self._say(replace(self._said, zero=self.zero_choice.currentData()))

    def _on_objects_box_clicked(self, is_checked: bool) -> None:  # noqa: FBT001 - Qt's
        self._say(replace(self._said, is_objects=is_checked))

    def _on_add_button_clicked(self) -> None:
        value = free_value(self._shown)
        row = ClassInfo(value, f"class {value}", default_color(value))
        self._say(self._kept().with_row(row))
        self._on_grid_value_chosen(value)
        self.grid.edit_name(value)

    def _on_remove_button_clicked(self) -> None:
        value = self.grid.value
        if value is not None:
            self._say(self._said.without(value))

    def _on_grid_value_chosen(self, value: int) -> None:
        """Paint with this label."""
        layer, viewer = self.layer, self._session.viewer
        self._show_buttons()
        if layer is None or self._shown.is_objects or not _holds(layer, value):
            return
        if viewer is not None and layer in viewer.layers:
            viewer.layers.selection.active = layer
        layer.selected_label = value

    def _on_grid_name_edited(self, value: int, name: str) -> None:
        self._say(self._kept().with_row(replace(self._row(value), name=name)))

    def _on_grid_color_edited(self, value: int, color: str) -> None:
        self._say(self._kept().with_row(replace(self._row(value), color=color)))

    def _on_grid_role_edited(self, value: int, role: str) -> None:
        said = self._kept()
        if value == 0:
            self._say(_with_zero(said, self._row(0), role))
            return
        found: Role = next(known for known in get_args(Role) if known == role)
        self._say(said.with_row(replace(self._row(value), role=found)))

    def _row(self, value: int) -> ClassInfo:
        row = next(row for row in self._shown.rows if row.value == value)
        return replace(row, n_voxels=0)

    def _kept(self) -> Said:
        """What is said, and that objects are objects: rows alone would be classes."""
        is_objects = True if self._shown.is_objects else self._said.is_objects
        return replace(self._said, is_objects=is_objects)

    def _say(self, said: Said) -> None:
        self._said = said
        self.counts.set_unlabelled(said.unlabelled)
        self._store()
        if self.layer is not None:
            save_rows(self.layer)
        self._show()
        self.edited.emit()

    def _resolved(self) -> ClassRows:
        return resolve_rows(self._said, self.counts.facts or ())

    def _store(self) -> None:
        layer, shown = self.layer, self._resolved()
        if layer is None or shown.problem:
            return
        self._is_storing = True
        write_rows(layer, self._said, shown)
        self._is_storing = False

    def _show(self) -> None:
        is_there = self.layer is not None
        self._shown = self._resolved() if is_there else ClassRows((), "dense")
        is_known = self.counts.facts is not None
        self.grid.show_rows(self._shown)
        with QSignalBlocker(self.zero_choice), QSignalBlocker(self.objects_box):
            self.zero_choice.setCurrentIndex(_ZEROS.index(self._said.zero))
            self.objects_box.setChecked(self._shown.is_objects)
        self.sentence.setText(
            self._shown.sentence if is_known else "Counting \N{HORIZONTAL ELLIPSIS}"
        )
        self.sentence.setVisible(is_there)
        self.problem_label.setText(self._shown.problem)
        self.problem_label.setVisible(bool(self._shown.problem))
        self.setEnabled(is_there)
        self._show_buttons()
        self.changed.emit()

    def _show_buttons(self) -> None:
        value = self.grid.value
        row = next((row for row in self._shown.rows if row.value == value), None)
        is_said = value is not None and self._said.row(value) is not None
        self.remove_button.setEnabled(bool(row and not row.n_voxels and is_said))
        self.add_button.setEnabled(not self._shown.is_objects)


def _with_zero(said: Said, row: ClassInfo, role: str) -> Said:
    """Say what 0 is by its role."""
    if role == "unlabelled":
        return replace(said.without(0), zero="unlabelled")
    zero: ZeroSetting = "dense" if said.zero in ("auto", "unlabelled") else said.zero
    if role == "class":
        name = "class 0" if said.row(0) is None else row.name
        return replace(said.with_row(replace(row, name=name, role="class")), zero=zero)
    return replace(said.without(0), zero=zero)


def _holds(layer: Labels, value: int) -> bool:
    """Whether the type of the labels can hold a value."""
    dtype = np.dtype(getattr(layer.dtype, "numpy_dtype", layer.dtype))
    limits = np.iinfo(dtype)
    return bool(limits.min <= value <= limits.max)
