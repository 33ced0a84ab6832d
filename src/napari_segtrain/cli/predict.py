"""``segtrain predict``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from napari_segtrain.cli import options as o
from napari_segtrain.errors import ConfigError


class Format(StrEnum):
    """What results are written as."""

    auto = "auto"
    tiff = "tiff"
    zarr = "zarr"
    png = "png"


class Kind(StrEnum):
    """Type of probability maps."""

    uint8 = "uint8"
    float32 = "float32"


def predict(
    model: Annotated[Path, typer.Argument(help="Run folder, model or checkpoint.")],
    images: Annotated[
        list[Path],
        typer.Argument(
            help="Files, folders, stores, or patterns in quotes, as 'data/**/*.tif'."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Folder for the label images, or NAME.ome.zarr for a single one.",
        ),
    ],
    also: Annotated[
        list[Path] | None,
        typer.Option(
            "--also",
            help="Another model of the same classes, whose probabilities are averaged "
            "with those of the first; may be repeated.",
            metavar="MODEL",
        ),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write probability maps as well.")
    ] = False,
    probability_type: Annotated[
        Kind, typer.Option("--probability-type", help="0-255 or 0-1.")
    ] = Kind.uint8,
    slices: Annotated[
        str | None,
        typer.Option(
            "--slices", help="One slice (12) or a range (10:20).", metavar="A:B"
        ),
    ] = None,
    output_format: Annotated[
        Format,
        typer.Option(
            "--format",
            help="OME-TIFF files; OME-Zarr stores, which are written block by block "
            "and go on where they were stopped; or PNG, of stacks a folder with one "
            "per slice. auto takes stores for images that are too large for memory, "
            "TIFF for others.",
        ),
    ] = Format.auto,
    overlays: Annotated[
        bool,
        typer.Option(
            "--overlays",
            help="Also draw the result on the image, in the colors of the classes: a "
            "PNG per image in the folder overlays, of stacks one for each of 8 slices.",
        ),
    ] = False,
    region: Annotated[
        str | None,
        typer.Option(
            "--region",
            help="Only blocks with voxels of this region (stores).",
            metavar="Z0:Z1,Y0:Y1,X0:X1",
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            "--mask",
            help="Label image, of the image's size or smaller; blocks where it is 0 "
            "are left empty (stores).",
        ),
    ] = None,
    preview: Annotated[
        bool,
        typer.Option(
            "--preview",
            help="Tell which blocks would be left empty, and why, and write nothing "
            "(stores).",
        ),
    ] = False,
    part: Annotated[
        str | None,
        typer.Option(
            "--part",
            help="Do part i of n of the blocks, while other processes do the others "
            "(stores); for job arrays of clusters.",
            metavar="I/N",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            help="Processes here, through Dask (stores).",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            help="Address of a Dask scheduler whose workers compute (stores).",
            metavar="ADDRESS",
        ),
    ] = None,
    axes: o.AxesOption = None,
    stack: o.StackOption = False,
    device: o.DeviceOption = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace outputs that were made of something else."
        ),
    ] = False,
    settings: o.SetOption = None,
) -> None:
    """Segment images with a trained model, one label image per input.

    What was done before is skipped, so the same command goes on after a stop.
    """
    from napari_segtrain.cli import prediction_run, volume_run

    others, volume = volume_run.split_settings(settings or [])
    order = prediction_run.Order(
        models=[model, *(also or [])],
        images=images,
        output=output,
        config=prediction_run.read_config(
            probability_type.value if probabilities else "none",
            device.value if device else None,
            others,
        ),
        slices=_parse_slices(slices),
        reading=prediction_run.Reading(axes, stack),
        kind=output_format.value,
        overlays=overlays,
        volume=volume,
        blocks=volume_run.VolumeOptions(
            part=part,
            region=region,
            mask=mask,
            workers=workers,
            scheduler=scheduler,
            preview=preview,
        ),
        overwrite=overwrite,
    )
    prediction_run.start(order)


def _parse_slices(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, sign, last = text.partition(":")
    try:
        start = int(first)
        stop = int(last) if sign else start + 1
    except ValueError as error:
        raise ConfigError(
            f"'{text}' names no slices; write --slices 12 or --slices 10:20."
        ) from error
    if not 0 <= start < stop:
        raise ConfigError(f"The slices '{text}' are empty; write --slices 10:20.")
    return start, stop
