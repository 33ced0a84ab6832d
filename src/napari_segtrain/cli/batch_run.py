"""Images that are predicted one after the other, and the table at the end."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

import typer

from napari_segtrain.cli import failures
from napari_segtrain.cli.interruption import SignalControl, interruptible
from napari_segtrain.errors import OutputError
from napari_segtrain.evaluation.table import format_rows, to_csv
from napari_segtrain.io import write_text
from napari_segtrain.workflows.records import Contents

SUMMARY = "summary.csv"

State = Literal["done", "skipped", "failed", "part", "stopped"]

_COLUMNS = ("image", "output", "state")
_DEFECT = 1


@dataclass(frozen=True)
class Outcome:
    """How the prediction of an image ended.

    Parameters
    ----------
    name : str
        Of the image.
    output : Path
        Label image.
    state : State
        ``part`` when other processes do the rest, ``stopped`` by a signal.
    seconds : float, optional
        That it took, now or when it was made.
    contents : dict
        Numbers about the labels.
    error : str
        Why it failed.
    exit_code : int
        Of the failure.
    """

    name: str
    output: Path
    state: State
    seconds: float | None = None
    contents: Contents = field(default_factory=dict)
    error: str = ""
    exit_code: int = 0

    def to_row(self, names: Sequence[str]) -> dict[str, object]:
        """Row of the summary, with the contents of these names."""
        return {
            "image": self.name,
            "output": self.output.as_posix(),
            "state": self.state,
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            **{name: self.contents.get(name) for name in names},
            "error": self.error or None,
        }


class Job(Protocol):
    """An image and where its result goes."""

    @property
    def name(self) -> str:
        """Of the image."""
        ...

    @property
    def output(self) -> Path:
        """Label image to write."""
        ...

    @property
    def n_voxels(self) -> int:
        """That are predicted."""
        ...

    @property
    def files(self) -> list[Path]:
        """All that is written."""
        ...

    def check_input(self) -> None:
        """Raise the error that the prediction would end with, where it is known now."""
        ...

    def is_done(self) -> bool:
        """Whether labels and maps are there; `OutputError` when something else is."""
        ...

    def run(self, control: SignalControl, n_voxels: int) -> Outcome:
        """Predict it, unless that was done before, and say so.

        Parameters
        ----------
        control : SignalControl
            Stops it.
        n_voxels : int
            Of all that is left to do; long work is worth a choice of engines.
        """
        ...


@dataclass(frozen=True)
class Summary:
    """Table of a batch.

    Parameters
    ----------
    names : sequence of str
        Of the numbers about labels.
    path : Path, optional
        CSV to write; none without it.
    """

    names: Sequence[str]
    path: Path | None

    def check(self, *, overwrite: bool) -> None:
        """Raise `OutputError` when another file is in the way."""
        if self.path is None or not self.path.exists() or overwrite:
            return
        start = ",".join(_COLUMNS)
        try:
            is_own = self.path.read_text(encoding="utf-8").startswith(start)
        except (OSError, ValueError):
            is_own = False
        if not is_own:
            raise OutputError(
                f"{self.path} exists already and is no summary of this program; choose "
                "another --output, or replace it with --overwrite."
            )

    def show(self, outcomes: Sequence[Outcome]) -> None:
        """Print the table and write the file."""
        if not outcomes:
            return
        rows = [outcome.to_row(self.names) for outcome in outcomes]
        typer.echo("")
        typer.echo(format_rows(rows, [name for name in rows[0] if name != "error"]))
        if self.path is not None:
            write_text(self.path, to_csv(rows))
            typer.echo(f"wrote {self.path}")


def run_one(job: Job, note: str) -> None:
    """Predict one image; its failure is that of the command."""
    with interruptible(note) as control:
        outcome = job.run(control, job.n_voxels)
        if outcome.state == "stopped":
            raise control.leave()


def run_batch(jobs: Sequence[Job], summary: Summary, note: str) -> None:
    """Predict image after image; one that fails does not end the others.

    Parameters
    ----------
    jobs : sequence of Job
        What is to be done, checked as far as that is possible before.
    summary : Summary
        Of all.
    note : str
        What a signal leaves, for the user.

    Raises
    ------
    typer.Exit
        With the code of the first failure, or that of a signal.
    """
    outcomes: list[Outcome] = []
    n_voxels = sum(job.n_voxels for job in jobs if not job.is_done())
    with interruptible(note) as control:
        for job in jobs:
            outcomes.append(_attempt(job, control, n_voxels))
            if outcomes[-1].state == "stopped":
                break
        summary.show([each for each in outcomes if each.state != "stopped"])
        if outcomes[-1].state == "stopped":
            typer.echo(
                f"stopped after {len(outcomes) - 1} of {len(jobs)} images; the same "
                "command goes on"
            )
            raise control.leave()
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    if failed:
        typer.echo(
            f"segtrain: {len(failed)} of {len(jobs)} images failed, "
            f"{failed[0].name} first: {failed[0].error}",
            err=True,
        )
        raise typer.Exit(failed[0].exit_code)


def _attempt(job: Job, control: SignalControl, n_voxels: int) -> Outcome:
    try:
        return job.run(control, n_voxels)
    except Exception as error:  # noqa: BLE001 - of whatever fails, the others go on
        failure = failures.explain(error)
        if failure is None:
            typer.echo("".join(traceback.format_exception(error)), err=True)
            text = f"{type(error).__name__}: {error}"
            failure = failures.Failure(text, _DEFECT)
        typer.echo(f"! {job.name}: {failure.sentence}", err=True)
        outcome = Outcome(job.name, job.output, "failed")
        return replace(outcome, error=failure.sentence, exit_code=failure.exit_code)
