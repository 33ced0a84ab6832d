"""What a training will do, before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QVBoxLayout, QWidget

from napari_segtrain.ui.train.network_view import NetworkView
from napari_segtrain.ui.train.plan_words import (
    finding_texts,
    headline,
    plan_rows,
)
from napari_segtrain.ui.widgets.folding import Folding
from napari_segtrain.ui.widgets.texts import rows_html, text_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.training.plan import TrainingPlan

_WAITING = "Looking at images and labels"
_WARNING = "rgba(245, 165, 36, {})"
_ERROR = "rgba(229, 72, 77, {})"
_STYLE = """
Remark {{ border: none; border-left: 3px solid {strong}; background: {weak};
          border-radius: 2px }}
Remark QLabel {{ background: transparent }}
"""


class Remark(QFrame):
    """A sentence that stands out, in any theme.

    Parameters
    ----------
    text : str
        The sentence.
    is_error : bool
        Whether it keeps the user from going on.
    """

    def __init__(self, text: str, *, is_error: bool = False) -> None:
        super().__init__()
        color = _ERROR if is_error else _WARNING
        strong, weak = color.format(0.95), color.format(0.16)
        self.setStyleSheet(_STYLE.format(strong=strong, weak=weak))
        self.label = text_label(text)
        self.label.setAccessibleName(f"{'Problem' if is_error else 'Warning'}: {text}")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 6, 4)
        layout.addWidget(self.label)


class PlanView(QWidget):
    """Shows the device, a plan with its findings, or why there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.device_label = text_label("")
        self.headline = text_label("")
        self.details = text_label("")
        self._hint = QWidget()
        self._remarks = QWidget()
        self.folding = Folding("Plan in &detail")
        self.network = NetworkView()
        self._build_layout()
        self.show_waiting()

    def show_device(self, line: str, hint: str = "") -> None:
        """Show where the training will run, and a hint when it could be faster."""
        self.device_label.setText(line)
        self.device_label.setVisible(bool(line))
        _replace(self._hint, [Remark(hint)] if hint else [])

    def show_waiting(self) -> None:
        """Say that a plan is on its way; the last one stays in sight."""
        if not self.details.text():
            self.headline.setText(f"{_WAITING}…")
            self.headline.show()

    def show_plan(self, plan: TrainingPlan) -> None:
        """Show a plan; its warnings stand out."""
        self.headline.setText(headline(plan))
        self.headline.show()
        findings = finding_texts(plan)
        notes = [text for level, text in findings if level != "warning"]
        rows = [*plan_rows(plan), *(("", note) for note in notes)]
        self.details.setText(rows_html(rows))
        self.network.show_network(plan)
        for section in (self.network, self.folding):
            section.show()
        warnings = [text for level, text in findings if level == "warning"]
        _replace(self._remarks, [Remark(text) for text in warnings])

    def show_problem(self, text: str) -> None:
        """Say why there is no plan."""
        self.headline.hide()
        self.details.clear()
        for section in (self.network, self.folding):
            section.hide()
        _replace(self._remarks, [Remark(text, is_error=True)])

    def remarks(self) -> list[str]:
        """Sentences that stand out."""
        return [remark.label.text() for remark in self._remarks.findChildren(Remark)]

    def _build_layout(self) -> None:
        for box in (self._hint, self._remarks):
            inner = QVBoxLayout(box)
            inner.setContentsMargins(0, 0, 0, 0)
            inner.setSpacing(4)
            box.hide()
        self.folding.set_widget(self.details)
        for section in (self.network, self.folding):
            section.hide()
        self.details.setTextFormat(Qt.TextFormat.RichText)
        self.headline.setAccessibleName("Plan of the training")
        self.device_label.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.headline, self._remarks, self.network, self.folding):
            layout.addWidget(widget)
        for widget in (self.device_label, self._hint):
            layout.addWidget(widget)


def _replace(box: QWidget, widgets: Sequence[QWidget]) -> None:
    """Put other widgets into a box, which is hidden when there are none."""
    layout = box.layout()
    while layout.count():
        old = layout.takeAt(0).widget()
        old.setParent(None)
        old.deleteLater()
    for widget in widgets:
        layout.addWidget(widget)
    box.setVisible(bool(widgets))
