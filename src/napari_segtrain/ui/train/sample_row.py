"""One row of the table of samples: an image, its labels and where they count."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Shapes
from qtpy.compat import isalive
from qtpy.QtCore import QSignalBlocker, Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_segtrain.axes import size_text
from napari_segtrain.errors import DataError
from napari_segtrain.ui.layers.reading import guess_axes, n_levels
from napari_segtrain.ui.layers.regions import is_through_all
from napari_segtrain.ui.layers.samples import SampleRow, check_row
from napari_segtrain.ui.session import session_of
from napari_segtrain.ui.train.channels_button import ChannelsButton
from napari_segtrain.ui.train.new_labels_button import NewLabelsButton
from napari_segtrain.ui.widgets.forms.editors import CalmComboBox
from napari_segtrain.ui.widgets.layer_choice import LayerChoice

if TYPE_CHECKING:
    from napari.layers import Layer

_CHOOSE = "\N{EN DASH}"
_WATCHED = (
    "scale", "translate", "rotate", "shear", "affine", "units", "axis_labels", "data",
)  # fmt: skip
_AXES_TIP = (
    "One letter per dimension of the image: Z, Y and X, C for channels, T for time "
    "(or any other letter: each index is an image of its own)"
)
_STATUS_STYLE = "QLabel {{ color: {0} }}"
_AXES_WIDTH = 72
_NAME_LETTERS = 8
_SMALL_WIDTH = 34
_LEVEL_LETTERS = 5
_REGION_LETTERS = 6


class SampleRowWidget(QFrame):
    """Edits a `SampleRow`.

    Parameters
    ----------
    viewer : ViewerModel
        Or napari's proxy of it; held weakly.
    parent : QWidget, optional
        Owner.

    Attributes
    ----------
    changed : Signal()
        The row is another, or its layers lie elsewhere.
    edited : Signal()
        The user chose something.
    remove_asked : Signal()
        The row is to go.
    labels_made : Signal(object)
        New training labels were made for its image; carries the layer.
    """

    changed = Signal()
    edited = Signal()
    remove_asked = Signal()
    labels_made = Signal(object)

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session_of(viewer)
        self._watched: list[weakref.ref[Layer]] = []
        self._error_color = "red"
        self.image_choice = LayerChoice(viewer, Image, none=_CHOOSE, parent=self)
        self.labels_choice = LayerChoice(viewer, Labels, none=_CHOOSE, parent=self)
        self.region_choice = LayerChoice(viewer, Shapes, none="everywhere", parent=self)
        self.channels_button = ChannelsButton(viewer, self)
        self.axes_edit = QLineEdit()
        self.level_choice = CalmComboBox()
        self.level_label = QLabel("Level")
        self.through_box = QCheckBox("all slices")
        self.new_button = NewLabelsButton(viewer, self.row, self)
        self.more_button = QPushButton("\N{HORIZONTAL ELLIPSIS}")
        self.remove_button = QPushButton("\N{MULTIPLICATION SIGN}")
        self.more = QWidget()
        self.more_label = QLabel("Region")
        self.status = QLabel()
        self._timer = QTimer(self)
        self._set_up_children()
        self._build_layout()
        self._connect()
        self._on_image_choice_layer_changed(None)

    def row(self) -> SampleRow:
        """The layers that are chosen."""
        region = self.region_choice.layer()
        through_all = self.through_box.isChecked() if region is not None else None
        return SampleRow(
            images=self.channels_button.layers(),
            labels=self.labels_choice.layer(),
            region=region,
            axes=self.axes_edit.text().strip().upper(),
            level=max(0, self.level_choice.currentIndex()),
            through_all=through_all,
        )

    def set_row(self, row: SampleRow) -> None:
        """Choose layers; they must be in the viewer."""
        self.image_choice.set_layer(row.images[0] if row.images else None)
        self.channels_button.set_layers(row.images)
        self.labels_choice.set_layer(row.labels)
        self.region_choice.set_layer(row.region)
        if row.through_all is not None:
            self.through_box.setChecked(row.through_all)
        if row.axes:
            self.axes_edit.setText(row.axes)
            self.axes_edit.setModified(True)
        self.level_choice.setCurrentIndex(row.level)
        if row.region is not None:
            self._show_more(is_shown=True)
        self._on_something_changed()

    def problem(self) -> str:
        """Why the row cannot be a sample; empty when it can."""
        try:
            check_row(self.row())
        except DataError as error:
            return str(error)
        return ""

    def set_error_color(self, color: str) -> None:
        """Color of the reason why a row is no sample."""
        self._error_color = color
        self.status.setStyleSheet(_STATUS_STYLE.format(color))

    def _set_up_children(self) -> None:
        for choice in (self.image_choice, self.labels_choice, self.region_choice):
            choice.setMinimumContentsLength(_NAME_LETTERS)
        self.image_choice.setAccessibleName("Image")
        self.labels_choice.setAccessibleName("Labels")
        self.region_choice.setAccessibleName("Region")
        self.region_choice.setMinimumContentsLength(_REGION_LETTERS)
        self.region_choice.setToolTip("Shapes inside which labels count")
        self.axes_edit.setAccessibleName("Axes")
        self.axes_edit.setToolTip(_AXES_TIP)
        self.axes_edit.setFixedWidth(_AXES_WIDTH)
        self.axes_edit.setMaxLength(8)
        self.level_choice.setAccessibleName("Level")
        self.level_choice.setMinimumContentsLength(_LEVEL_LETTERS)
        self.level_choice.setToolTip("Level of the multiscale image to train on")
        self.through_box.setToolTip(
            "The shapes hold for every slice, not just for the one they were drawn on"
        )
        self.more_button.setCheckable(True)
        self.more_button.setToolTip("Region and level")
        self.more_button.setAccessibleName("Region and level")
        self.remove_button.setToolTip("Remove this row")
        self.remove_button.setAccessibleName("Remove this row")
        for button in (self.channels_button, self.more_button, self.remove_button):
            button.setFixedWidth(_SMALL_WIDTH)
        self.status.setWordWrap(True)
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)

    def _build_layout(self) -> None:
        more = QHBoxLayout(self.more)
        more.setContentsMargins(0, 0, 0, 0)
        more.addWidget(self.region_choice, stretch=1)
        more.addWidget(self.through_box)
        more.addWidget(self.level_label)
        more.addWidget(self.level_choice)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 2, 0, 2)
        layout.setHorizontalSpacing(4)
        layout.setVerticalSpacing(2)
        layout.addWidget(QLabel("Image"), 0, 0)
        layout.addWidget(self.image_choice, 0, 1)
        layout.addWidget(self.channels_button, 0, 2)
        layout.addWidget(self.axes_edit, 0, 3)
        layout.addWidget(self.remove_button, 0, 4)
        layout.addWidget(QLabel("Labels"), 1, 0)
        layout.addWidget(self.labels_choice, 1, 1, 1, 2)
        layout.addWidget(self.new_button, 1, 3)
        layout.addWidget(self.more_button, 1, 4)
        layout.addWidget(self.more_label, 2, 0)
        layout.addWidget(self.more, 2, 1, 1, 4)
        layout.addWidget(self.status, 3, 1, 1, 4)
        layout.setColumnStretch(1, 1)
        self._show_more(is_shown=False)

    def _connect(self) -> None:
        self.image_choice.layer_changed.connect(self._on_image_choice_layer_changed)
        self.labels_choice.layer_changed.connect(self._on_labels_choice_layer_changed)
        self.region_choice.layer_changed.connect(self._on_region_choice_layer_changed)
        for choice in (self.image_choice, self.labels_choice, self.region_choice):
            choice.activated.connect(self.edited)
            choice.layers_changed.connect(self._on_something_changed)
        self.channels_button.changed.connect(self.edited)
        self.channels_button.changed.connect(self._on_something_changed)
        self.axes_edit.textEdited.connect(self.edited)
        self.axes_edit.textChanged.connect(self._on_something_changed)
        self.axes_edit.editingFinished.connect(self._on_axes_edit_finished)
        self.level_choice.currentIndexChanged.connect(self._on_something_changed)
        self.level_choice.activated.connect(self.edited)
        self.through_box.clicked.connect(self.edited)
        self.through_box.toggled.connect(self._on_something_changed)
        self.more_button.toggled.connect(self._on_more_button_toggled)
        self.new_button.asked.connect(self.edited)
        self.new_button.made.connect(self._on_new_button_made)
        self.new_button.failed.connect(self._show_problem)
        self.remove_button.clicked.connect(self.remove_asked)
        self._timer.timeout.connect(self._on_timer_timeout)

    def _on_image_choice_layer_changed(self, _layer: Any) -> None:
        layer = self.image_choice.layer()
        self.channels_button.set_first(layer)
        self.channels_button.setEnabled(layer is not None)
        self.new_button.setEnabled(layer is not None)
        self._offer_levels(layer)
        self._guess(anew=True)
        self._on_something_changed()

    def _on_labels_choice_layer_changed(self, _layer: Any) -> None:
        self._guess(anew=False)
        self._on_something_changed()

    def _on_region_choice_layer_changed(self, layer: Any) -> None:
        self.through_box.setVisible(layer is not None)
        if layer is not None:
            self.through_box.setChecked(is_through_all(layer))
            self._show_more(is_shown=True)
        self._on_something_changed()

    def _on_axes_edit_finished(self) -> None:
        """An empty field takes the guess again."""
        if not self.axes_edit.text().strip():
            self._guess(anew=True)

    def _on_more_button_toggled(self, is_checked: bool) -> None:  # noqa: FBT001 - Qt's
        self.more.setVisible(is_checked)
        self.more_label.setVisible(is_checked)

    def _on_layer_changed(self, _event: Any = None) -> None:
        if isalive(self):
            self._guess(anew=False)
            self._timer.start()

    def _on_something_changed(self) -> None:
        """Look at the row once all that belongs to this change has happened."""
        self._timer.start()

    def _on_timer_timeout(self) -> None:
        _owner = self.window()  # Python must not collect it meanwhile, and this row
        self._watch()
        self._show_problem(self.problem())
        self.changed.emit()

    def _show_problem(self, problem: str) -> None:
        self.status.setText(problem)
        self.status.setToolTip(problem)
        self.status.setVisible(bool(problem))

    def _on_new_button_made(self, layer: Labels) -> None:
        self.labels_choice.set_layer(layer)
        self.labels_made.emit(layer)

    def _guess(self, *, anew: bool) -> None:
        """Show the guessed axes, unless the user gave others."""
        image = self.image_choice.layer()
        if self.axes_edit.isModified() and not anew:
            return
        guess = "" if image is None else guess_axes(image, self.labels_choice.layer())
        self.axes_edit.setText(guess)
        self.axes_edit.setModified(False)

    def _offer_levels(self, layer: Image | None) -> None:
        shapes = []
        if layer is not None and layer.multiscale:
            shapes = [size_text(shape) for shape in layer.level_shapes]
        with QSignalBlocker(self.level_choice):
            self.level_choice.clear()
            self.level_choice.addItems([f"{n}: {s}" for n, s in enumerate(shapes)])
        has_levels = layer is not None and n_levels(layer) > 1
        self.level_label.setVisible(has_levels)
        self.level_choice.setVisible(has_levels)
        if has_levels:
            self._show_more(is_shown=True)

    def _show_more(self, *, is_shown: bool) -> None:
        self.more_button.setChecked(is_shown)
        self.more.setVisible(is_shown)
        self.more_label.setVisible(is_shown)
        self.through_box.setVisible(self.region_choice.layer() is not None)

    def _watch(self) -> None:
        """Hear of moves and new data of the layers that are chosen now."""
        row = self.row()
        chosen = [x for x in (*row.images, row.labels, row.region) if x is not None]
        before = [layer for layer in (ref() for ref in self._watched) if layer]
        for layer in before:
            for name in _WATCHED:
                layer.events[name].disconnect(self._on_layer_changed)
        for layer in chosen:
            for name in _WATCHED:
                layer.events[name].connect(self._on_layer_changed)
        self._watched = [weakref.ref(layer) for layer in chosen]
