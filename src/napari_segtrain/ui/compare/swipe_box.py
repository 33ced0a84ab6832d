"""The controls of the swipe: which layers, and where the line is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QLabel,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_segtrain.ui.compare.error_layer import find_error_map
from napari_segtrain.ui.compare.swipe import Swipe, swipe_sides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.ui.compare.compared_pair import ComparedPair
    from napari_segtrain.ui.session import Session

_PAIR = 2
_SEVERAL = 3
_PAGE = 20


class SwipeBox(QWidget):
    """Shows one layer left and another right of a line, while its box is checked.

    Parameters
    ----------
    session : Session
        Of the viewer.

    Attributes
    ----------
    changed : Signal()
        The swipe began or ended.
    """

    changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._pairs: list[ComparedPair] = []
        self._swipe: Swipe | None = None
        self.box = QCheckBox("S&wipe between two layers")
        self.left_choice, self.right_choice = QComboBox(), QComboBox()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.controls = QWidget()
        self._build_layout()
        self.box.toggled.connect(self._on_box_toggled)
        for choice in (self.left_choice, self.right_choice):
            choice.currentIndexChanged.connect(self._on_choice_changed)
        self.slider.valueChanged.connect(self._on_slider_value_changed)
        self.hide()

    @property
    def swipe(self) -> Swipe | None:
        """What is shown; ``None`` while the box is not checked."""
        return self._swipe

    def set_pairs(self, pairs: Sequence[ComparedPair]) -> None:
        """Offer other layers; a swipe ends."""
        self.end()
        self._pairs = list(pairs)
        names = [str(side.layer.name) for side in swipe_sides(self._pairs)]
        first = 1 if len(names) >= _SEVERAL else 0
        for choice, index in (
            (self.left_choice, first),
            (self.right_choice, first + 1),
        ):
            with QSignalBlocker(choice):
                choice.clear()
                choice.addItems(names)
                choice.setCurrentIndex(index)
        self.setVisible(len(names) >= _PAIR)

    def end(self) -> None:
        """Show everything as before."""
        if self._swipe is not None:
            self._swipe.end()

    def _build_layout(self) -> None:
        self.box.setToolTip("Show one layer left and the other right of a line")
        self.left_choice.setAccessibleName("Left of the line")
        self.right_choice.setAccessibleName("Right of the line")
        self.slider.setAccessibleName("Place of the line")
        self.slider.setPageStep(_PAGE)
        for choice in (self.left_choice, self.right_choice):
            choice.setMinimumContentsLength(4)
            choice.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
        rows = QGridLayout(self.controls)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(QLabel("Left"), 0, 0)
        rows.addWidget(self.left_choice, 0, 1)
        rows.addWidget(QLabel("Right"), 0, 2)
        rows.addWidget(self.right_choice, 0, 3)
        rows.addWidget(self.slider, 1, 0, 1, 4)
        rows.setColumnStretch(1, 1)
        rows.setColumnStretch(3, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.box)
        layout.addWidget(self.controls)
        self.controls.hide()

    def _begin(self) -> None:
        """Show the chosen layers on both sides, if they are two."""
        viewer, sides = self._session.viewer, swipe_sides(self._pairs)
        left, right = self.left_choice.currentIndex(), self.right_choice.currentIndex()
        truth = self._pairs[0].layers()[0] if self._pairs else None
        is_possible = left != right and max(left, right) < len(sides)
        if viewer is None or truth is None or not is_possible:
            return
        if viewer.dims.ndisplay != _PAIR:
            viewer.dims.ndisplay = _PAIR
        shown = [side.layer for side in sides]
        errors = find_error_map(viewer)
        self._swipe = Swipe(
            viewer,
            (sides[left], sides[right]),
            truth=truth,
            overlap=self._pairs[0].overlap,
            hidden=shown if errors is None else [*shown, errors],
            parent=self,
        )
        self._swipe.ended.connect(self._on_swipe_ended)
        self._swipe.axis_changed.connect(self._show_span)
        self._show_span()

    def _show_span(self) -> None:
        if self._swipe is None:
            return
        span = self._swipe.span
        with QSignalBlocker(self.slider):
            self.slider.setRange(span[0], span[-1])
            self.slider.setValue(self._swipe.position)

    def _on_box_toggled(self, is_checked: bool) -> None:  # noqa: FBT001 - a slot
        self.controls.setVisible(is_checked)
        if is_checked:
            self._begin()
        else:
            self.end()
        self.changed.emit()

    def _on_choice_changed(self) -> None:
        """Swipe between other layers; of one layer twice there is nothing to see."""
        swipe, self._swipe = self._swipe, None
        if swipe is not None:
            swipe.end()
        if self.box.isChecked():
            self._begin()

    def _on_slider_value_changed(self, value: int) -> None:
        if self._swipe is not None:
            self._swipe.move(value)

    def _on_swipe_ended(self) -> None:
        """Uncheck the box, unless another swipe takes its place."""
        if self._swipe is None or self.sender() is not self._swipe:
            return
        self._swipe.deleteLater()
        self._swipe = None
        self.box.setChecked(False)
