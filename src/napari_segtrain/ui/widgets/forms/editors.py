"""What every editor of a field has; check boxes and combo boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QSizePolicy, QWidget

from napari_segtrain.ui.widgets.forms.words import choice_text

if TYPE_CHECKING:
    from napari_segtrain.ui.widgets.forms.shapes import Choice

_WRONG = "QAbstractSpinBox, QLineEdit, QComboBox { border: 1px solid #e5484d }"


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

    def set_changeable(self, *, is_changeable: bool) -> None:
        """Let the value be changed, or only be seen."""
        self.setEnabled(is_changeable)

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
