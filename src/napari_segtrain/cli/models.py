"""``segtrain init`` and ``segtrain info``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_segtrain.cli import options as o


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
