"""Options of ``segtrain objects``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Method(StrEnum):
    """How touching objects are told apart."""

    components = "components"
    distances = "distances"
    membranes = "membranes"
    erosion = "erosion"


class Mode(StrEnum):
    """What objects are of."""

    volume = "volume"
    slices = "slices"
    linked_slices = "linked-slices"


class Outlines(StrEnum):
    """Programs that outlines are for."""

    geojson = "geojson"
    imagej = "imagej"


SegmentationsArgument = Annotated[
    list[Path],
    typer.Argument(
        help="Label images or probability maps: files, folders, or patterns in quotes."
    ),
]
OutputOption = Annotated[
    Path,
    typer.Option("--output", "-o", help="Folder for label images and tables."),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option("--images", help="Also measure intensities in these images."),
]
ProbabilitiesOption = Annotated[
    bool, typer.Option("--probabilities", help="The files are probability maps.")
]
ChannelOption = Annotated[
    str | None,
    typer.Option("--channel", help="Name or number of the map that is meant."),
]
MethodOption = Annotated[
    Method | None,
    typer.Option("--method", help="How touching objects are told apart."),
]
ModeOption = Annotated[
    Mode | None,
    typer.Option("--mode", help="Objects of volumes, of slices, or linked by overlap."),
]
ThresholdOption = Annotated[
    float | None,
    typer.Option("--threshold", help="Probability from which there is an object."),
]
MinOption = Annotated[
    int | None, typer.Option("--min-voxels", help="Leave out smaller objects.")
]
MaxOption = Annotated[
    int | None, typer.Option("--max-voxels", help="Leave out larger objects.")
]
BorderOption = Annotated[
    bool,
    typer.Option("--drop-border", help="Leave out objects that the border cuts."),
]
DensityOption = Annotated[
    float | None,
    typer.Option(
        "--density",
        help="Also densities along each axis, in a slab so thick (20, as CDeep3M), in "
        "micrometers, or voxels where their size is not known.",
        metavar="LENGTH",
    ),
]
OutlinesOption = Annotated[
    list[Outlines] | None,
    typer.Option(
        "--outlines",
        help="Also outlines, as GeoJSON (QuPath) or ROIs (ImageJ); may be repeated.",
    ),
]
SurfacesOption = Annotated[
    bool,
    typer.Option("--surfaces", help="Also smoothed surfaces in µm (PLY)."),
]
RegionsOption = Annotated[
    Path | None,
    typer.Option("--regions", help="Label image whose regions objects are counted in."),
]
ExcelOption = Annotated[
    bool, typer.Option("--excel", help="Also write objects.xlsx to the output folder.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Any other setting, as method.prominence=2; may be repeated.",
        metavar="A.B=C",
    ),
]
