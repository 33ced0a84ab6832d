"""Prediction on the terminal: one label file per image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError

from napari_segtrain.cli.progress import Bar
from napari_segtrain.cli.training_run import interruptible
from napari_segtrain.config import InferenceConfig, set_value
from napari_segtrain.control import Event, RunControl
from napari_segtrain.errors import ConfigError, PredictionError
from napari_segtrain.image import Image
from napari_segtrain.inference.events import TileDone
from napari_segtrain.inference.predictor import Prediction, iter_prediction
from napari_segtrain.io import refuse_existing, write_labels, write_probabilities
from napari_segtrain.models import Model
from napari_segtrain.workflows import load_model, open_images, run


@dataclass(frozen=True)
class Reading:
    """What the image files do not say."""

    axes: str | None
    stack: bool


def make_config(
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
        set_value(values, assignment)
    try:
        return InferenceConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"The setting {place}={first['input']!r} is not possible: {first['msg']}."
        ) from error


def start(
    model_path: Path,
    images: Path,
    output: Path,
    *,
    config: InferenceConfig,
    slices: tuple[int, int] | None,
    reading: Reading,
    overwrite: bool,
) -> None:
    """Predict every image; outputs are checked before the first."""
    model = load_model(model_path)
    todo = open_images(images, axes=reading.axes, stack=reading.stack)
    targets = [(image, output / _file_name(image)) for image in todo]
    for _, path in targets:
        refuse_existing(path, overwrite=overwrite)
        if config.probabilities != "none":
            refuse_existing(_probability_path(path), overwrite=overwrite)
    output.mkdir(parents=True, exist_ok=True)
    with interruptible() as control:
        for image, path in targets:
            prediction = _predict(model, image, config, slices, control)
            if not prediction.is_complete:
                raise PredictionError(f"Stopped before {image.name} was done.")
            _write(prediction, path)
            typer.echo(f"{image.name} -> {path} ({prediction.seconds:.1f} s)")


def _predict(
    model: Model,
    image: Image,
    config: InferenceConfig,
    slices: tuple[int, int] | None,
    control: RunControl,
) -> Prediction:
    with Bar(image.name) as bar:

        def show(event: Event) -> None:
            if isinstance(event, TileDone):
                speed = f"{event.voxels_per_second / 1e6:.2f} Mvoxel/s"
                bar.update(event.n_done / event.n_total, speed)

        work = iter_prediction(model, image, config, slices=slices, control=control)
        return run(work, show)


def _write(prediction: Prediction, path: Path) -> None:
    labels = prediction.labels
    write_labels(
        path,
        labels.array,
        axes=labels.axes,
        voxel_size=labels.voxel_size,
        classes=labels.classes,
    )
    maps = prediction.probabilities
    if maps is not None:
        write_probabilities(
            _probability_path(path),
            maps.array,
            axes=maps.axes,
            voxel_size=maps.voxel_size,
            class_names=maps.channel_names,
        )


def _file_name(image: Image) -> str:
    """Same stem as the input; TIFF whatever the input is."""
    name = image.source.name if image.source else image.name
    if name.endswith((".tif", ".tiff")):
        return name
    stem = name.split(".")[0] if name.endswith(".ome.zarr") else Path(name).stem
    return f"{stem}.tif"


def _probability_path(path: Path) -> Path:
    folder = path.parent / "probabilities"
    return folder / path.name
