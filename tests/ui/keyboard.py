"""What a person needs who uses no mouse."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QComboBox, QLabel, QLineEdit, QWidget

_INPUTS = (QAbstractButton, QComboBox, QLineEdit)


def check_keyboard(widget: QWidget) -> None:
    """Every input that is shown takes the tab key and has a name."""
    inputs = [child for kind in _INPUTS for child in widget.findChildren(kind)]
    shown = [child for child in inputs if child.isVisibleTo(widget)]
    assert shown
    for child in shown:
        if child.focusProxy() is not None or _is_part(child):
            continue
        assert child.focusPolicy() & Qt.FocusPolicy.TabFocus, describe(child)
        assert describe(child).strip(), f"{child} has no name"


def describe(child: QWidget) -> str:
    """What a screen reader would say."""
    text = child.text() if isinstance(child, QAbstractButton) else ""
    return child.accessibleName() or text.replace("&", "") or _buddy(child)


def _is_part(child: QWidget) -> bool:
    """Whether a widget is a part of Qt's own, such as the cross of a line edit."""
    parents = (QComboBox, QLineEdit)
    return isinstance(child.parent(), parents) or child.objectName().startswith("qt_")


def _buddy(child: QWidget) -> str:
    labels = child.window().findChildren(QLabel)
    return next((label.text() for label in labels if label.buddy() is child), "")
