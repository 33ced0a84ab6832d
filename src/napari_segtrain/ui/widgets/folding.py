"""A section that folds away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget
from superqt import QCollapsible

if TYPE_CHECKING:
    from collections.abc import Callable

_UNLIMITED = (1 << 24) - 1
_FOLDED = "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}"
_OPEN = "\N{BLACK DOWN-POINTING SMALL TRIANGLE}"
_STYLE = """
QPushButton { text-align: left; border: none; background: transparent }
QPushButton { padding: 3px 0 3px INDENT }
QPushButton:focus, QPushButton:hover { text-decoration: underline }
"""


class Folding(QCollapsible):
    """A title that shows or hides what is below it; closed at first.

    What is folded away is out of the tab order, unlike that of `QCollapsible`.

    Parameters
    ----------
    title : str
        May have a mnemonic.
    build : callable, optional
        Makes the content when it is first unfolded; else `set_widget` gives it.
    indent : int
        Pixels before the title; the content is not indented.
    """

    unfolded = Signal()

    def __init__(
        self,
        title: str,
        *,
        build: Callable[[], QWidget] | None = None,
        indent: int = 0,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(title, parent, QIcon(), QIcon())
        self._title = title
        self._build = build
        self.setDuration(0)
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.layout().setSpacing(2)
        self._inner = QWidget()
        layout = QVBoxLayout(self._inner)
        layout.setContentsMargins(0, 0, 0, 0)
        self.setContent(self._inner)
        self._give_height_for_width()
        self._inner.hide()
        self.toggleButton().setStyleSheet(_STYLE.replace("INDENT", f"{indent}px"))
        self.toggled.connect(self._on_self_toggled)
        self._show_state()

    def _give_height_for_width(self) -> None:
        """Let text that wraps be as high as it is; an aligned layout cuts it off."""
        policy = QSizePolicy.Policy.Preferred
        self.setSizePolicy(policy, policy)
        self.layout().setAlignment(Qt.AlignmentFlag(0))
        self.layout().addStretch()

    def set_widget(self, widget: QWidget) -> None:
        """Give what is folded away."""
        self._build = None
        self._inner.layout().addWidget(widget)

    def set_title(self, title: str) -> None:
        """Give another title, which may have a mnemonic."""
        self._title = title
        self._show_state()

    def unfold(self) -> None:
        """Show what is folded away."""
        self.expand(animate=False)

    def setToolTip(self, text: str | None) -> None:
        """Explain the section at its title only."""
        self.toggleButton().setToolTip(text)
        self.toggleButton().setAccessibleDescription(text or "")

    def _on_self_toggled(self) -> None:
        if self.isExpanded() and self._build is not None:
            content = self._build()
            self.set_widget(content)
            chain_after(self.toggleButton(), content)
        self._show_state()
        if self.isExpanded():
            self.unfolded.emit()

    def _show_state(self) -> None:
        is_open = self.isExpanded()
        self._inner.setMaximumHeight(_UNLIMITED if is_open else 0)
        self._inner.setVisible(is_open)
        self.setText(f"{_OPEN if is_open else _FOLDED} {self._title}")
        self.toggleButton().setAccessibleName(self._title.replace("&", ""))


def chain_after(first: QWidget, content: QWidget) -> None:
    """Let the tab key go from a widget through others that were made later.

    Qt puts new widgets at the end of the window's tab order.

    Parameters
    ----------
    first : QWidget
        Where the focus comes from.
    content : QWidget
        Parent of the others, which follow in the order they were made.
    """
    for child in content.findChildren(QWidget):
        takes_tab = child.focusPolicy() & Qt.FocusPolicy.TabFocus
        is_inside = child.window() is first.window() and child.focusProxy() is None
        if takes_tab and is_inside:
            QWidget.setTabOrder(first, child)
            first = child
