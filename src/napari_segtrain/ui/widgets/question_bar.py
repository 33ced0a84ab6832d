"""A question in the dock, answered with two buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

if TYPE_CHECKING:
    from qtpy.QtGui import QKeyEvent
    from qtpy.QtWidgets import QWidget

_STYLE = """
QuestionBar { border: 1px solid rgba(229, 72, 77, 0.7);
              background: rgba(229, 72, 77, 0.15); border-radius: 3px }
QuestionBar QLabel { background: transparent }
"""


class QuestionBar(QFrame):
    """Asks before something is done for good; hidden until `ask`.

    Parameters
    ----------
    yes, no : str
        Texts of the buttons.
    parent : QWidget, optional
        Owner.

    Attributes
    ----------
    agreed : Signal()
        The user agreed to what was asked last.
    """

    agreed = Signal()

    def __init__(self, yes: str, no: str, *, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._label = QLabel()
        self.yes_button = QPushButton(yes)
        self.no_button = QPushButton(no)
        self._build_layout()
        self.yes_button.clicked.connect(self._on_yes_clicked)
        self.no_button.clicked.connect(self.hide)
        self.hide()

    def ask(self, question: str) -> None:
        """Show a question; the harmless answer has the focus."""
        self._label.setText(question)
        self.setAccessibleName(question)
        self.show()
        self.no_button.setFocus(Qt.FocusReason.OtherFocusReason)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape is a no."""
        if event.key() == Qt.Key.Key_Escape:
            self.hide()
        else:
            super().keyPressEvent(event)

    def _build_layout(self) -> None:
        self.setStyleSheet(_STYLE)
        self._label.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(self.yes_button)
        buttons.addWidget(self.no_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self._label)
        layout.addLayout(buttons)

    def _on_yes_clicked(self) -> None:
        self.hide()
        self.agreed.emit()
