"""A slider beside a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QSlider

if TYPE_CHECKING:
    from qtpy.QtGui import QWheelEvent

    from napari_segtrain.ui.widgets.forms.number_box import NumberBox

_STEPS = 200
_WIDE = 1000
"""Whole numbers beyond this range are finer at the low end."""


class NumberSlider(QSlider):
    """Moves a number through the range that is usual; others can be typed.

    Parameters
    ----------
    box : NumberBox
        That shows the number.
    low, high : float
        Ends of the slider.
    is_whole : bool
    """

    def __init__(
        self, box: NumberBox, low: float, high: float, *, is_whole: bool
    ) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._box = box
        self._low, self._high, self._is_whole = low, high, is_whole
        self._power = 3 if is_whole and high - low > _WIDE else 1
        is_short = is_whole and high - low < _STEPS
        self.setRange(0, round(high - low) if is_short else _STEPS)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumWidth(40)
        self._on_box_changed()
        self.valueChanged.connect(self._on_self_changed)
        box.changed.connect(self._on_box_changed)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll the dock unless the slider has the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def _on_self_changed(self, position: int) -> None:
        share = (position / self.maximum()) ** self._power
        value = self._low + share * (self._high - self._low)
        self._box.set_value(round(value) if self._is_whole else round(value, 3))

    def _on_box_changed(self) -> None:
        try:
            value = self._box.value()
        except ValueError:
            return
        if value is None:
            return
        share = (float(value) - self._low) / (self._high - self._low)
        share = min(max(share, 0.0), 1.0) ** (1 / self._power)
        with QSignalBlocker(self):
            self.setValue(round(share * self.maximum()))
