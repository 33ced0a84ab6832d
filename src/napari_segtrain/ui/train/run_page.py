"""A training while it runs, and its outcome."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_segtrain.ui.train.notice_view import NoticeView
from napari_segtrain.ui.train.outcome_view import OutcomeView
from napari_segtrain.ui.train.run_view import RunView
from napari_segtrain.ui.widgets.curves import TrainingCurves
from napari_segtrain.ui.widgets.preview import PreviewPanel
from napari_segtrain.ui.widgets.theme import follow_theme

if TYPE_CHECKING:
    from napari_segtrain.control import Event

_CURVES_HEIGHT = 380
_NO_RUN = "Curves and previews appear here when a training runs."


class RunPage(RunView):
    """Outcome, notices, curves and previews of a run.

    Parameters
    ----------
    viewer : ViewerModel
        Whose theme is followed.
    parent : QWidget, optional
        Owner.
    """

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = QLabel()
        self.outcome = OutcomeView()
        self.notices = NoticeView()
        self.curves = TrainingCurves()
        self.preview = PreviewPanel()
        self._build_layout()
        follow_theme(viewer, self.curves)
        self._begin()

    def show_run(self, run: Any) -> None:
        """Follow this run from now on, and no other."""
        self.outcome.show_run(run)
        self.notices.show_run(run)
        super().show_run(run)

    def _build_layout(self) -> None:
        self._title.setWordWrap(True)
        self.curves.setFixedHeight(_CURVES_HEIGHT)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 6, 4, 4)
        layout.addWidget(self._title)
        layout.addWidget(self.outcome)
        layout.addWidget(self.notices)
        layout.addWidget(self.curves)
        layout.addWidget(self.preview)
        layout.addStretch()

    def _begin(self) -> None:
        run = self.run
        for widget in (self.curves, self.preview):
            widget.setVisible(run is not None)
            widget.clear()
        if run is None:
            self._title.setText(_NO_RUN)
            return
        self._show_names()
        history = run.history
        self.curves.set_history([*history.iterations, *history.epochs])
        if history.preview is not None:
            self._show_preview(history.preview)

    def _show_preview(self, preview: Any) -> None:
        self.preview.show_patches(preview.patches, preview.classes)

    def _on_run_changed(self, _state: str) -> None:
        self._show_names()

    def _show_names(self) -> None:
        """Name of the run, and of its classes, as far as they are known."""
        run = self.run
        if run is None:
            return
        name = run.title if run.run_dir is None else run.run_dir.name
        self._title.setText(f"<b>{escape(name)}</b>")
        self._title.setToolTip("" if run.run_dir is None else str(run.run_dir))
        if run.plan is not None:
            self.curves.set_classes(run.plan.facts.classes)

    def _on_run_event(self, event: Event) -> None:
        kind = type(event).__name__
        if kind in {"IterationEnd", "EpochEnd"}:
            self.curves.add_event(event)
        elif kind == "Preview":
            self._show_preview(event)
        elif kind == "FoldBegun":
            self._begin()
