"""A spin box for numbers of any size, exact, that may be left empty."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QAbstractSpinBox, QWidget

from napari_segtrain.ui.widgets.forms.words import number_text

if TYPE_CHECKING:
    from qtpy.QtGui import QWheelEvent

    from napari_segtrain.ui.widgets.forms.shapes import Number

_PARTIAL = re.compile(r"\s*[-+]?\d*[.,]?\d*([eE][-+]?\d*)?\s*")
_N_STEPS = 100
_FIRST_STEP = 0.1


class NumberBox(QAbstractSpinBox):
    """Shows ``0.0001`` as ``1e-4``, reads either, and steps by a sensible amount.

    A number out of bounds can be typed; the form says what is wrong with it.

    Parameters
    ----------
    number : Number
        Bounds, and whether it is whole.
    """

    changed = Signal()

    def __init__(self, number: Number, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._number = number
        self._start: float | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.lineEdit().textChanged.connect(self._on_text_changed)

    def value(self) -> float | None:
        """Return the number, or ``None`` when the box is empty.

        Raises
        ------
        ValueError
            When the text is no number.
        """
        text = self.text().strip().replace(",", ".")
        if not text:
            return None
        return int(text) if self._number.is_whole else float(text)

    def set_value(self, value: float | None) -> None:
        """Show a number, or nothing."""
        self.lineEdit().setText("" if value is None else number_text(value))

    def set_hint(self, text: str, start: float | None = None) -> None:
        """Say in grey what an empty box stands for; steps begin at ``start``."""
        self._start = start
        self.lineEdit().setPlaceholderText(text)

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Let nothing be typed that cannot become a number."""
        is_partial = _PARTIAL.fullmatch(text) is not None
        state = QValidator.State
        return (state.Acceptable if is_partial else state.Invalid), text, position

    def stepEnabled(self) -> QAbstractSpinBox.StepEnabledFlag:
        """Both ways, since a number out of bounds is brought back by a step."""
        flag = QAbstractSpinBox.StepEnabledFlag
        return flag.StepUpEnabled | flag.StepDownEnabled

    def stepBy(self, steps: int) -> None:
        """Go up or down, within the bounds."""
        try:
            value = self.value()
        except ValueError:
            value = None
        if value is None:
            self.set_value(self._first_value())
        else:
            self.set_value(self._stepped(value, steps))
        self.selectAll()

    def sizeHint(self) -> QSize:
        """Room for a usual number; Qt's own hint knows no numbers here."""
        return self.minimumSizeHint()

    def minimumSizeHint(self) -> QSize:
        """Room for a few digits."""
        width = self.fontMetrics().horizontalAdvance("00000") + 8
        return QSize(width, self.lineEdit().sizeHint().height())

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll the dock, not the number, unless the box is being edited."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def _on_text_changed(self) -> None:
        self.changed.emit()

    def _first_value(self) -> float:
        low = self._number.low or 0
        first = self._start if self._start is not None else low
        return first if self._number.allows(first) else self._stepped(first, 1)

    def _stepped(self, value: float, steps: int) -> float:
        step = self._step(value)
        digits = max(0, -math.floor(math.log10(step)))
        target = value + steps * step
        moved = target if self._number.is_whole else round(target, digits)
        low, high = self._number.low, self._number.high
        if low is not None and moved < low:
            moved = low
        if high is not None and moved > high:
            moved = high
        if not self._number.allows(moved):
            return value
        return int(moved) if self._number.is_whole else float(moved)

    def _step(self, value: float) -> float:
        """A hundredth of the range, else one of the second digit."""
        low, high = self._number.low, self._number.high
        if self._number.is_whole:
            return 1
        if low is not None and high is not None:
            return float(10.0 ** math.floor(math.log10((high - low) / _N_STEPS)))
        if value == 0:
            return _FIRST_STEP
        return float(10.0 ** (math.floor(math.log10(abs(value))) - 1))
