"""``segtrain demo``: the main job on bundled real data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_segtrain.cli import options as o


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="New folder for everything.")
    ] = Path("demo"),
    sample: Annotated[
        str, typer.Option("--sample", help="axons, nuclei or embryo.")
    ] = "axons",
    time_budget: Annotated[
        str, typer.Option("--time-budget", help="Of the training.")
    ] = "75s",
    overwrite: o.OverwriteOption = False,
) -> None:
    """Train on bundled data, predict what was not trained on, and score it."""
    from napari_segtrain.cli.demo_run import start

    start(output, sample, o.parse_duration(time_budget), overwrite=overwrite)
