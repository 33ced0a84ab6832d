"""Events as a progress bar on a terminal, or as plain lines in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from napari_segtrain.cli.options import OPTIONS_OF_SETTINGS
from napari_segtrain.control import Event
from napari_segtrain.models import decision_words
from napari_segtrain.training.describe import (
    describe_finding,
    describe_plan,
    level_rows,
    network_facts,
    table_lines,
)
from napari_segtrain.training.events import (
    Annealing,
    BaseScored,
    DecisionTuned,
    EpochEnd,
    FoldBegun,
    IterationEnd,
    Noticed,
    Planned,
    TuningDecision,
)
from napari_segtrain.training.plan import TrainingPlan

_LOG_SECONDS = 10.0
_TUNING_WORDS = {
    "predicting": "predicting the held-out data, to choose a decision",
    "choosing": "choosing a decision",
}


class Bar:
    """A progress bar on a terminal; nothing elsewhere.

    Parameters
    ----------
    title : str
        Left of the bar.
    """

    def __init__(self, title: str) -> None:
        self.is_live = sys.stderr.isatty()
        self._title = title
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            console=Console(stderr=True),
            transient=True,
            disable=not self.is_live,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def update(self, share: float | None, text: str) -> None:
        """Show a share of 1 (or motion without an end) and a text beside it."""
        if self._task is None:
            self._task = self._bar.add_task(self._title, total=1.0, text="")
        total = None if share is None else 1.0
        self._bar.update(self._task, completed=share or 0.0, total=total, text=text)


class TrainingDisplay(Bar):
    """Listener of a training run."""

    def __init__(self) -> None:
        super().__init__("training")
        self._last_line = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Planned):
            show_plan(event.plan)
            typer.echo(f"run folder: {event.run_dir}")
        elif isinstance(event, FoldBegun):
            self._say(f"fold {event.number} of {event.n_folds}")
        elif isinstance(event, IterationEnd):
            self._show_iteration(event)
        elif isinstance(event, EpochEnd):
            self._say(_epoch_line(event))
        elif isinstance(event, Annealing):
            self._say(f"annealing the learning rate: {event.reason}")
        elif isinstance(event, BaseScored):
            self._say(f"the model to go on from: validation IoU {event.score:.3f}")
        elif isinstance(event, TuningDecision):
            self._show_share(event.share, _TUNING_WORDS[event.task])
        elif isinstance(event, DecisionTuned):
            self._say(f"decision: {decision_words(event.decision, event.names)}")
        elif isinstance(event, Noticed):
            self._say(describe_finding(event.finding, OPTIONS_OF_SETTINGS))

    def _show_iteration(self, event: IterationEnd) -> None:
        text = f"iteration {event.iteration}, loss {event.loss:.3f}"
        if event.eta is not None:
            text += f", {event.eta:.0f} s left"
        self._show_share(event.share, text)

    def _show_share(self, share: float | None, text: str) -> None:
        self.update(share, text)
        if not self.is_live and time.monotonic() - self._last_line >= _LOG_SECONDS:
            self._say(text)

    def _say(self, line: str) -> None:
        self._last_line = time.monotonic()
        if self.is_live:
            self._bar.console.print(line, highlight=False, markup=False)
        else:
            typer.echo(line)


def show_plan(plan: TrainingPlan) -> None:
    """Print what will be done."""
    for line in describe_plan(plan, OPTIONS_OF_SETTINGS):
        typer.echo(line)


def show_network(plan: TrainingPlan) -> None:
    """Print the levels of the network."""
    typer.echo("levels of the network:")
    for line in [*table_lines(level_rows(plan)), *network_facts(plan)]:
        typer.echo(f"  {line}")


def _epoch_line(event: EpochEnd) -> str:
    line = (
        f"epoch {event.epoch}: {event.seconds:.0f} s, iteration {event.iteration}, "
        f"loss {event.training_loss:.3f}"
    )
    if event.score is not None:
        scores = ", ".join(
            f"{name} {'-' if iou is None else f'{iou:.3f}'}"
            for name, iou in event.iou.items()
        )
        mark = " (best)" if event.is_best else ""
        line += f", validation {event.validation_loss:.3f}, IoU {scores}{mark}"
    return line
