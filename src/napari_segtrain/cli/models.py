"""``segtrain init``, ``segtrain info`` and ``segtrain models``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_segtrain.cli import options as o

if TYPE_CHECKING:
    from napari_segtrain.workflows.library import RunInfo


def init(
    path: Annotated[Path, typer.Argument(help="YAML file to write.")] = Path(
        "experiment.yaml"
    ),
    overwrite: o.OverwriteOption = False,
) -> None:
    """Write a config with every setting, its default and its help."""
    from napari_segtrain.config import (
        ExperimentConfig,
        annotated_yaml,
    )
    from napari_segtrain.io import refuse_existing, write_text

    refuse_existing(path, overwrite=overwrite)
    write_text(path, annotated_yaml(ExperimentConfig()))
    typer.echo(f"wrote {path}; train with 'segtrain train --config {path}'")


def info(
    path: Annotated[Path, typer.Argument(help="Run folder, model or checkpoint.")],
) -> None:
    """Show what a model is: input, classes, scores, origin."""
    from napari_segtrain.workflows.models import describe_model, load_model

    for line in describe_model(load_model(path)):
        typer.echo(line)


def models(
    folder: Annotated[Path, typer.Argument(help="Folder of runs and models.")] = Path(
        "segtrain-runs"
    ),
) -> None:
    """List the runs and models of a folder, the newest first."""
    from napari_segtrain.errors import ModelError
    from napari_segtrain.evaluation.table import format_rows
    from napari_segtrain.workflows.library import list_runs

    runs = list_runs(folder)
    if not runs:
        raise ModelError(
            f"There is no run or model in {folder}; name the folder that holds them."
        )
    columns = ("name", "state", "iou", "input", "classes", "iterations", "created")
    typer.echo(format_rows([_row(run) for run in runs], columns))
    for run in runs:
        if run.problem:
            typer.echo(f"! {run.path}: {run.problem}", err=True)


def _row(run: RunInfo) -> dict[str, object]:
    names = [row.name for row in run.classes if row.role == "class"]
    channels = f"{run.n_channels} channel{'s' * (run.n_channels != 1)}"
    return {
        "name": run.name,
        "state": run.state,
        "iou": run.score,
        "input": f"{run.dims}D, {channels}" if run.dims else None,
        "classes": ", ".join(names) or None,
        "iterations": run.iterations,
        "created": f"{run.created.astimezone():%Y-%m-%d %H:%M}",
    }
