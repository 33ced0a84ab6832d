"""Editors of numbers, which may be left to the plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QLabel, QToolButton

from napari_segtrain.ui.widgets.forms.editors import CalmComboBox, Editor
from napari_segtrain.ui.widgets.forms.number_box import NumberBox
from napari_segtrain.ui.widgets.forms.slider import NumberSlider
from napari_segtrain.ui.widgets.forms.words import (
    choice_text,
    number_text,
    value_text,
)

if TYPE_CHECKING:
    from napari_segtrain.ui.widgets.forms.shapes import Number, Numbers, Unset

_NARROW = "QAbstractSpinBox { min-width: 30px; padding: 1px 4px }"
_BESIDE_SLIDER = 80
_AXES = ("Z", "Y", "X")


class OpenEditor(Editor):
    """An editor whose value may be left to the plan; then it is empty.

    Grey text says what is taken instead; a button empties it again.
    """

    def __init__(self, unset: Unset | None) -> None:
        super().__init__()
        self._unset = unset
        self._reset = QToolButton()
        self._reset.setText("\N{MULTIPLICATION SIGN}")
        self._reset.setAutoRaise(True)
        self._reset.hide()
        self._reset.clicked.connect(self._on_reset_clicked)

    def describe(self, label: str, help_text: str) -> None:
        """Name the button, too."""
        super().describe(label, help_text)
        if self._unset is not None:
            text = f"Back to “{self._unset.text}”"
            self._reset.setToolTip(text)
            self._reset.setAccessibleName(f"{label}: {text}")
            self.layout().addWidget(self._reset)

    def set_resolved(self, value: Any) -> None:
        """Show in grey what the plan takes."""
        if self._unset is not None:
            text = self._unset.text
            self._show_hint(text if value is None else f"{text} ({value_text(value)})")

    def _show_hint(self, text: str) -> None:
        raise NotImplementedError

    def _is_empty(self) -> bool:
        raise NotImplementedError

    def _clear(self) -> None:
        raise NotImplementedError

    def _on_reset_clicked(self) -> None:
        self._clear()
        self.focus_widget().setFocus()

    def _on_input_changed(self) -> None:
        self._reset.setVisible(self._unset is not None and not self._is_empty())
        self.changed.emit()


class NumberEditor(OpenEditor):
    """One number, with a slider where the config asks for one."""

    def __init__(
        self,
        shape: Number,
        unset: Unset | None,
        slider: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(unset)
        self._shape = shape
        self._box = NumberBox(shape)
        self._add(self._box)
        if slider is not None:
            low, high = slider
            bar = NumberSlider(self._box, low, high, is_whole=shape.is_whole)
            self._add(bar, 2)
            self._box.setFixedWidth(_BESIDE_SLIDER)
            self.setMinimumWidth(_BESIDE_SLIDER + bar.minimumWidth() + 4)
        self._box.changed.connect(self._on_input_changed)
        self.set_resolved(None)

    def value(self) -> Any:
        """Return the number, or what stands for none."""
        number = _read(self._box, self._shape)
        if number is not None:
            return number
        if self._unset is None:
            raise ValueError("must be a number, not nothing")
        return self._unset.value

    def set_value(self, value: Any) -> None:
        """Show a number, or none."""
        is_unset = self._unset is not None and value == self._unset.value
        self._box.set_value(None if is_unset else value)

    def set_resolved(self, value: Any) -> None:
        """Show in grey what the plan takes; steps begin there."""
        super().set_resolved(value)
        hint = self._box.lineEdit().placeholderText()
        is_number = isinstance(value, int | float)
        self._box.set_hint(hint, value if is_number else None)

    def _show_hint(self, text: str) -> None:
        self._box.set_hint(text)

    def _is_empty(self) -> bool:
        return not self._box.text()

    def _clear(self) -> None:
        self._box.set_value(None)


class NumbersEditor(OpenEditor):
    """A few numbers side by side, with the letters of the axes where they are axes."""

    def __init__(self, shape: Numbers, unset: Unset | None, *, has_axes: bool) -> None:
        super().__init__(unset)
        self._parts = shape.parts
        n = len(shape.parts)
        letters = _AXES[-n:] if has_axes else ("",) * n
        self._boxes = list(map(self._add_box, shape.parts, letters))
        self._auto = QLabel(unset.text if unset else "")
        self._auto.setIndent(0)
        self._auto.setEnabled(False)
        self.layout().addWidget(self._auto)
        self._auto.setVisible(unset is not None)

    def value(self) -> Any:
        """Return the numbers, or what stands for none."""
        numbers = list(map(_read, self._boxes, self._parts))
        if self._unset is not None and self._is_empty():
            return self._unset.value
        if None in numbers:
            hint = f", or empty for {self._unset.text}" if self._unset else ""
            raise ValueError(f"must be {len(numbers)} numbers{hint}")
        return tuple(numbers)

    def set_value(self, value: Any) -> None:
        """Show numbers, or none."""
        is_unset = self._unset is not None and value == self._unset.value
        parts = [None] * len(self._boxes) if is_unset else value
        for box, part in zip(self._boxes, parts, strict=True):
            box.set_value(part)

    def set_resolved(self, value: Any) -> None:
        """Show in grey what the plan takes, in each box its own."""
        known = isinstance(value, Sequence) and not isinstance(value, str)
        parts = value if known else [None] * len(self._boxes)
        for box, part in zip(self._boxes, parts, strict=True):
            box.set_hint("" if part is None else number_text(part), part)

    def _add_box(self, part: Number, letter: str) -> NumberBox:
        if letter:
            hint = QLabel(letter)
            hint.setIndent(0)
            self.layout().addWidget(hint)
        box = NumberBox(part)
        box.setButtonSymbols(NumberBox.ButtonSymbols.NoButtons)
        box.setStyleSheet(_NARROW)
        box.setProperty("part", letter)
        box.changed.connect(self._on_input_changed)
        self._add(box)
        return box

    def _is_empty(self) -> bool:
        return not any(box.text() for box in self._boxes)

    def _clear(self) -> None:
        for box in self._boxes:
            box.set_value(None)

    def _on_input_changed(self) -> None:
        self._auto.setVisible(self._unset is not None and self._is_empty())
        super()._on_input_changed()


class WordOrNumbersEditor(Editor):
    """A combo box of words, and numbers for the last choice."""

    def __init__(self, shape: Numbers, *, has_axes: bool) -> None:
        super().__init__()
        self._words = shape.words
        self._choice = CalmComboBox()
        self._choice.addItems([*map(choice_text, self._words), "numbers"])
        self._add(self._choice)
        self._numbers = NumbersEditor(shape, None, has_axes=has_axes)
        self._add(self._numbers, 2)
        self._choice.currentIndexChanged.connect(self._on_choice_changed)
        self._numbers.changed.connect(self.changed)
        self._on_choice_changed(0)

    def value(self) -> Any:
        """Return the chosen word, or the numbers."""
        index = self._choice.currentIndex()
        return self._words[index] if index < len(self._words) else self._numbers.value()

    def set_value(self, value: Any) -> None:
        """Choose a word, or show numbers."""
        if value in self._words:
            self._choice.setCurrentIndex(self._words.index(value))
            return
        self._numbers.set_value(value)
        self._choice.setCurrentIndex(len(self._words))

    def set_resolved(self, value: Any) -> None:
        """Add the plan's choice to "auto"."""
        if "auto" in self._words:
            text = "auto" if value is None else f"auto ({value_text(value)})"
            self._choice.setItemText(self._words.index("auto"), text)

    def describe(self, label: str, help_text: str) -> None:
        """Name the numbers, too."""
        super().describe(label, help_text)
        self._numbers.describe(label, help_text)

    def _on_choice_changed(self, index: int) -> None:
        self._numbers.setVisible(index == len(self._words))
        self.changed.emit()


def _read(box: NumberBox, shape: Number) -> float | None:
    try:
        return box.value()
    except ValueError:
        noun = "a whole number" if shape.is_whole else "a number"
        raise ValueError(f"must be {noun}, not {box.text()!r}") from None
