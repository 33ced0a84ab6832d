"""Prediction on the terminal: one label file per image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from napari_segtrain.boxes import box_shape
from napari_segtrain.cli import volume_run
from napari_segtrain.cli.interruption import SignalControl, interruptible
from napari_segtrain.cli.progress import Bar
from napari_segtrain.cli.volume_run import VolumeOptions
from napari_segtrain.config import InferenceConfig, VolumeConfig, set_value
from napari_segtrain.control import Event
from napari_segtrain.data.files import open_images
from napari_segtrain.errors import ConfigError, OutputError
from napari_segtrain.image import Image
from napari_segtrain.inference.committee import check_committee
from napari_segtrain.inference.events import EngineChosen, TileDone
from napari_segtrain.inference.fit import check_fit, region
from napari_segtrain.inference.likeness import remarks
from napari_segtrain.inference.predictor import Prediction, iter_prediction
from napari_segtrain.io import refuse_existing, write_labels, write_probabilities
from napari_segtrain.models import Model
from napari_segtrain.workflows.models import load_model
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.settings import parse_inference
from napari_segtrain.workflows.volumes import VolumeOrder, is_too_large

Slices = tuple[int, int] | None


@dataclass(frozen=True)
class Reading:
    """What the image files do not say."""

    axes: str | None
    stack: bool


@dataclass(frozen=True)
class Order:
    """What is to be predicted with what, and where to."""

    models: Sequence[Path]
    images: Path
    output: Path
    config: InferenceConfig
    slices: Slices
    reading: Reading


def read_config(
    probabilities: str, device: str | None, settings: Sequence[str]
) -> InferenceConfig:
    """Options and ``--set`` as a config.

    Raises
    ------
    ConfigError
        When a setting does not exist or its value is not allowed.
    """
    values: dict[str, Any] = {"probabilities": probabilities}
    if device is not None:
        values["device"] = device
    for assignment in settings:
        set_value(values, assignment, InferenceConfig)
    return parse_inference(values)


def start(
    order: Order,
    kind: str,
    volume: VolumeConfig,
    options: VolumeOptions,
    *,
    overwrite: bool,
) -> None:
    """Predict every image, into files or into stores.

    Parameters
    ----------
    order : Order
        What and where to.
    kind : {"auto", "tiff", "zarr"}
        Files, or stores that are written block by block.
    volume, options
        Of stores.
    overwrite : bool
        Replace what is there.
    """
    for path in order.models:
        load_model(path)  # before the images, as it says most when both are wrong
    reading = order.reading
    todo = open_images(order.images, axes=reading.axes, stack=reading.stack)
    asks_for_blocks = options.are_given or volume != VolumeConfig()
    if kind == "tiff" and asks_for_blocks:
        raise ConfigError(
            "Regions, masks, parts, workers and settings of volumes are for stores; "
            "leave --format tiff out, or these."
        )
    is_large = any(is_too_large(image, order.config) for image in todo)
    if kind == "zarr" or asks_for_blocks or (kind == "auto" and is_large):
        _start_stores(order, volume, options, overwrite=overwrite)
    else:
        start_files(order, overwrite=overwrite)


def start_files(order: Order, *, overwrite: bool) -> None:
    """Predict every image into files; all are checked before the first."""
    models = [load_model(path) for path in order.models]
    config, slices, reading = order.config, order.slices, order.reading
    todo = open_images(order.images, axes=reading.axes, stack=reading.stack)
    check_committee(models, config)
    for image in todo:
        for model in models:
            check_fit(model, image)
        region(image, slices)
    targets = _targets(todo, order.output)
    _check_targets(targets, config, overwrite=overwrite)
    n_voxels = sum(_n_voxels(image, slices) for image in todo)
    with interruptible("images that are done are kept") as control:
        for path, image in targets.items():
            prediction = _predict(models, image, config, slices, control, n_voxels)
            if not prediction.is_complete:
                typer.echo(f"stopped before {image.name} was done")
                raise control.leave()
            _write(prediction, path, config)
            typer.echo(f"{image.name} -> {path} ({prediction.seconds:.1f} s)")


def _start_stores(
    order: Order, volume: VolumeConfig, options: VolumeOptions, *, overwrite: bool
) -> None:
    if order.slices is not None:
        raise ConfigError(
            "--slices is for files, not for stores; give --region with the slices "
            "first, such as 10:20,0:512,0:512."
        )
    whole = VolumeOrder(
        models=tuple(order.models),
        image=order.images,
        output=order.output,
        config=order.config,
        volume=volume,
        axes=order.reading.axes,
        stack=order.reading.stack,
    )
    volume_run.start(whole, options, overwrite=overwrite)


def _n_voxels(image: Image, slices: Slices) -> int:
    return len(image.items()) * math.prod(box_shape(region(image, slices)))


def _targets(images: Sequence[Image], output: Path) -> dict[Path, Image]:
    """File to write for each image.

    Raises
    ------
    OutputError
        When two images would go to the same file.
    """
    targets: dict[Path, Image] = {}
    for image in images:
        path = output / _file_name(image)
        if path in targets:
            raise OutputError(
                f"{targets[path].source} and {image.source} would both be written to "
                f"{path}; predict them one by one, to different outputs."
            )
        targets[path] = image
    return targets


def _file_name(image: Image) -> str:
    """Same stem as the input; TIFF whatever the input is."""
    source = image.source
    if source and source.is_file() and source.suffix.lower() in {".tif", ".tiff"}:
        return source.name
    return f"{image.name}.tif"


def _check_targets(
    targets: dict[Path, Image], config: InferenceConfig, *, overwrite: bool
) -> None:
    for path, image in targets.items():
        if path.parent.exists() and not path.parent.is_dir():
            raise OutputError(f"{path.parent} is a file; --output names a folder.")
        if image.source and path.resolve() == image.source.resolve():
            raise OutputError(
                f"{path} is the image itself and would be replaced; choose another "
                "--output."
            )
        refuse_existing(path, overwrite=overwrite)
        if config.probabilities != "none":
            refuse_existing(_map_path(path, "probabilities"), overwrite=overwrite)
        if config.uncertainty != "none":
            refuse_existing(_map_path(path, config.uncertainty), overwrite=overwrite)


def _predict(
    models: Sequence[Model],
    image: Image,
    config: InferenceConfig,
    slices: Slices,
    control: SignalControl,
    n_voxels: int,
) -> Prediction:
    for text in remarks([model.spec for model in models], image, config):
        typer.echo(f"warning: {text}")
    with Bar(image.name) as bar:

        def show(event: Event) -> None:
            if isinstance(event, EngineChosen) and event.reason:
                typer.echo(f"engine: {event.words}")
            elif isinstance(event, TileDone):
                speed = f"{event.voxels_per_second / 1e6:.2f} Mvoxel/s"
                bar.update(event.n_done / event.n_total, speed)

        work = iter_prediction(
            models, image, config, slices=slices, control=control, n_voxels=n_voxels
        )
        return run(work, show)


def _write(prediction: Prediction, path: Path, config: InferenceConfig) -> None:
    write_labels(path, prediction.labels)
    maps = {
        "probabilities": prediction.probabilities,
        config.uncertainty: prediction.uncertainty,
    }
    for name, values in maps.items():
        if values is not None:
            write_probabilities(
                _map_path(path, name),
                values.array,
                axes=values.axes,
                voxel_size=values.voxel_size,
                class_names=values.channel_names,
            )


def _map_path(path: Path, name: str) -> Path:
    """Same file name, in a folder beside the labels."""
    return path.parent / name / path.name
