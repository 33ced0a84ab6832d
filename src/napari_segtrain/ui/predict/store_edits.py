"""What was painted on labels in stores, until it is saved; it needs no dock."""

from __future__ import annotations

import logging
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QCoreApplication, QObject, QTimer, Signal

from napari_segtrain.errors import SegtrainError
from napari_segtrain.ui.predict.store_editing import (
    edit_of,
    edited_of,
    show_edited,
    show_saved,
)
from napari_segtrain.ui.worker import start_job

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_segtrain.io.edited_labels import EditedLabels
    from napari_segtrain.ui.session import Session
    from napari_segtrain.ui.worker import Failure, Task

IDLE_MS = 15_000
"""After the last stroke edits are saved by themselves."""
_WATCH_MS = 300
_MAX_SAVES = 3
_log = logging.getLogger(__name__)

_edits: weakref.WeakKeyDictionary[Session, StoreEdits] = weakref.WeakKeyDictionary()


class StoreEdits(QObject):
    """The layers on which labels of stores are painted in a viewer.

    Edits are written when the user says so, some time after the last stroke, when their
    layer is removed and when napari ends. Painting goes on meanwhile.

    Parameters
    ----------
    session : Session
        Its viewer has the layers.

    Attributes
    ----------
    changed : Signal()
        Something was painted or saved.
    failed : Signal(Failure)
        Why labels could not be opened, or edits saved, which stay in the layer.
    """

    changed = Signal()
    failed = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = weakref.ref(session)
        self._arrays: list[EditedLabels] = []
        self._opening: weakref.ref[Labels] | None = None
        self._tasks: dict[Task, EditedLabels] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(IDLE_MS)
        self._timer.timeout.connect(self.save)
        self._n_writes = 0
        self._watch = QTimer(self)  # painting, undo, other plugins: any way to write
        self._watch.setInterval(_WATCH_MS)
        self._watch.timeout.connect(self._on_watch_timeout)
        viewer = session.viewer
        if viewer is not None:
            viewer.layers.events.removed.connect(self._on_layer_removed)
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self._on_application_about_to_quit)

    def edit(self, layer: Labels) -> None:
        """Add a layer to paint on, once the store is open."""
        session = self._session()
        viewer = None if session is None else session.viewer
        if viewer is None or self._opening is not None:
            return
        wanted = edit_of(viewer, layer)
        self._opening = weakref.ref(layer)
        task = start_job(wanted.open, title=f"Opening {wanted.store.name}")
        task.succeeded.connect(self._on_opened)
        task.failed.connect(self._on_opening_failed)

    def _on_opened(self, array: EditedLabels) -> None:
        reference, self._opening = self._opening, None
        layer = None if reference is None else reference()
        session = self._session()
        viewer = None if session is None else session.viewer
        if viewer is None or layer is None or layer not in viewer.layers:
            return
        show_edited(viewer, layer, array)
        self._arrays.append(array)
        self._watch.start()
        self.changed.emit()

    def _on_opening_failed(self, failure: Failure) -> None:
        self._opening = None
        self.failed.emit(failure)

    def is_saving(self, array: EditedLabels) -> bool:
        """Whether edits are being written."""
        return array in self._tasks.values()

    def save(self) -> None:
        """Write what was painted, in a thread."""
        for array in self._arrays:
            if not array.n_changed or self.is_saving(array):
                continue
            task = start_job(
                partial(_save_all, array), title=f"Saving edits of {array.path.name}"
            )
            self._tasks[task] = array
            task.failed.connect(self.failed)
            task.ended.connect(self._on_task_ended)
        self.changed.emit()

    def _on_watch_timeout(self) -> None:
        n_writes = sum(array.n_writes for array in self._arrays)
        if n_writes != self._n_writes:
            self._n_writes = n_writes
            self._timer.start()
            self.changed.emit()
        self._forget_unused()
        if not self._arrays:
            self._watch.stop()

    def _forget_unused(self) -> None:
        """Let go of what is saved and shown in no layer any more."""
        session = self._session()
        viewer = None if session is None else session.viewer
        shown = [] if viewer is None else [edited_of(x) for x in viewer.layers]
        for array in list(self._arrays):
            is_shown = any(each is array for each in shown)
            if not is_shown and not array.n_changed and not self.is_saving(array):
                self._arrays.remove(array)

    def _on_layer_removed(self, event: Any) -> None:
        if isalive(self) and edited_of(event.value) in self._arrays:
            self.save()

    def _on_task_ended(self) -> None:
        for task in [task for task in self._tasks if not task.is_running]:
            array = self._tasks.pop(task)
            session = self._session()
            viewer = None if session is None else session.viewer
            if viewer is not None:
                show_saved(viewer, array.path)
        self._forget_unused()
        self.changed.emit()

    def _on_application_about_to_quit(self) -> None:
        for array in self._arrays:
            try:
                _save_all(array)
            except SegtrainError:
                _log.exception("edits of %s could not be saved", array.path)


def _save_all(array: EditedLabels) -> None:
    """Save, and what was painted meanwhile; another save that runs is waited for."""
    for _ in range(_MAX_SAVES):
        array.save()
        if not array.n_changed:
            return


def edits_of(session: Session) -> StoreEdits:
    """What is edited in the viewer of a session."""
    if session not in _edits:
        _edits[session] = StoreEdits(session)
    return _edits[session]
