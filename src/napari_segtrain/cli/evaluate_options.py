"""Options of ``segtrain evaluate``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Unit(StrEnum):
    """What lengths are given in."""

    voxels = "voxels"
    um = "um"


class Side(StrEnum):
    """Which side of boundaries is left out."""

    both = "both"
    inside = "inside"
    outside = "outside"


TruthArgument = Annotated[
    Path, typer.Argument(help="Ground truth: file, folder or store.")
]
SegmentationArgument = Annotated[Path, typer.Argument(help="What is to be judged.")]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Folder for metrics.csv, metrics.json, report.html."
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option("--images", help="Also write overlays on these images."),
]
ObjectsOption = Annotated[
    bool,
    typer.Option(
        "--objects", help="Match objects, count splits and merges, Rand and VOI."
    ),
]
IouOption = Annotated[
    str | None,
    typer.Option("--iou", help="IoU from which objects match.", metavar="A,B,..."),
]
CentersOption = Annotated[
    float | None,
    typer.Option(
        "--center-distance", help="Also match objects by centers at most so far apart."
    ),
]
BoundariesOption = Annotated[
    bool,
    typer.Option("--boundaries", help="Compare surfaces: boundary F1, distances."),
]
ToleranceOption = Annotated[
    float | None,
    typer.Option("--tolerance", help="How far a boundary may be off; 2 if not given."),
]
UnitOption = Annotated[
    Unit | None,
    typer.Option("--unit", help="Of the tolerance and of the distance of centers."),
]
ProbabilitiesOption = Annotated[
    Path | None,
    typer.Option(
        "--probabilities",
        help="Maps of the segmentations: thresholds, calibration.",
    ),
]
AgainstOption = Annotated[
    Path | None,
    typer.Option(
        "--against", help="Another segmentation: is it better, and how sure is that?"
    ),
]
PdfOption = Annotated[
    bool, typer.Option("--pdf", help="Also write report.pdf to the output folder.")
]
ExcelOption = Annotated[
    bool, typer.Option("--excel", help="Also write metrics.xlsx to the output folder.")
]
ModelOption = Annotated[
    Path | None,
    typer.Option("--model", help="Run or model, to be described in the report."),
]
ExcludeOption = Annotated[
    int | None,
    typer.Option(
        "--exclude-boundaries",
        help="Leave out so many voxels along the true boundaries.",
    ),
]
SideOption = Annotated[
    Side | None,
    typer.Option("--exclude-side", help="Which side of them; both if not given."),
]
RegionOption = Annotated[
    str | None,
    typer.Option(
        "--region",
        help="Only voxels of this region count.",
        metavar="Z0:Z1,Y0:Y1,X0:X1",
    ),
]
MaskOption = Annotated[
    Path | None,
    typer.Option(
        "--mask",
        help="Label image, or a folder of them with the names of the ground truth; "
        "where it is 0 nothing counts.",
    ),
]
