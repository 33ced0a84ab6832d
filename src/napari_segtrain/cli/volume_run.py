"""Prediction into stores on the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer

from napari_segtrain.boxes import Box
from napari_segtrain.cli.interruption import SignalControl, interruptible
from napari_segtrain.cli.progress import Bar
from napari_segtrain.config import VolumeConfig, set_value
from napari_segtrain.control import Event
from napari_segtrain.data.files import open_images
from napari_segtrain.errors import ConfigError, OutputError
from napari_segtrain.image import Image
from napari_segtrain.inference.events import EngineChosen
from napari_segtrain.inference.volume.events import StageProgress, VolumeOpened
from napari_segtrain.inference.volume.on_dask import Cluster
from napari_segtrain.inference.volume.run import VolumeResult
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.settings import parse_volume
from napari_segtrain.workflows.volumes import (
    SUFFIX,
    VolumeOrder,
    check_part,
    iter_order,
)

_SECTION = "volume."
_RANGE = re.compile(r"(\d+):(\d+)")
_PART = re.compile(r"(\d+)/(\d+)")
_STAGES = {
    "predict": "predicting",
    "finish": "making objects of the maps, or cleaning",
    "join": "joining objects across blocks",
}


@dataclass(frozen=True)
class VolumeOptions:
    """How a volume is worked on, as options say it.

    Parameters
    ----------
    part : str, optional
        ``i/n``.
    region : str, optional
        ``z0:z1,y0:y1,x0:x1``.
    mask : Path, optional
        Label image.
    workers : int, optional
        Of a cluster of this computer.
    scheduler : str, optional
        Address of a cluster.
    """

    part: str | None = None
    region: str | None = None
    mask: Path | None = None
    workers: int | None = None
    scheduler: str | None = None

    @property
    def are_given(self) -> bool:
        """Whether any asks for blocks."""
        return self != VolumeOptions()

    def cluster(self) -> Cluster | None:
        """Where blocks are computed, if not here."""
        if self.scheduler:
            return Cluster(self.scheduler)
        return None if self.workers is None else Cluster(n_workers=self.workers)


def split_settings(assignments: Sequence[str]) -> tuple[list[str], VolumeConfig]:
    """Take the settings of blocks (``volume.margin=64``) out of the others.

    Raises
    ------
    ConfigError
        When a setting does not exist or its value is not allowed.
    """
    values: dict[str, Any] = {}
    others = []
    for assignment in assignments:
        name = assignment.strip()
        if name.startswith(_SECTION):
            set_value(values, name.removeprefix(_SECTION), VolumeConfig)
        else:
            others.append(assignment)
    return others, parse_volume(values)


def start(order: VolumeOrder, options: VolumeOptions, *, overwrite: bool) -> None:
    """Predict each image into a store of its own.

    Parameters
    ----------
    order : VolumeOrder
        For all images; its output is the folder of the stores.
    options : VolumeOptions
        Region, part, cluster.
    overwrite : bool
        Replace what is there.
    """
    order = replace(order, region=_parse_region(options.region), mask=options.mask)
    part = _parse_part(options.part)
    if overwrite and part != (1, 1):
        raise ConfigError(
            "--overwrite with --part would delete what other parts have made; remove "
            "the old store once, then start the parts."
        )
    orders = _orders(order)
    with interruptible("blocks that are done are kept") as control:
        for name, each in orders.items():
            _predict(name, each, part, options.cluster(), control, overwrite=overwrite)


def _orders(order: VolumeOrder) -> dict[str, VolumeOrder]:
    images = open_images(order.image, axes=order.axes, stack=order.stack)
    orders: dict[str, VolumeOrder] = {}
    for image in images:
        path = order.output / f"{image.name}{SUFFIX}"
        source = order.image if order.stack else _source(image)
        if any(each.output == path for each in orders.values()):
            raise OutputError(
                f"Two images would be written to {path}; predict them one by one, to "
                "different outputs."
            )
        if path.resolve() == source.resolve():
            raise OutputError(
                f"{path} is the image itself and would be replaced; choose another "
                "--output."
            )
        orders[image.name] = replace(order, image=source, output=path)
    return orders


def _source(image: Image) -> Path:
    """Path that opens the image again."""
    if image.source is None:
        raise ConfigError(f"{image.name} is in no file.")
    return image.source


def _predict(
    name: str,
    order: VolumeOrder,
    part: tuple[int, int],
    cluster: Cluster | None,
    control: SignalControl,
    *,
    overwrite: bool,
) -> None:
    work = iter_order(
        order, part=part, cluster=cluster, overwrite=overwrite, control=control
    )
    with Bar(name) as bar:

        def show(event: Event) -> None:
            if isinstance(event, VolumeOpened):
                typer.echo(_opened_text(event))
            elif isinstance(event, EngineChosen) and event.reason:
                typer.echo(f"engine: {event.words}")
            elif isinstance(event, StageProgress):
                speed = event.voxels_per_second / 1e6
                text = f"{speed:.2f} Mvoxel/s" if speed else ""
                bar.update(event.share, f"{_STAGES[event.stage]} {text}".strip())

        result = run(work, show)
    typer.echo(_result_text(name, result, part))
    if control.is_stopping and not result.is_complete:
        raise control.leave()


def _opened_text(event: VolumeOpened) -> str:
    text = f"{event.path}: {event.n_blocks} blocks"
    if event.n_empty:
        text += f", {event.n_empty} of them left empty"
    if event.n_done:
        text += f", {event.n_done} done before"
    return text


def _result_text(name: str, result: VolumeResult, part: tuple[int, int]) -> str:
    if result.is_complete:
        if not result.n_blocks and result.seconds < 1:
            return f"{name} -> {result.path} (complete already)"
        return f"{name} -> {result.path} ({result.seconds:.1f} s)"
    if result.finisher:
        host, process = result.finisher.split()
        return f"{name}: process {process} on {host} does what is left"
    if part != (1, 1):
        number, n_parts = part
        return f"{name}: part {number} of {n_parts} has ended; others are not done"
    return f"stopped before {name} was done; the same command goes on"


def _parse_region(text: str | None) -> Box | None:
    if text is None:
        return None
    found = [_RANGE.fullmatch(part.strip()) for part in text.split(",")]
    ranges = [slice(int(m[1]), int(m[2])) for m in found if m]
    if len(ranges) != len(found) or len(ranges) not in (2, 3):
        raise ConfigError(
            f"'{text}' is no region; write --region 0:64,512:1024,512:1024 (voxels "
            "along Z, Y, X), or two ranges for a flat image."
        )
    z, y, x = [slice(0, 1), *ranges][-3:]
    return z, y, x


def _parse_part(text: str | None) -> tuple[int, int]:
    if text is None:
        return 1, 1
    found = _PART.fullmatch(text.strip())
    if not found:
        raise ConfigError(f"'{text}' is no part; write --part 3/16.")
    part = int(found[1]), int(found[2])
    check_part(part)
    return part
