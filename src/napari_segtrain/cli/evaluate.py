"""``segtrain evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_segtrain.cli import options as o


def evaluate(
    truth: Annotated[Path, typer.Argument(help="Ground truth: file, folder or store.")],
    segmentation: Annotated[Path, typer.Argument(help="What is to be judged.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for metrics.csv and .json."),
    ] = None,
    objects: Annotated[
        bool, typer.Option("--objects", help="Match objects at IoU 0.5 and 0.75.")
    ] = False,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Also write overlays on these images."),
    ] = None,
    classes: o.ClassesOption = None,
    zero: o.ZeroOption = None,
    background: o.BackgroundOption = None,
    ignore: o.IgnoreOption = None,
    target: o.TargetOption = None,
    stack: o.StackOption = False,
    overwrite: o.OverwriteOption = False,
) -> None:
    """Score segmentations against ground truth, paired by name."""
    from napari_segtrain.cli import evaluation_run

    changes = {
        "zero": zero.value if zero else None,
        "background": o.parse_values(background, "--background"),
        "ignore": o.parse_values(ignore, "--ignore"),
        "classes": o.parse_classes(classes),
        "target": target.value if target else None,
        "stack": stack,
    }
    evaluation_run.start(
        truth,
        segmentation,
        {key: value for key, value in changes.items() if value is not None},
        output=output,
        images=images,
        objects=objects,
        overwrite=overwrite,
    )
