"""A list of the runs and models in the run folder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QModelIndex, QSortFilterProxyModel, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QLabel,
    QLineEdit,
    QListView,
    QVBoxLayout,
    QWidget,
)

from napari_segtrain.ui.latest_job import LatestJob
from napari_segtrain.ui.models.model_items import (
    RUN_ROLE,
    SEARCH_ROLE,
    Entry,
    RunDelegate,
    RunsModel,
    read_entries,
)
from napari_segtrain.ui.preferences import read_preferences
from napari_segtrain.ui.session import session_of

if TYPE_CHECKING:
    from pathlib import Path

    from qtpy.QtGui import QShowEvent

    from napari_segtrain.ui.worker import Failure
    from napari_segtrain.workflows.library import RunInfo

_EMPTY = "No runs yet. Train a network in the Train dock, and it appears here."
_NOTHING_FOUND = "No run matches what you search for."


class ModelList(QWidget):
    """Lists runs and models, the newest first, with a search field.

    The folder is that of the preferences. It is read in a thread, when the list is
    made and whenever the session's models change.

    Parameters
    ----------
    viewer : ViewerModel
        Or napari's proxy of it.
    needs_model : bool
        Leave out what cannot be used for prediction.
    parent : QWidget, optional
        Owner.

    Attributes
    ----------
    selection_changed : Signal(RunInfo)
        Another run is selected; carries it, or ``None``.
    activated : Signal(RunInfo)
        A run was double-clicked, or Enter pressed on it.
    rename_asked : Signal(RunInfo, str)
        The user typed another name.
    listed : Signal()
        The folder was read.
    failed : Signal(Failure)
        It could not be read.
    """

    selection_changed = Signal(object)
    activated = Signal(object)
    rename_asked = Signal(object, str)
    listed = Signal()
    failed = Signal(object)

    def __init__(
        self, viewer: Any, *, needs_model: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session_of(viewer)
        self._needs_model = needs_model
        self._wanted: Path | None = None
        self.search_field = QLineEdit()
        self._model = RunsModel(self)
        self._proxy = QSortFilterProxyModel(self)
        self.view = QListView()
        self._hint = QLabel(_EMPTY)
        self._job = LatestJob("Listing runs", self)
        self._build_layout()
        self._connect()
        self.refresh()

    @property
    def runs(self) -> list[RunInfo]:
        """What is listed, the newest first, whether it matches the search or not."""
        return self._model.runs

    def shown_runs(self) -> list[RunInfo]:
        """What is listed and matches the search."""
        rows = range(self._proxy.rowCount())
        return [self._proxy.index(row, 0).data(RUN_ROLE) for row in rows]

    def selected(self) -> RunInfo | None:
        """The selected run."""
        index = self.view.currentIndex()
        return index.data(RUN_ROLE) if index.isValid() else None

    def select(self, path: Path) -> bool:
        """Select a run by its path, now or, when it is not listed yet, later.

        Returns
        -------
        bool
            Whether it is selected now.
        """
        for row, run in enumerate(self.shown_runs()):
            if run.path == path:
                self._wanted = None
                self.view.setCurrentIndex(self._proxy.index(row, 0))
                return True
        self._wanted = path
        return False

    def refresh(self) -> None:
        """Read the folder again, in a thread."""
        folder = read_preferences().run_folder
        self._job.ask(partial(read_entries, folder))

    def edit_name(self) -> None:
        """Let the user type another name for the selected run."""
        index = self.view.currentIndex()
        if index.isValid():
            self.view.edit(index)

    def showEvent(self, event: QShowEvent) -> None:
        """Read the folder when the list comes into view."""
        super().showEvent(event)
        self.refresh()

    def _build_layout(self) -> None:
        self.search_field.setPlaceholderText("Search names, classes, images")
        self.search_field.setAccessibleName("Search runs")
        self.search_field.setClearButtonEnabled(True)
        self._proxy.setSourceModel(self._model)
        self._proxy.setFilterRole(SEARCH_ROLE)
        self._proxy.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._set_up_view()
        self._hint.setWordWrap(True)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.search_field, self._hint, self.view):
            layout.addWidget(widget)
        self._hint.hide()

    def _set_up_view(self) -> None:
        view = self.view
        view.setModel(self._proxy)
        view.setItemDelegate(RunDelegate(view))
        view.setUniformItemSizes(True)
        view.setAccessibleName("Runs and models")
        view.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)

    def _connect(self) -> None:
        self._job.succeeded.connect(self._on_job_succeeded)
        self._job.failed.connect(self._on_job_failed)
        self._model.rename_asked.connect(self.rename_asked)
        self.search_field.textChanged.connect(self._on_search_changed)
        self.view.activated.connect(self._on_view_activated)
        selection = self.view.selectionModel()
        selection.currentChanged.connect(self._on_selection_changed)
        self._session.models_changed.connect(self.refresh)

    def _on_job_succeeded(self, entries: list[Entry]) -> None:
        selected = self.selected()
        wanted = self._wanted or (selected.path if selected else None)
        shown = [e for e in entries if e.run.has_model or not self._needs_model]
        self._model.set_entries(shown)
        if wanted is not None:
            self.select(wanted)
        self.selection_changed.emit(self.selected())
        self._show_hint()
        self.listed.emit()

    def _on_job_failed(self, failure: Failure) -> None:
        self.failed.emit(failure)

    def _on_search_changed(self, text: str) -> None:
        self._proxy.setFilterFixedString(text.strip())
        self._show_hint()

    def _show_hint(self) -> None:
        is_empty = self._proxy.rowCount() == 0
        self._hint.setText(_NOTHING_FOUND if self.runs else _EMPTY)
        self._hint.setVisible(is_empty)
        self.view.setVisible(not is_empty)

    def _on_view_activated(self, index: QModelIndex) -> None:
        run = index.data(RUN_ROLE)
        if run is not None:
            self.activated.emit(run)

    def _on_selection_changed(self, index: QModelIndex, _before: QModelIndex) -> None:
        self.selection_changed.emit(index.data(RUN_ROLE) if index.isValid() else None)
