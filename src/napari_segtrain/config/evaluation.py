"""What a comparison with ground truth measures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_segtrain.config.base import Config

LengthUnit = Literal["voxels", "um"]

_Length = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(gt=0, le=1)]


class EvaluationConfig(Config):
    """Which scores are computed, beside those of classes, and of which voxels."""

    objects: bool = False
    """Match objects, count false splits and merges, and compare divisions (Rand,
    variation of information)."""

    iou_thresholds: tuple[_Share, ...] = Field((0.5, 0.75), min_length=1)
    """IoU from which objects match."""

    center_distance: _Length = 0.0
    """Also match objects by their centers, at most so far apart; 0 does not. Objects
    are scored then in any case."""

    boundaries: bool = False
    """Compare the surfaces of the classes: boundary F1, distances."""

    tolerance: _Length = 2.0
    """How far a boundary may be from the true one to be right."""

    unit: LengthUnit = "voxels"
    """Of the tolerance and of the distance of centers; a voxel is as long as its
    shortest edge."""

    exclusion_width: int = Field(0, ge=0, le=10)
    """Leave out so many voxels along the boundaries of the ground truth."""

    exclusion_side: Literal["both", "inside", "outside"] = "both"
    """Which side of the boundaries is left out: that of the classes, that of the
    background, or both."""

    @property
    def wants_objects(self) -> bool:
        """Whether objects are scored."""
        return self.objects or self.center_distance > 0
