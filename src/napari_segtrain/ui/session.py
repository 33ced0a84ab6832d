"""What the docks of one viewer share."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel

    from napari_segtrain.ui.training_run import TrainingRun

_sessions: dict[int, Session] = {}


class Session(QObject):
    """State of the plugin in one viewer; outlives its docks.

    Parameters
    ----------
    viewer : ViewerModel
        Held weakly.

    Attributes
    ----------
    training_changed : Signal()
        Another training runs, or none any more.
    model_chosen : Signal(Path)
        A model was chosen for prediction, in any dock.
    base_chosen : Signal(Path)
        A model was chosen to train on from, or ``None`` to begin anew.
    models_changed : Signal()
        A run was added, renamed or deleted.
    """

    training_changed = Signal()
    model_chosen = Signal(object)
    base_chosen = Signal(object)
    models_changed = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = weakref.ref(viewer)
        self._training: TrainingRun | None = None
        self._model_path: Path | None = None
        self._base_path: Path | None = None

    @property
    def viewer(self) -> ViewerModel | None:
        """The viewer; ``None`` once it is gone."""
        return self._viewer()

    @property
    def training(self) -> TrainingRun | None:
        """The last training that was started here, running or not."""
        return self._training

    @training.setter
    def training(self, run: TrainingRun | None) -> None:
        if self._training is not None:
            self._training.changed.disconnect(self._on_training_changed)
        self._training = run
        if run is not None:
            run.changed.connect(self._on_training_changed)
        self.training_changed.emit()

    def _on_training_changed(self, state: str) -> None:
        if state == "ended":
            self.training_changed.emit()
            self.models_changed.emit()

    @property
    def model_path(self) -> Path | None:
        """Model that was chosen last."""
        return self._model_path

    def choose_model(self, path: Path) -> None:
        """Choose a model (or run folder) for prediction in every dock."""
        self._model_path = path
        self.model_chosen.emit(path)

    @property
    def base_path(self) -> Path | None:
        """Model whose weights the next training begins with."""
        return self._base_path

    def choose_base(self, path: Path | None) -> None:
        """Choose a model (or run folder) to train on from; ``None`` begins anew."""
        self._base_path = path
        self.base_chosen.emit(path)


def session_of(viewer: Any) -> Session:
    """Return the session of a viewer, or of napari's proxy of it."""
    real = getattr(viewer, "__wrapped__", viewer)
    key = id(real)
    session = _sessions.get(key)
    if session is None or session.viewer is not real:
        session = _sessions[key] = Session(real)
        weakref.finalize(real, _sessions.pop, key, None)
    return session
