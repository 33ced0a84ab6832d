"""Prediction into stores on the terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import typer

from napari_segtrain.boxes import full_box
from napari_segtrain.cli.batch_run import Outcome, State
from napari_segtrain.cli.interruption import SignalControl
from napari_segtrain.cli.options import parse_region
from napari_segtrain.cli.progress import Bar
from napari_segtrain.config import VolumeConfig, set_value
from napari_segtrain.control import Event
from napari_segtrain.errors import ConfigError, OutputError
from napari_segtrain.image import ClassTable, Image
from napari_segtrain.inference.canvas import predicted_table
from napari_segtrain.inference.events import EngineChosen
from napari_segtrain.inference.likeness import remarks
from napari_segtrain.inference.volume.area import checked_area
from napari_segtrain.inference.volume.events import StageProgress, VolumeOpened
from napari_segtrain.inference.volume.on_dask import Cluster
from napari_segtrain.inference.volume.opening import check_order
from napari_segtrain.inference.volume.preview import (
    BlockPreviewed,
    VolumePreview,
    iter_preview,
)
from napari_segtrain.inference.volume.request import differences
from napari_segtrain.inference.volume.run import VolumeResult
from napari_segtrain.inference.volume.stores import map_path
from napari_segtrain.inference.volume.work_folder import read_report
from napari_segtrain.io import read_labels
from napari_segtrain.models import Model
from napari_segtrain.workflows.contents import count_store
from napari_segtrain.workflows.overlays import (
    ShownSlice,
    choose_slices,
    write_prediction_overlays,
)
from napari_segtrain.workflows.records import (
    Record,
    Requests,
    complete_output,
    files_to_keep,
    read_record,
)
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.settings import parse_volume
from napari_segtrain.workflows.volumes import (
    VolumeOrder,
    begun_with,
    check_part,
    iter_order,
)

_SECTION = "volume."
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
    preview : bool
        Only tell what would be done.
    """

    part: str | None = None
    region: str | None = None
    mask: Path | None = None
    workers: int | None = None
    scheduler: str | None = None
    preview: bool = False

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


@dataclass(frozen=True)
class StoreOptions:
    """What all stores of a batch have in common.

    Parameters
    ----------
    models : sequence of Model
        What is applied.
    requests : Requests
        By which a run is known again.
    blocks : VolumeOptions
        Region, part, cluster.
    overlays : bool
        Also write pictures for people.
    overwrite : bool
        Replace what was made otherwise.
    is_counted : bool
        Whether numbers about the labels are wanted.
    """

    models: Sequence[Model]
    requests: Requests
    blocks: VolumeOptions
    overlays: bool
    overwrite: bool
    is_counted: bool

    @property
    def classes(self) -> ClassTable:
        """Of the results."""
        return predicted_table(self.models[0].spec.classes)

    @cached_property
    def part(self) -> tuple[int, int]:
        """Part i of n."""
        return _parse_part(self.blocks.part)


def check_options(
    options: VolumeOptions, volume: VolumeConfig, *, overlays: bool, overwrite: bool
) -> None:
    """Raise `ConfigError` for options that cannot be read or do not go together."""
    parse_region(options.region)
    part = _parse_part(options.part)
    if overwrite and part != (1, 1):
        raise ConfigError(
            "--overwrite with --part would delete what other parts have made; remove "
            "the old store once, then start the parts."
        )
    if overlays and volume.downsampling != (1, 1, 1):
        raise ConfigError(
            "Overlays need results of the size of the image; leave out --overlays or "
            "volume.downsampling."
        )


@dataclass(frozen=True)
class StoreJob:
    """An image that is predicted into a store.

    Parameters
    ----------
    image : Image
        What is predicted.
    order : VolumeOrder
        The same for other processes.
    options : StoreOptions
        For all images.
    """

    image: Image
    order: VolumeOrder
    options: StoreOptions

    @property
    def name(self) -> str:
        """Of the image."""
        return self.image.name

    @property
    def output(self) -> Path:
        """Store of the labels."""
        return self.order.output

    @property
    def files(self) -> list[Path]:
        """All that is written, but for what lies between."""
        config = self.order.config
        kinds = {"probabilities": config.probabilities, config.uncertainty: "float32"}
        names = [name for name, kind in kinds.items() if "none" not in (name, kind)]
        maps = [map_path(self.output, name) for name in names]
        return [self.output, *maps, *(each.path for each in self._shown)]

    @property
    def n_voxels(self) -> int:
        """That are predicted."""
        return len(self.image.items()) * math.prod(self.image.items()[0].shape)

    def check_input(self) -> None:
        """Raise the error that the prediction would end with, where it is known now."""
        order = self.order
        check_order(
            self.options.models,
            self.image,
            order.config,
            order.volume,
            order.open_area(),
        )

    def preview(self, control: SignalControl) -> VolumePreview:
        """Say which blocks would be left empty."""
        order = self.order
        work = iter_preview(
            self.options.models,
            self.image,
            order.config,
            order.volume,
            area=order.open_area(),
            control=control,
        )
        with Bar(self.name) as bar:

            def show(event: Event) -> None:
                if isinstance(event, BlockPreviewed):
                    bar.update(event.n_done / event.n_total, "looking at blocks")

            return run(work, show)

    def is_done(self) -> bool:
        """Whether the store is complete.

        Raises
        ------
        OutputError
            When something else is there.
        """
        begun = begun_with(self.output)
        overwrite = self.options.overwrite
        if begun is not None and not overwrite:
            changed = differences({**begun, "area": None}, self._request(None))
            if changed:
                raise OutputError(
                    f"{self.output} was made with {changed}; go on with the same, "
                    "choose another --output, or begin again with --overwrite."
                )
        pictures = [each.path for each in self._shown]
        request = begun or self._request(None)
        files_to_keep(self.output, pictures, request, overwrite=overwrite)
        return read_report(self.output) is not None

    def run(self, control: SignalControl, n_voxels: int) -> Outcome:  # noqa: ARG002
        """Predict block by block, or go on with what is there."""
        result = self._predict(control)
        if not result.is_complete:
            is_stopped = control.is_stopping
            state: State = "stopped" if is_stopped else "part"
            return Outcome(self.name, self.output, state, result.seconds)
        state = "skipped" if result.was_complete else "done"
        if not self.options.is_counted and not self._shown:
            return Outcome(self.name, self.output, state, result.seconds)
        record = self._noted(result)
        return Outcome(self.name, self.output, state, record.seconds, record.contents)

    @cached_property
    def _shown(self) -> list[ShownSlice]:
        if not self.options.overlays:
            return []
        box = full_box(self.image.items()[0].shape)
        folder = self.output.parent / "overlays"
        return choose_slices(folder, self.name, self.image, box)

    def _request(self, area: Any) -> dict[str, Any]:
        return {**self.options.requests.of_store(self.image, {}), "area": area}

    def _must_begin_again(self) -> bool:
        """Whether another result is there that may be replaced."""
        begun = begun_with(self.output) if self.options.overwrite else None
        if begun is None:
            return False
        area = checked_area(self.image, self.order.volume, self.order.open_area())
        return begun != self._request(area.describe())

    def _predict(self, control: SignalControl) -> VolumeResult:
        part = self.options.part
        specs = [model.spec for model in self.options.models]
        for text in remarks(specs, self.image, self.order.config):
            typer.echo(f"warning: {text}")
        work = iter_order(
            self.order,
            part=part,
            cluster=self.options.blocks.cluster(),
            overwrite=self._must_begin_again(),
            control=control,
        )
        with Bar(self.name) as bar:

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
        typer.echo(_result_text(self.name, result, part))
        return result

    def _noted(self, result: VolumeResult) -> Record:
        """Draw what is to be drawn, and note it with the numbers of the store."""
        report = read_report(self.output) or {}
        pictures = [each.path for each in self._shown]
        known = read_record(self.output)
        if known is not None and known.request == report:
            there = files_to_keep(self.output, pictures, report, overwrite=True)
            if set(pictures) <= there:
                return known
        classes = self.options.classes
        write_prediction_overlays(
            self._shown, self.image, read_labels(self.output), classes
        )
        contents = count_store(self.output, classes)
        found = Record(report, {}, result.seconds, contents)
        return complete_output(self.output, pictures, report, found=found)


def _opened_text(event: VolumeOpened) -> str:
    text = f"{event.path}: {event.n_blocks} blocks"
    if event.n_empty:
        text += f", {event.n_empty} of them left empty"
    if event.n_done:
        text += f", {event.n_done} done before"
    return text


def _result_text(name: str, result: VolumeResult, part: tuple[int, int]) -> str:
    if result.was_complete:
        return f"{name} -> {result.path} (complete already)"
    if result.is_complete:
        return f"{name} -> {result.path} ({result.seconds:.1f} s)"
    if result.finisher:
        host, process = result.finisher.split()
        return f"{name}: process {process} on {host} does what is left"
    if part != (1, 1):
        number, n_parts = part
        return f"{name}: part {number} of {n_parts} has ended; others are not done"
    return f"stopped before {name} was done; the same command goes on"


def _parse_part(text: str | None) -> tuple[int, int]:
    if text is None:
        return 1, 1
    found = _PART.fullmatch(text.strip())
    if not found:
        raise ConfigError(f"'{text}' is no part; write --part 3/16.")
    part = int(found[1]), int(found[2])
    check_part(part)
    return part
