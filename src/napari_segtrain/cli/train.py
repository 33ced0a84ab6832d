"""``segtrain train`` and ``segtrain resume``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_segtrain.cli import options as o
from napari_segtrain.cli import train_options as t


def train(
    config: t.ConfigOption = None,
    images: t.ImagesOption = None,
    labels: t.LabelsOption = None,
    output: t.OutputOption = None,
    time_budget: t.TimeBudgetOption = None,
    epochs: t.EpochsOption = None,
    iterations: t.IterationsOption = None,
    classes: o.ClassesOption = None,
    zero: o.ZeroOption = None,
    background: o.BackgroundOption = None,
    ignore: o.IgnoreOption = None,
    target: o.TargetOption = None,
    dims: t.DimsOption = None,
    network: t.NetworkOption = None,
    voxel_size: t.VoxelSizeOption = None,
    axes: o.AxesOption = None,
    stack: o.StackOption = False,
    validation: t.ValidationOption = None,
    seed: t.SeedOption = None,
    device: o.DeviceOption = None,
    continue_from: t.ContinueFromOption = None,
    settings: o.SetOption = None,
    dry_run: t.DryRunOption = False,
) -> None:
    """Train a network on images and labels."""
    data: dict[str, Any] = {
        "images": o.absolute(images) if images else None,
        "labels": o.absolute(labels) if labels else None,
        "stack": stack or None,
        "axes": axes,
        "voxel_size": o.parse_numbers(voxel_size, "--voxel-size"),
        "zero": zero.value if zero else None,
        "background": o.parse_values(background, "--background"),
        "ignore": o.parse_values(ignore, "--ignore"),
        "classes": o.parse_classes(classes),
        "target": target.value if target else None,
    }
    changes: dict[str, Any] = {
        "data": data,
        "network": {"name": network, "dims": int(dims) if dims else None},
        "training": {"seed": seed, "device": device.value if device else None},
        "validation": o.parse_validation(validation),
        "time_budget": _seconds(time_budget),
        "epochs": epochs,
        "iterations": iterations,
    }
    from napari_segtrain.cli.training_run import start
    from napari_segtrain.workflows.settings import expand_length

    start(
        config,
        expand_length(_without_none(changes)),
        settings or [],
        output=output,
        continue_from=continue_from,
        is_dry=dry_run,
    )


def resume(
    run: Annotated[Path, typer.Argument(help="Folder of the run.")],
    checkpoint: Annotated[
        str, typer.Option("--checkpoint", help="latest, best or epoch-0010.")
    ] = "latest",
) -> None:
    """Go on with a run that was stopped or killed."""
    from napari_segtrain.cli.training_run import go_on

    go_on(run, checkpoint)


def _seconds(duration: str | None) -> float | None:
    return None if duration is None else o.parse_duration(duration)


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out what was not given on the command line."""
    result = {}
    for key, value in values.items():
        inner = _without_none(value) if isinstance(value, dict) else value
        if inner is not None and inner != {}:
            result[key] = inner
    return result
