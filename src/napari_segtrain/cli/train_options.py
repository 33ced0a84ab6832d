"""Options of ``segtrain train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_segtrain.cli import options as o

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="YAML file, as written by segtrain init."),
]
ImagesOption = Annotated[
    Path | None, typer.Option("--images", help="File, folder or store.")
]
LabelsOption = Annotated[
    Path | None, typer.Option("--labels", help="File, folder or store.")
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="New folder of the run.")
]
TimeBudgetOption = Annotated[
    str | None,
    typer.Option("--time-budget", help="As 60s, 5m or 1.5h, all included."),
]
EpochsOption = Annotated[int | None, typer.Option("--epochs", help="Length in epochs.")]
IterationsOption = Annotated[
    int | None, typer.Option("--iterations", help="Length in iterations.")
]
DimsOption = Annotated[
    o.Dims | None,
    typer.Option("--dims", help="2 for slice by slice, 3 for volumes."),
]
NetworkOption = Annotated[
    str | None, typer.Option("--network", help="Name of the network.")
]
VoxelSizeOption = Annotated[
    str | None,
    typer.Option("--voxel-size", help="Micrometers along Z,Y,X.", metavar="Z,Y,X"),
]
ValidationOption = Annotated[
    str | None,
    typer.Option(
        "--validation",
        help="auto, none, a share such as 0.2, 5-fold, or names of samples.",
    ),
]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Of all chance.")]
ContinueFromOption = Annotated[
    Path | None,
    typer.Option("--continue-from", help="Model or run with the first weights."),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show the plan and stop.")
]
