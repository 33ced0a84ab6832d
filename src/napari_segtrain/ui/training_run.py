"""A training in the viewer: its state and history, whether a dock shows it or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from qtpy.QtCore import QObject, Signal

from napari_segtrain.ui.worker import Failure, Task, start_task

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from napari_segtrain.control import Event, RunControl
    from napari_segtrain.training.events import (
        EpochEnd,
        FoldBegun,
        IterationEnd,
        Noticed,
        Preview,
        TrainingResult,
        TuningDecision,
    )
    from napari_segtrain.training.plan import TrainingPlan

State = Literal["preparing", "training", "pausing", "finishing", "stopping", "ended"]

_MAX_POINTS = 4000


class History:
    """What a dock that is opened later needs to show a run.

    Attributes
    ----------
    iterations : list of IterationEnd
        Thinned when there are too many.
    epochs : list of EpochEnd
        All validations.
    preview : Preview, optional
        The last one.
    notices : list of Noticed
        What the user should know.
    """

    def __init__(self) -> None:
        self.iterations: list[IterationEnd] = []
        self.epochs: list[EpochEnd] = []
        self.preview: Preview | None = None
        self.notices: list[Noticed] = []

    @property
    def last(self) -> IterationEnd | None:
        """The last step that was reported."""
        return self.iterations[-1] if self.iterations else None

    def add_iteration(self, event: IterationEnd) -> None:
        """Keep a step; every second one is dropped when there are too many."""
        self.iterations.append(event)
        if len(self.iterations) > _MAX_POINTS:
            del self.iterations[1::2]


class TrainingRun(QObject):
    """A training that runs, or ran, in this viewer.

    Parameters
    ----------
    make : callable
        Is given a control and returns the generator of events, as `iter_training_run`
        does; called in the thread.
    title : str
        For napari's activity list.
    run_dir : Path, optional
        Folder of the run, where it is known before the run has begun.

    Attributes
    ----------
    changed : Signal(str)
        The state changed; carries it.
    reported : Signal(Event)
        An event arrived; the history holds it already.
    note : str
        The last thing worth saying besides the state, such as a smaller batch.
    fold : FoldBegun, optional
        Which training of a cross-validation is under way; the history is that of it.
    tuning : TuningDecision, optional
        How far the choice of a decision is, at the end.
    is_annealing : bool
        Whether the learning rate is brought down for the end.
    """

    changed = Signal(str)
    reported = Signal(object)

    def __init__(
        self,
        make: Callable[[RunControl], Generator[Event, None, TrainingResult]],
        title: str,
        *,
        run_dir: Path | None = None,
    ) -> None:
        super().__init__()
        self.title = title
        self.state: State = "preparing"
        self.history = History()
        self.plan: TrainingPlan | None = None
        self.run_dir = run_dir
        self.result: TrainingResult | None = None
        self.failure: Failure | None = None
        self.note = ""
        self.fold: FoldBegun | None = None
        self.tuning: TuningDecision | None = None
        self.is_annealing = False
        self._task: Task | None = start_task(make, title=title)
        self._task.reported.connect(self._on_task_event)
        self._task.succeeded.connect(self._on_task_succeeded)
        self._task.failed.connect(self._on_task_failed)
        self._task.stop_asked.connect(self.stop)

    @property
    def is_running(self) -> bool:
        """Whether the run has not ended."""
        return self.state != "ended"

    @property
    def ends_at_plateau(self) -> bool:
        """Whether the time that is left is only known as an upper bound."""
        plan = self.plan
        return plan is not None and plan.config.training.length.kind == "plateau"

    @property
    def is_paused(self) -> bool:
        """Whether the run holds, or is about to."""
        return self.state == "pausing"

    def pause(self) -> None:
        """Hold after the present iteration."""
        if self._task is not None and self.state in {"preparing", "training"}:
            self._task.pause()
            self._set_state("pausing")

    def resume(self) -> None:
        """Go on after a pause."""
        if self._task is not None and self.state == "pausing":
            self._task.resume()
            self._set_state("training" if self.plan else "preparing")

    def stop(self) -> None:
        """End in a checkpoint that can be resumed."""
        if self._task is not None and self.state != "stopping":
            self._task.stop()
            self._set_state("stopping")

    def finish(self) -> None:
        """End soon with an annealed model."""
        if self._task is not None:
            self._task.finish()
            self._set_state("finishing")

    def _set_state(self, state: State) -> None:
        self.state = state
        self.changed.emit(state)

    def _on_task_event(self, event: Event) -> None:
        keep = {
            "Planned": self._keep_plan,
            "IterationEnd": self.history.add_iteration,
            "EpochEnd": self.history.epochs.append,
            "Preview": self._keep_preview,
            "Annealing": self._keep_annealing,
            "FoldBegun": self._keep_fold,
            "TuningDecision": self._keep_tuning,
            "Noticed": self._keep_notice,
        }.get(type(event).__name__)
        if keep is not None:
            keep(event)  # type: ignore[operator]
        self.reported.emit(event)

    def _keep_plan(self, event: Event) -> None:
        self.plan = event.plan  # type: ignore[attr-defined]
        self.run_dir = event.run_dir  # type: ignore[attr-defined]
        if self.state == "preparing":
            self._set_state("training")

    def _keep_preview(self, event: Preview) -> None:
        self.history.preview = event

    def _keep_annealing(self, event: Event) -> None:
        self.is_annealing = True
        reason = event.reason  # type: ignore[attr-defined]
        is_asked = reason == "finish now"
        self.note = "" if is_asked else f"Ending now: {reason}."

    def _keep_fold(self, event: FoldBegun) -> None:
        self.fold = event
        self.history = History()
        self.is_annealing = False
        self.changed.emit(self.state)

    def _keep_tuning(self, event: TuningDecision) -> None:
        self.tuning = event

    def _keep_notice(self, event: Noticed) -> None:
        self.history.notices.append(event)
        if event.kind in {"memory", "diverged"}:
            self.note = event.finding.text

    def _on_task_succeeded(self, result: TrainingResult) -> None:
        self.result = result
        self._end()

    def _on_task_failed(self, failure: Failure) -> None:
        self.failure = failure
        self._end()

    def _end(self) -> None:
        self._task = None
        self._set_state("ended")
