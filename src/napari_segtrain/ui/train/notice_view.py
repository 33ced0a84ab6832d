"""What a user should know about a training that goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segtrain.ui.train.plan_view import Remark
from napari_segtrain.ui.train.plan_words import finding_text
from napari_segtrain.ui.train.run_view import RunView

if TYPE_CHECKING:
    from napari_segtrain.control import Event
    from napari_segtrain.training.events import Noticed


class NoticeView(RunView):
    """Notices of a run, one below the other; hidden while there is none.

    Parameters
    ----------
    parent : QWidget, optional
        Owner.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(4)
        self._begin()

    def texts(self) -> list[str]:
        """Sentences that are shown."""
        return [remark.label.text() for remark in self.findChildren(Remark)]

    def _begin(self) -> None:
        for remark in self.findChildren(Remark):
            remark.setParent(None)
            remark.deleteLater()
        for notice in self.run.history.notices if self.run else ():
            self._add(notice)
        self.setVisible(self._rows.count() > 0)

    def _on_run_event(self, event: Event) -> None:
        if type(event).__name__ == "Noticed":
            self._add(event)  # type: ignore[arg-type]
            self.show()

    def _add(self, notice: Noticed) -> None:
        remark = Remark(finding_text(notice.finding))
        remark.setToolTip(f"Since iteration {notice.iteration}")
        self._rows.addWidget(remark)
