"""A prediction in the viewer: its state and its layers; it needs no dock."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from qtpy.QtCore import QObject, QTimer, Signal

from napari_segtrain.image import Image
from napari_segtrain.inference.events import EngineChosen
from napari_segtrain.ui.layers.results import Origin, find_former, find_result
from napari_segtrain.ui.predict.placed_result import PlacedResult
from napari_segtrain.ui.predict.placed_store import PlacedStore
from napari_segtrain.ui.predict.prediction_events import (
    FormerWanted,
    Job,
    LayerBegun,
    LayerEnded,
    Order,
    Outcome,
    Progress,
    StoreBegun,
    StoreEnded,
    StoreGrown,
    StorePreviewed,
)
from napari_segtrain.ui.predict.prediction_work import iter_jobs
from napari_segtrain.ui.predict.scope import Scope
from napari_segtrain.ui.worker import Failure, Task, start_task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari.layers import Layer

    from napari_segtrain.control import Event
    from napari_segtrain.ui.session import Session

State = Literal["loading", "predicting", "stopping", "ended"]

REFRESH_MS = 500
"""Between two looks at what was painted; napari draws a whole slice each time."""

_runs: weakref.WeakKeyDictionary[Session, PredictionRun] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Request:
    """One image to predict.

    Parameters
    ----------
    origin : Origin
        Source layer and model.
    image : Image
        Of the source layer, or of several that are its channels.
    axes : str
        Letters of the result.
    scope : Scope
        The part.
    """

    origin: Origin
    image: Image
    axes: str
    scope: Scope


class PredictionRun(QObject):
    """A prediction that runs, or ran, in a viewer.

    Parameters
    ----------
    session : Session
        Its viewer gets the results.
    requests : sequence of Request
        Images, predicted one after another.
    order : Order
        Model and settings.

    Attributes
    ----------
    changed : Signal()
        State or progress changed.
    names : list of str
        Names of the images.
    engines : tuple of EngineChosen
        What runs the network, as far as it is known.
    n_edited : int
        Results that were edited while they were painted.
    stores : list of Path
        Stores that were made, complete or not.
    """

    changed = Signal()

    def __init__(
        self, session: Session, requests: Sequence[Request], order: Order
    ) -> None:
        super().__init__()
        self.order = order
        self.state: State = "loading"
        self.progress: Progress | None = None
        self.engines: tuple[EngineChosen, ...] = ()
        self.outcome: Outcome | None = None
        self.failure: Failure | None = None
        self.n_edited = 0
        self.stores: list[Path] = []
        self._session = weakref.ref(session)
        self._requests = list(requests)
        self.names = [request.image.name for request in requests]
        self._placed: dict[int, PlacedResult] = {}
        self._stores: dict[int, PlacedStore] = {}
        self._locked: tuple[weakref.ref[Layer], str] | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._on_timer_timeout)
        self._task: Task | None = self._start()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.state != "ended"

    def stop(self) -> None:
        """End after the present tiles; what is done stays."""
        if self._task is not None and self.state != "stopping":
            self._task.stop()
            self._set_state("stopping")

    def _start(self) -> Task:
        jobs = [self._job(request) for request in self._requests]
        names = ", ".join(self.names)
        task = start_task(
            partial(iter_jobs, jobs, self.order), title=f"Predicting {names}"
        )
        task.reported.connect(self._on_task_event)
        task.succeeded.connect(self._on_task_succeeded)
        task.failed.connect(self._on_task_failed)
        task.ended.connect(self._on_task_ended)
        task.stop_asked.connect(self.stop)
        return task

    def _job(self, request: Request) -> Job:
        session = self._session()
        viewer = None if session is None else session.viewer
        former = None if viewer is None else find_former(viewer, request.origin)
        return Job(request.image, request.axes, request.scope, former)

    def _on_task_event(self, event: Event) -> None:
        if isinstance(event, FormerWanted):
            self._lock(event)
        elif isinstance(event, LayerBegun):
            self._place(event)
        elif isinstance(event, LayerEnded):
            self._finish(event)
        elif isinstance(event, StorePreviewed):
            self._preview(event)
        elif isinstance(event, StoreBegun | StoreEnded):
            self._show_stores(event)
        elif isinstance(event, StoreGrown):
            self._refresh_stores(event)
        else:
            self._note(event)

    def _note(self, event: Event) -> None:
        """Keep what the state says."""
        if isinstance(event, EngineChosen) and event not in self.engines:
            self.engines = (*self.engines, event)
        elif isinstance(event, Progress):
            self.progress = event
            if self.state == "loading":
                self.state = "predicting"
        self.changed.emit()

    def _lock(self, event: FormerWanted) -> None:
        """Let nobody paint on a result while it is looked at whether it was edited."""
        session = self._session()
        viewer = None if session is None else session.viewer
        origin = self._requests[event.number].origin
        layer = None if viewer is None else find_result(viewer, origin, "segmentation")
        if layer is not None and layer.editable:
            self._locked = weakref.ref(layer), str(layer.mode)
            layer.editable = False
        event.is_locked.set()

    def _unlock(self) -> None:
        """Give a result that is not written into back to the user, as it was."""
        if self._locked is None:
            return
        reference, mode = self._locked
        self._locked, layer = None, reference()
        shown = [placed.labels for placed in self._placed.values()]
        if layer is not None and not any(labels is layer for labels in shown):
            layer.editable = True
            layer.mode = mode

    def _place(self, event: LayerBegun) -> None:
        session = self._session()
        viewer = None if session is None else session.viewer
        if viewer is None or self._task is None or self._is_abandoned():
            return
        origin = self._requests[event.number].origin
        self._placed[event.number] = PlacedResult(viewer, origin, event.canvas)
        if self.state == "loading":  # a preview comes before the engine is chosen
            self._set_state("predicting")
        self._unlock()
        self._timer.start(REFRESH_MS)

    def _placed_store(self, number: int) -> PlacedStore | None:
        """Layers of a job; ``None`` when there is no viewer for them any more."""
        session = self._session()
        viewer = None if session is None else session.viewer
        if viewer is None or self._is_abandoned():
            return None
        if number not in self._stores:
            origin = self._requests[number].origin
            self._stores[number] = PlacedStore(viewer, origin)
        return self._stores[number]

    def _preview(self, event: StorePreviewed) -> None:
        placed = self._placed_store(event.number)
        if placed is not None:
            placed.show_preview(event)
            self._set_state("predicting")

    def _show_stores(self, event: StoreBegun | StoreEnded) -> None:
        placed = self._placed_store(event.number)
        if placed is None:
            return
        if isinstance(event, StoreBegun) or event.is_complete:
            placed.show(event.results)
        if isinstance(event, StoreEnded):
            placed.finish(is_complete=event.is_complete)
            self.stores += [result.path for result in event.results]
            del self._stores[event.number]

    def _refresh_stores(self, event: StoreGrown) -> None:
        placed = self._stores.get(event.number)
        if placed is not None:
            placed.refresh()

    def _finish(self, event: LayerEnded) -> None:
        placed = self._placed.pop(event.number, None)
        if placed is None:
            return
        request = self._requests[event.number]
        self.n_edited += placed.is_edited
        placed.finish(
            is_complete=event.is_complete,
            zero=request.scope.zero(request.image),
            fingerprint=event.fingerprint,
            model_state=event.model_state,
        )

    def _is_abandoned(self) -> bool:
        """Whether napari has ended the work, as it does when its window closes."""
        task = self._task
        return task is None or (task.control.is_stopping and self.state != "stopping")

    def _on_timer_timeout(self) -> None:
        for placed in self._placed.values():
            placed.refresh()
            if placed.is_edited:
                self.stop()

    def _on_task_succeeded(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def _on_task_failed(self, failure: Failure) -> None:
        self.failure = failure

    def _on_task_ended(self) -> None:
        self._timer.stop()
        for number in list(self._placed):
            self._finish(_lost(number))
        for placed in self._stores.values():
            placed.finish(is_complete=False)
        self._stores.clear()
        self._unlock()
        self._requests.clear()
        self._task = None
        self._set_state("ended")

    def _set_state(self, state: State) -> None:
        self.state = state
        self.changed.emit()


def _lost(number: int) -> LayerEnded:
    return LayerEnded(number, is_complete=False, fingerprint="", model_state="")


def start_prediction(
    session: Session, requests: Sequence[Request], order: Order
) -> PredictionRun:
    """Start a prediction; it goes on when its dock is closed."""
    run = _runs[session] = PredictionRun(session, requests, order)
    return run


def prediction_of(session: Session) -> PredictionRun | None:
    """Return the last prediction of a session, running or not."""
    return _runs.get(session)
