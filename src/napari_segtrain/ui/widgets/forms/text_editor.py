"""An editor of texts, paths, lists and tables as a line of text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QLineEdit

from napari_segtrain.config.plain_yaml import (
    PlainYamlError,
    dump_plain_yaml,
    load_plain_yaml,
)
from napari_segtrain.ui.widgets.forms.number_editors import OpenEditor
from napari_segtrain.ui.widgets.forms.shapes import (
    File,
    Items,
    Number,
    Table,
    Text,
    Unset,
)
from napari_segtrain.ui.widgets.forms.words import number_text


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
