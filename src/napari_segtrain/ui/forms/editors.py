"""Editors of single values; each shows one shape of field."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from napari_segtrain.config.plain_yaml import (
    PlainYamlError,
    dump_plain_yaml,
    load_plain_yaml,
)
from napari_segtrain.ui.forms.number_box import NumberBox
from napari_segtrain.ui.forms.shapes import (
    Choice,
    File,
    Items,
    Number,
    Numbers,
    Table,
    Text,
    Unset,
)
from napari_segtrain.ui.forms.words import choice_text, number_text, value_text

_NARROW = "QAbstractSpinBox { min-width: 30px; padding: 1px 4px }"
_WRONG = "QAbstractSpinBox, QLineEdit, QComboBox { border: 1px solid #e5484d }"
_AXES = ("Z", "Y", "X")


class Editor(QWidget):
    """Shows a value and lets it be changed.

    ``value()`` raises `ValueError` with "must be ..." when what was typed is none.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        policy = QSizePolicy.Policy
        self.setSizePolicy(policy.Ignored, policy.Fixed)
        self._inputs: list[QWidget] = []

    def value(self) -> Any:
        """Return what is chosen."""
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        """Show a value."""
        raise NotImplementedError

    def set_resolved(self, value: Any) -> None:
        """Show what the plan takes where the user has chosen nothing."""

    def describe(self, label: str, help_text: str) -> None:
        """Give names to screen readers and tooltips to all."""
        for widget in self._inputs:
            part = widget.property("part")
            widget.setAccessibleName(f"{label} {part}" if part else label)
            widget.setAccessibleDescription(help_text)
        self.setToolTip(help_text)

    def mark(self, *, is_wrong: bool) -> None:
        """Frame the editor when its value cannot be used."""
        sheet = _WRONG if is_wrong else ""
        if sheet != self.styleSheet():
            self.setStyleSheet(sheet)

    def focus_widget(self) -> QWidget:
        """Where the keyboard goes when the label is activated."""
        return self._inputs[0]

    def _add(self, widget: QWidget, stretch: int = 1) -> None:
        self._inputs.append(widget)
        self.layout().addWidget(widget, stretch)


class FlagEditor(Editor):
    """A check box."""

    def __init__(self) -> None:
        super().__init__()
        self._box = QCheckBox()
        self._add(self._box)
        self._box.toggled.connect(self._on_box_toggled)

    def value(self) -> bool:
        """Whether it is checked."""
        return bool(self._box.isChecked())

    def set_value(self, value: bool) -> None:  # noqa: FBT001 - the value itself
        """Check or uncheck."""
        self._box.setChecked(value)

    def _on_box_toggled(self) -> None:
        self.changed.emit()


class CalmComboBox(QComboBox):
    """A combo box that does not take the wheel from the dock."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumContentsLength(6)
        policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self.setSizeAdjustPolicy(policy)

    def wheelEvent(self, event: Any) -> None:
        """Scroll the dock unless the box has the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class ChoiceEditor(Editor):
    """A combo box of fixed values."""

    def __init__(self, shape: Choice) -> None:
        super().__init__()
        self._values = shape.values
        self._box = CalmComboBox()
        self._box.addItems([choice_text(value) for value in shape.values])
        self._add(self._box)
        self._box.currentIndexChanged.connect(self._on_box_changed)

    def value(self) -> Any:
        """Return the chosen value."""
        return self._values[self._box.currentIndex()]

    def set_value(self, value: Any) -> None:
        """Choose a value."""
        self._box.setCurrentIndex(self._values.index(value))

    def set_resolved(self, value: Any) -> None:
        """Add the plan's choice to "auto"."""
        if "auto" in self._values:
            text = "auto" if value is None else f"auto ({choice_text(value)})"
            self._box.setItemText(self._values.index("auto"), text)

    def _on_box_changed(self) -> None:
        self.changed.emit()


class OpenEditor(Editor):
    """An editor whose value may be left to the plan; then it is empty.

    Grey text says what is taken instead; a button empties it again.
    """

    def __init__(self, unset: Unset | None) -> None:
        super().__init__()
        self._unset = unset
        self._reset = QToolButton(self)
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
    """One number."""

    def __init__(self, shape: Number, unset: Unset | None) -> None:
        super().__init__(unset)
        self._shape = shape
        self._box = NumberBox(shape)
        self._add(self._box)
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


class TextEditor(OpenEditor):
    """A line of text that stands for a text, a path, a list or a table.

    What was set and not edited is given back as it was.
    """

    def __init__(self, shape: Text | File | Items | Table, unset: Unset | None) -> None:
        super().__init__(unset)
        self._shape = shape
        self._value: Any = None
        self._shown = ""
        self._line = QLineEdit()
        self._add(self._line)
        self._line.textChanged.connect(self._on_input_changed)
        self.set_resolved(None)

    def value(self) -> Any:
        """Read the line."""
        text = self._line.text()
        if text == self._shown:
            return self._value
        if not text.strip() and self._unset is not None:
            return self._unset.value
        return _parse_line(text, self._shape)

    def set_value(self, value: Any) -> None:
        """Write the line."""
        is_unset = self._unset is not None and value == self._unset.value
        self._line.setText("" if is_unset else _line_of(value))
        self._line.setCursorPosition(0)
        self._value, self._shown = value, self._line.text()

    def _show_hint(self, text: str) -> None:
        self._line.setPlaceholderText(text)

    def _is_empty(self) -> bool:
        return not self._line.text()

    def _clear(self) -> None:
        self._line.clear()


_NOTHING = "none"


def _line_of(value: Any) -> str:
    if isinstance(value, dict):
        text = dump_plain_yaml(value, is_flow=True).strip()
        return text.removeprefix("{").removesuffix("}")
    if isinstance(value, tuple):
        return ", ".join(map(_item_text, value)) or _NOTHING
    return str(value)


def _item_text(item: Any) -> str:
    return item if isinstance(item, str) else number_text(item)


def _parse_line(text: str, shape: Text | File | Items | Table) -> Any:
    if isinstance(shape, Table):
        return _parse_table(text)
    if isinstance(shape, Items):
        return _parse_items(text, shape.element)
    return Path(text.strip()) if isinstance(shape, File) else text.strip()


def _parse_table(text: str) -> dict[Any, Any]:
    try:
        table = load_plain_yaml("{" + text + "}")
    except PlainYamlError:
        table = None
    if not isinstance(table, dict):
        raise ValueError(f"must be a list such as 1: myelin, 2: axon, not {text!r}")
    return table


def _parse_items(text: str, element: Number | Text) -> tuple[Any, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if parts in ([], [_NOTHING]):
        return ()
    if isinstance(element, Text):
        return tuple(parts)
    convert = int if element.is_whole else float
    try:
        return tuple(convert(part) for part in parts)
    except ValueError:
        raise ValueError(f"must be numbers such as 1, 2, 3, not {text!r}") from None


def _read(box: NumberBox, shape: Number) -> float | None:
    try:
        return box.value()
    except ValueError:
        noun = "a whole number" if shape.is_whole else "a number"
        raise ValueError(f"must be {noun}, not {box.text()!r}") from None
