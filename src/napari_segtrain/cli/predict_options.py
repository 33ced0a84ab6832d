"""Options of ``segtrain predict``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


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


ModelArgument = Annotated[Path, typer.Argument(help="Run folder, model or checkpoint.")]
ImagesArgument = Annotated[
    list[Path],
    typer.Argument(
        help="Files, folders, stores, or patterns in quotes, as 'data/**/*.tif'."
    ),
]
OutputOption = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Folder for the label images, or NAME.ome.zarr for a single one.",
    ),
]
AlsoOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--also",
        help="Another model of the same classes, whose probabilities are averaged "
        "with those of the first; may be repeated.",
        metavar="MODEL",
    ),
]
ProbabilitiesOption = Annotated[
    bool, typer.Option("--probabilities", help="Write probability maps as well.")
]
ProbabilityTypeOption = Annotated[
    Kind, typer.Option("--probability-type", help="0-255 or 0-1.")
]
SlicesOption = Annotated[
    str | None,
    typer.Option("--slices", help="One slice (12) or a range (10:20).", metavar="A:B"),
]
OutputFormatOption = Annotated[
    Format,
    typer.Option(
        "--format",
        help="OME-TIFF files; OME-Zarr stores, which are written block by block "
        "and go on where they were stopped; or PNG, of stacks a folder with one "
        "per slice. auto takes stores for images that are too large for memory, "
        "TIFF for others.",
    ),
]
OverlaysOption = Annotated[
    bool,
    typer.Option(
        "--overlays",
        help="Also draw the result on the image, in the colors of the classes: a "
        "PNG per image in the folder overlays, of stacks one for each of 8 slices.",
    ),
]
RegionOption = Annotated[
    str | None,
    typer.Option(
        "--region",
        help="Only blocks with voxels of this region (stores).",
        metavar="Z0:Z1,Y0:Y1,X0:X1",
    ),
]
MaskOption = Annotated[
    Path | None,
    typer.Option(
        "--mask",
        help="Label image, of the image's size or smaller; blocks where it is 0 "
        "are left empty (stores).",
    ),
]
PreviewOption = Annotated[
    bool,
    typer.Option(
        "--preview",
        help="Tell which blocks would be left empty, and why, and write nothing "
        "(stores).",
    ),
]
PartOption = Annotated[
    str | None,
    typer.Option(
        "--part",
        help="Do part i of n of the blocks, while other processes do the others "
        "(stores); for job arrays of clusters.",
        metavar="I/N",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="Processes here, through Dask (stores).",
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        help="Address of a Dask scheduler whose workers compute (stores).",
        metavar="ADDRESS",
    ),
]
OverwriteOption = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace outputs that were made of something else."
    ),
]
