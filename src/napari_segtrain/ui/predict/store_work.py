"""What a prediction into stores does in its thread, image by image."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.axes import CHANNEL_AXIS, SPATIAL_AXES
from napari_segtrain.errors import ConfigError, OtherResultFound, SegtrainError
from napari_segtrain.image import ClassTable, LabelImage
from napari_segtrain.inference.events import EngineChosen
from napari_segtrain.ui.predict.prediction_events import (
    Job,
    Order,
    Outcome,
    Progress,
    StoreBegun,
    StoredResult,
    StoreEnded,
    StoreGrown,
    StoreOrder,
    StorePreviewed,
    named_error,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from napari_segtrain.boxes import Box
    from napari_segtrain.control import Event, RunControl
    from napari_segtrain.inference.regions import RegionBlock
    from napari_segtrain.inference.volume.opening import OpenVolume
    from napari_segtrain.inference.volume.run import VolumeResult
    from napari_segtrain.io.levels import Levels
    from napari_segtrain.models import Model
    from napari_segtrain.ui.layers.results import Kind

_SUFFIX = ".ome.zarr"
_MAX_NAMES = 1000
_MAX_MASK_SIDE = 4096
_SHARES = {"predict": (0.0, 0.9), "finish": (0.9, 0.98), "join": (0.98, 1.0)}
"""Of the time, where there are several stages."""


def iter_stores(
    jobs: Sequence[Job],
    models: Sequence[Model],
    order: Order,
    store: StoreOrder,
    control: RunControl,
) -> Generator[Event, None, Outcome]:
    """Predict images into stores, one after another; to be run in a thread.

    A store of the same image, models and settings is gone on with; beside others a
    store gets a number.

    Yields
    ------
    StorePreviewed, StoreBegun, EngineChosen, Progress, StoreGrown, StoreEnded

    Returns
    -------
    Outcome

    Raises
    ------
    SegtrainError
        Naming the image when there are several.
    """
    start, n_complete = time.perf_counter(), 0
    for number, job in enumerate(jobs):
        try:
            check_store(job)
            yield from _preview(number, job, models, order, store, control)
            volume = _open(job, models, order, store)
            result = yield from _predict(number, job, volume, control, len(jobs))
        except SegtrainError as error:
            raise named_error(error, job, len(jobs)) from error
        n_complete += result.is_complete
        yield StoreEnded(number, result.is_complete, _results(volume, job))
        if control.is_stopping:
            break
    return Outcome(n_complete, time.perf_counter() - start)


def check_store(job: Job) -> None:
    """Refuse what stores cannot hold.

    Raises
    ------
    ConfigError
        For one time of several.
    """
    if any(n > 1 for n in _item_counts(job).values()) and job.scope.frames:
        chosen = ", ".join(f"{axis} {n}" for axis, n in job.scope.frames.items())
        raise ConfigError(
            f"A store holds all of '{job.image.name}', but only {chosen} is asked for; "
            "choose all, or a result in memory."
        )


def region_of(job: Job) -> Box | None:
    """Part of an image whose blocks are predicted; ``None`` for all."""
    is_whole = job.scope.is_whole(job.image)
    return None if is_whole else job.scope.box(job.image)


def mask_of(job: Job) -> LabelImage | None:
    """Where the shapes lie inside which an image is predicted; a little too large."""
    mask = job.scope.mask
    if mask is None:
        return None
    plane = mask.coarse(_MAX_MASK_SIDE).astype(np.uint8)
    return LabelImage(plane, "YX", name="shapes")


def _item_counts(job: Job) -> dict[str, int]:
    sizes = zip(job.image.axes, job.image.array.shape, strict=True)
    return {axis: int(n) for axis, n in sizes if axis not in f"C{SPATIAL_AXES}"}


def _open(
    job: Job, models: Sequence[Model], order: Order, store: StoreOrder
) -> OpenVolume:
    """Open the store of an image under the first name that is free or its own."""
    from napari_segtrain.inference.volume.opening import Area, open_volume

    image, region = job.image, region_of(job)
    store.folder.mkdir(parents=True, exist_ok=True)
    for path in _names(store.folder, image.name):
        try:
            return open_volume(
                models,
                image,
                path,
                order.config,
                store.volume,
                area=Area(region, mask_of(job)),
            )
        except OtherResultFound:
            continue
    raise OtherResultFound(
        f"{store.folder} holds {_MAX_NAMES} results of '{image.name}'; choose another "
        "folder."
    )


def _preview(
    number: int,
    job: Job,
    models: Sequence[Model],
    order: Order,
    store: StoreOrder,
    control: RunControl,
) -> Generator[StorePreviewed]:
    """Predict a small part of what is looked at, where there is no store yet."""
    from napari_segtrain.inference.regions import Region, iter_first_blocks

    scope, image = job.scope, job.image
    is_known = next(_names(store.folder, image.name)).exists()
    if is_known or scope.mask is not None or max(store.volume.downsampling) > 1:
        return
    region = Region(scope.items(image)[0], scope.box(image), scope.view(image))
    for block in iter_first_blocks(models, image, region, order.config, control):
        yield _previewed(number, job, models, order, block)


def _previewed(
    number: int, job: Job, models: Sequence[Model], order: Order, block: RegionBlock
) -> StorePreviewed:
    from napari_segtrain.inference.canvas import predicted_table
    from napari_segtrain.inference.decision import chosen_decision, decide

    image, spec = job.image, models[0].spec
    decision = None
    if len(models) == 1:
        decision = chosen_decision(models[0], order.config, image)
    indices = decide(block.probabilities, decision)
    classes = None if spec.classes.is_objects else predicted_table(spec.classes)
    values = (indices > 0) if classes is None else classes.to_values(indices)
    boxes = zip(SPATIAL_AXES, block.box, strict=True)
    starts = {axis: part.start for axis, part in boxes} | block.index
    axes = image.axes.replace(CHANNEL_AXIS, "")
    spatial = dict(zip(SPATIAL_AXES, values.shape, strict=True))
    shape = [spatial.get(axis, 1) for axis in axes]
    origin = {axis: starts.get(axis, 0) for axis in axes}
    labels = values.reshape(shape)
    if classes is None:
        labels = labels.astype(np.uint8)
    return StorePreviewed(number, labels, axes, origin, classes)


def _results(volume: OpenVolume, job: Job) -> tuple[StoredResult, ...]:
    """What there is of a result to look at: maps first, then labels."""
    paths = [*reversed(volume.stores.results[1:]), volume.path]
    there = [path for path in paths if (path / "zarr.json").is_file()]
    return tuple(_stored(path, volume, job) for path in there)


def _stored(path: Path, volume: OpenVolume, job: Job) -> StoredResult:
    """Open a store; what lies between two stages looks like a result."""
    from napari_segtrain.io.levels import open_levels

    levels, name = open_levels(path), "segmentation"
    kind: Kind = "segmentation"
    if path in volume.stores.results[1:]:
        name = path.parent.name
        kind = "probabilities" if name == "probabilities" else "uncertainty"
    elif path != volume.path:
        classes = volume.models[0].spec.classes
        name = "foreground" if classes.is_objects else name
        levels = (
            levels.channel(0) if classes.is_objects else _as_labels(levels, classes)
        )
    return StoredResult(path, levels, kind, f"{job.image.name} {name}")


def _as_labels(levels: Levels, classes: ClassTable) -> Levels:
    """Indices of classes, 255 where there is none yet, in the colors of the classes."""
    rows = tuple(replace(row, value=n) for n, row in enumerate(classes.classes))
    return replace(levels, kind="labels", classes=ClassTable(rows, zero="unlabelled"))


def _names(folder: Path, name: str) -> Generator[Path]:
    plain = re.sub(r"[^\w.-]+", "_", name).strip("._") or "image"
    yield folder / f"{plain}{_SUFFIX}"
    for number in range(2, _MAX_NAMES + 1):
        yield folder / f"{plain}-{number}{_SUFFIX}"


def _predict(
    number: int, job: Job, volume: OpenVolume, control: RunControl, n_jobs: int
) -> Generator[Event, None, VolumeResult]:
    from napari_segtrain.inference.volume.events import BlockWritten, StageProgress
    from napari_segtrain.inference.volume.run import iter_volume_prediction

    if not volume.is_complete:
        paths = [plan.path for plan in volume.stores.first_stage().values()]
        shown = [_stored(path, volume, job) for path in reversed(paths)]
        yield StoreBegun(number, tuple(shown))
    is_staged = len(volume.plan.stages) > 1
    start = time.perf_counter()
    events = iter_volume_prediction(
        volume, view=job.scope.view(job.image), control=control
    )
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            result: VolumeResult = end.value
            return result
        if isinstance(event, StageProgress):
            low, high = _SHARES[event.stage] if is_staged else (0.0, 1.0)
            share = low + (high - low) * event.share
            seconds = time.perf_counter() - start
            yield Progress(
                number, (number + share) / n_jobs, seconds, event.voxels_per_second
            )
        elif isinstance(event, BlockWritten):
            yield StoreGrown(number)
        elif isinstance(event, EngineChosen):
            yield event
