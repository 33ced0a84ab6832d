"""``segtrain train`` and ``segtrain resume``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_segtrain.cli import options as o


def train(
    config: Annotated[
        Path | None,
        typer.Option("--config", help="YAML file, as written by segtrain init."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option("--images", help="File, folder or store.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="File, folder or store.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="New folder of the run.")
    ] = None,
    time_budget: Annotated[
        str | None,
        typer.Option("--time-budget", help="As 60s, 5m or 1.5h, all included."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", help="Length in epochs.")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option("--iterations", help="Length in iterations.")
    ] = None,
    classes: o.ClassesOption = None,
    zero: o.ZeroOption = None,
    background: o.BackgroundOption = None,
    ignore: o.IgnoreOption = None,
    target: o.TargetOption = None,
    dims: Annotated[
        o.Dims | None,
        typer.Option("--dims", help="2 for slice by slice, 3 for volumes."),
    ] = None,
    network: Annotated[
        str | None, typer.Option("--network", help="Name of the network.")
    ] = None,
    voxel_size: Annotated[
        str | None,
        typer.Option("--voxel-size", help="Micrometers along Z,Y,X.", metavar="Z,Y,X"),
    ] = None,
    axes: o.AxesOption = None,
    stack: o.StackOption = False,
    validation: Annotated[
        str | None,
        typer.Option(
            "--validation",
            help="auto, none, a share such as 0.2, 5-fold, or names of samples.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of all chance.")] = None,
    device: o.DeviceOption = None,
    continue_from: Annotated[
        Path | None,
        typer.Option("--continue-from", help="Model or run with the first weights."),
    ] = None,
    settings: o.SetOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan and stop.")
    ] = False,
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
