"""The demo on the terminal."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import typer

from napari_segtrain.cli import evaluation_run, prediction_run, training_run
from napari_segtrain.data.samples import SAMPLES, SampleInfo, sample_dir
from napari_segtrain.io import refuse_existing

_PARTS = ("model", "segmentation", "report")


def start(output: Path, sample: str, seconds: float, *, overwrite: bool) -> None:
    """Train, predict and evaluate in one go.

    Raises
    ------
    SegtrainError
        When the sample does not exist, or the output does.
    """
    data = sample_dir(sample)
    info = next(info for info in SAMPLES if info.name == sample)
    for part in _PARTS:
        refuse_existing(output / part, overwrite=overwrite)
    if (output / "model" / "plan.json").is_file():
        shutil.rmtree(output / "model")
    typer.echo(f"1. {info.title}: training on {data / 'train'}")
    changes = {
        "data": _data(data, info),
        "training": {"length": {"kind": "time-budget", "seconds": seconds}},
    }
    training_run.start(
        None, changes, [], output=output / "model", continue_from=None, is_dry=False
    )
    typer.echo(f"2. predicting {data / 'test/image'}, which was not trained on")
    order = prediction_run.Order(
        models=[output / "model"],
        images=[data / "test/image"],
        output=output / "segmentation",
        config=prediction_run.read_config("uint8", None, []),
        kind="tiff",
        overwrite=overwrite,
    )
    prediction_run.start(order)
    typer.echo("3. comparing with the ground truth")
    evaluation_run.start(
        data / "test/label",
        output / "segmentation",
        {"objects": info.target == "instances"},
        output=output / "report",
        images=data / "test/image",
        overwrite=overwrite,
    )
    typer.echo(
        f"everything is in {output}: the model and its curves in model, labels and "
        "probability maps in segmentation, the table and pictures in report"
    )


def _data(folder: Path, info: SampleInfo) -> dict[str, Any]:
    names = dict(enumerate(info.classes)) if info.target == "semantic" else {}
    return {
        "images": folder / "train/image",
        "labels": folder / "train/label",
        "classes": names,
    }
