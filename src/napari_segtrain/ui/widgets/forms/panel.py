"""Rows of labels and editors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_segtrain.config.kinds import Kinds
from napari_segtrain.errors import ConfigError
from napari_segtrain.ui.widgets.folding import Folding, chain_after
from napari_segtrain.ui.widgets.forms.editors import (
    CalmComboBox,
    ChoiceEditor,
    Editor,
    FlagEditor,
)
from napari_segtrain.ui.widgets.forms.number_editors import (
    NumberEditor,
    NumbersEditor,
    WordOrNumbersEditor,
)
from napari_segtrain.ui.widgets.forms.shapes import (
    Choice,
    FieldShape,
    Flag,
    Number,
    Numbers,
    Section,
    fields_of,
)
from napari_segtrain.ui.widgets.forms.text_editor import TextEditor
from napari_segtrain.ui.widgets.forms.words import choice_text, label_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

INDENT = 12
_LABEL_SHARE, _EDITOR_SHARE = 2, 3
_AUTO = "auto"
_MOST_OPEN, _FEW_OPEN = 4, 1
"""A kind with more fields than the first number shows as many as the second."""


class Panel(QWidget):
    """A column of labels and a column of editors, in the same shares everywhere.

    Parameters
    ----------
    level : int
        How deep the labels are indented; the editors stay below one another.
    """

    def __init__(self, level: int = 0) -> None:
        super().__init__()
        self.level = level
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(6)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(0, _LABEL_SHARE)
        self._grid.setColumnStretch(1, _EDITOR_SHARE)

    def add_field(self, field: FieldShape) -> Editor:
        """Append the row of a field and return its editor."""
        editor = build_editor(field, self.level)
        label = QLabel(label_of(field.name))
        label.setContentsMargins(self.level * INDENT, 0, 0, 0)
        label.setToolTip(field.help)
        label.setBuddy(editor.focus_widget())
        editor.describe(label.text(), field.help)
        row = self._grid.rowCount()
        self._grid.addWidget(label, row, 0, Qt.AlignmentFlag.AlignVCenter)
        self._grid.addWidget(editor, row, 1)
        if isinstance(editor, KindsEditor):
            self.add_widget(editor.details)
        return editor

    def add_widget(self, widget: QWidget) -> None:
        """Append a widget as wide as the panel."""
        self._grid.addWidget(widget, self._grid.rowCount(), 0, 1, 2)


class KindsEditor(Editor):
    """A combo box of kinds; `details`, shown elsewhere, has the fields of the chosen.

    A kind that was left keeps what was typed.
    """

    def __init__(self, shape: Kinds, level: int = 0) -> None:
        super().__init__()
        self._shape = shape
        self._level = level
        self._tags = list(shape.models)
        self._editors: dict[str, dict[str, Editor]] = {}
        self._panels: dict[str, Panel] = {}
        self._resolved: Mapping[str, Any] = {}
        self._box = CalmComboBox()
        self._add(self._box)
        self.details = QWidget(self)
        layout = QVBoxLayout(self.details)
        layout.setContentsMargins(0, 0, 0, 0)
        for index, (tag, model) in enumerate(shape.models.items()):
            self._box.addItem(choice_text(tag))
            summary = " ".join((model.__doc__ or "").split())
            self._box.setItemData(index, summary, Qt.ItemDataRole.ToolTipRole)
        self._box.currentIndexChanged.connect(self._on_box_changed)
        self._show_kind()

    @property
    def editors(self) -> Mapping[str, Editor]:
        """Editors of the chosen kind by field."""
        return self._editors[self._tag]

    def value(self) -> dict[str, Any]:
        """Return the fields of the chosen kind, its tag among them."""
        return {self._shape.tag: self._tag, **read_editors(self.editors)}

    def set_value(self, value: BaseModel) -> None:
        """Choose the kind of a config and show its fields."""
        tag = getattr(value, self._shape.tag)
        self._box.setCurrentIndex(self._tags.index(tag))
        for name, editor in self.editors.items():
            editor.set_value(getattr(value, name))

    def set_changeable(self, *, is_changeable: bool) -> None:
        """Let the kind and its fields be changed; they can be unfolded in any case."""
        self._box.setEnabled(is_changeable)
        for editors in self._editors.values():
            for editor in editors.values():
                editor.set_changeable(is_changeable=is_changeable)

    def set_resolved(self, value: Any) -> None:
        """Show what the plan takes in the fields (a mapping by their names)."""
        self._resolved = value or {}
        if _AUTO in self._tags:
            tag = self._resolved.get(self._shape.tag)
            text = _AUTO if tag is None else f"{_AUTO} ({choice_text(tag)})"
            self._box.setItemText(self._tags.index(_AUTO), text)
        for editors in self._editors.values():
            self._resolve(editors)

    @property
    def _tag(self) -> str:
        return self._tags[self._box.currentIndex()]

    def _resolve(self, editors: Mapping[str, Editor]) -> None:
        for name, editor in editors.items():
            editor.set_resolved(self._resolved.get(name))

    def _on_box_changed(self) -> None:
        self._show_kind()
        self.changed.emit()

    def _on_field_changed(self) -> None:
        self.changed.emit()

    def _show_kind(self) -> None:
        tag = self._tag
        if tag not in self._panels:
            self._build(tag)
        for other, panel in self._panels.items():
            panel.setVisible(other == tag)
        self.details.setVisible(bool(self._editors[tag]))

    def _build(self, tag: str) -> None:
        model = self._shape.models[tag]
        panel = self._panels[tag] = Panel(self._level + 1)
        editors = self._editors[tag] = {}
        fields = [field for field in fields_of(model) if not field.is_fixed]
        n_open = len(fields) if len(fields) <= _MOST_OPEN else _FEW_OPEN
        more = Panel(self._level + 1)
        for place, field in enumerate(fields):
            owner = panel if place < n_open else more
            editor = editors[field.name] = owner.add_field(field)
            editor.set_value(_first_value(model, field))
            editor.changed.connect(self._on_field_changed)
        if n_open < len(fields):
            title = f"More settings of {choice_text(tag)}"
            folding = Folding(title, indent=(self._level + 1) * INDENT)
            folding.set_widget(more)
            panel.add_widget(folding)
        self._resolve(editors)
        self.details.layout().addWidget(panel)
        chain_after(self._box, panel)


def build_editor(field: FieldShape, level: int = 0) -> Editor:
    """Make the editor of a field that is no section."""
    shape, unset = field.shape, field.unset
    if isinstance(shape, Section):
        raise TypeError(f"{field.name} is a section, which has no editor of its own.")
    if isinstance(shape, Kinds):
        return KindsEditor(shape, level)
    if isinstance(shape, Choice):
        return ChoiceEditor(shape)
    if isinstance(shape, Flag):
        return FlagEditor() if unset is None else ChoiceEditor(_flag_choice(unset))
    if isinstance(shape, Number):
        return NumberEditor(shape, unset, field.slider)
    if isinstance(shape, Numbers):
        return _numbers_editor(shape, field)
    return TextEditor(shape, unset)


class WrongValueError(ConfigError):
    """An editor holds no value of its kind.

    Parameters
    ----------
    text : str
        One sentence.
    path : str
        Of the editor.
    """

    def __init__(self, text: str, path: str) -> None:
        super().__init__(text)
        self.path = path


def read_editors(editors: Mapping[str, Editor]) -> dict[str, Any]:
    """Values of editors by path.

    Raises
    ------
    WrongValueError
        When one holds no value of its kind; the sentence names it.
    """
    values = {}
    for path, editor in editors.items():
        try:
            values[path] = editor.value()
        except WrongValueError as error:
            raise WrongValueError(str(error), f"{path}.{error.path}") from error
        except ValueError as error:
            label = label_of(path.rpartition(".")[2])
            raise WrongValueError(f"The {label} {error}.", path) from error
    return values


def _numbers_editor(shape: Numbers, field: FieldShape) -> Editor:
    has_axes = "Z, Y, X" in field.help
    if shape.words:
        return WordOrNumbersEditor(shape, has_axes=has_axes)
    return NumbersEditor(shape, field.unset, has_axes=has_axes)


def _flag_choice(unset: Any) -> Choice:
    return Choice((unset.value, True, False))


def _first_value(model: type[BaseModel], field: FieldShape) -> Any:
    """Return the default; a field without one begins empty or at its bound."""
    info = model.model_fields[field.name]
    if not info.is_required():
        return info.get_default(call_default_factory=True, validated_data={})
    if isinstance(field.shape, Number):
        return field.shape.low or 0
    if isinstance(field.shape, Numbers):
        return tuple(part.low or 0 for part in field.shape.parts)
    return () if field.unset is None else field.unset.value
