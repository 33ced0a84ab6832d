"""One sentence to the user, and the details of a failure to copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTextEdit,
    QToolButton,
    QWidget,
)

if TYPE_CHECKING:
    from napari_segtrain.ui.worker import Failure

Level = Literal["info", "warning", "error"]

_COLORS: dict[Level, str] = {
    "info": "#5b8bd6",
    "warning": "#b98214",
    "error": "#e5484d",
}
"""Seen on dark and on light backgrounds."""

_SIGNS: dict[Level, str] = {
    "info": "i",
    "warning": "!",
    "error": "\N{MULTIPLICATION SIGN}",
}
_STYLE = "MessageBar {{ border-left: 3px solid {0}; }}"
_SIGN_STYLE = """
QLabel {{ color: white; background: {0}; border-radius: 8px; font: bold 11px;
min-width: 16px; max-width: 16px; min-height: 16px; max-height: 16px; padding: 0 }}
"""
_DETAILS_HEIGHT = 160


class MessageBar(QFrame):
    """A sentence with its level, which can be dismissed; not there without one.

    Signals
    -------
    dismissed
        The user has closed it.
    """

    dismissed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._level: Level = "info"
        self._sign = QLabel()
        self._sign.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._text = QLabel()
        self._close = QToolButton()
        self._copy = QPushButton("&Copy details")
        self._show = QPushButton("Show &details")
        self._details = QTextEdit()
        self._buttons = QWidget()
        self._set_up_children()
        self._build_layout()
        self._connect()
        self.clear()

    @property
    def level(self) -> Level:
        """Level of the sentence."""
        return self._level

    @property
    def text(self) -> str:
        """The sentence; empty when there is none."""
        return self._text.text()

    @property
    def details(self) -> str:
        """Details of the failure; empty when there are none."""
        return self._details.toPlainText()

    def show_text(self, level: Level, text: str) -> None:
        """Show a sentence in the place of the one before."""
        self._show_message(level, text, "")

    def show_failure(self, failure: Failure) -> None:
        """Show why work could not go on, with details to copy."""
        self._show_message("error", failure.text, failure.details)

    def clear(self) -> None:
        """Show nothing."""
        self._text.clear()
        self._details.clear()
        self.hide()

    def _set_up_children(self) -> None:
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        flags = Qt.TextInteractionFlag
        self._text.setTextInteractionFlags(
            flags.TextSelectableByMouse | flags.TextSelectableByKeyboard
        )
        policy = QSizePolicy.Policy
        self._text.setSizePolicy(policy.Ignored, policy.MinimumExpanding)
        self._close.setText("\N{MULTIPLICATION SIGN}")
        self._close.setAutoRaise(True)
        self._close.setToolTip("Dismiss")
        self._close.setAccessibleName("Dismiss the message")
        self._copy.setToolTip("Copy what a report of the problem needs")
        self._details.setReadOnly(True)
        self._details.setTabChangesFocus(True)
        self._details.setAcceptRichText(False)
        self._details.setAccessibleName("Details")
        self._details.setLineWrapMode(QTextEdit.LineWrapMode.NoWrap)
        self._details.setFixedHeight(_DETAILS_HEIGHT)

    def _build_layout(self) -> None:
        buttons = QHBoxLayout(self._buttons)
        buttons.setContentsMargins(0, 0, 0, 0)
        buttons.addWidget(self._copy)
        buttons.addWidget(self._show)
        buttons.addStretch()
        top = Qt.AlignmentFlag.AlignTop
        layout = QGridLayout(self)
        layout.setContentsMargins(8, 4, 2, 4)
        layout.addWidget(self._sign, 0, 0, top)
        layout.addWidget(self._text, 0, 1)
        layout.addWidget(self._close, 0, 2, top)
        layout.addWidget(self._buttons, 1, 1, 1, 2)
        layout.addWidget(self._details, 2, 0, 1, 3)
        layout.setColumnStretch(1, 1)

    def _connect(self) -> None:
        self._close.clicked.connect(self._on_close_clicked)
        self._copy.clicked.connect(self._on_copy_clicked)
        self._show.clicked.connect(self._on_show_clicked)

    def _show_message(self, level: Level, text: str, details: str) -> None:
        self._level = level
        self._text.setText(text)
        self._text.setAccessibleName(f"{level}: {text}")
        self._details.setPlainText(details)
        self._buttons.setVisible(bool(details))
        self._show_details(is_shown=False)
        self._sign.setText(_SIGNS[level])
        self._sign.setAccessibleName(level)
        self._sign.setStyleSheet(_SIGN_STYLE.format(_COLORS[level]))
        self.setStyleSheet(_STYLE.format(_COLORS[level]))
        self.show()

    def _on_close_clicked(self) -> None:
        self.clear()
        self.dismissed.emit()

    def _on_copy_clicked(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(f"{self.text}\n\n{self.details}")

    def _on_show_clicked(self) -> None:
        self._show_details(is_shown=self._details.isHidden())

    def _show_details(self, *, is_shown: bool) -> None:
        self._details.setVisible(is_shown)
        self._show.setText("Hide &details" if is_shown else "Show &details")
