"""How a mask, classes or probabilities become objects."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from napari_segtrain.config.base import Config
from napari_segtrain.config.kinds import short_form

_Share = Annotated[float, Field(gt=0, lt=1)]
_SLIDER = "slider"
"""Key of the range that a slider covers; more can be typed."""
_Length = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]


class ComponentsSeparation(Config):
    """Each connected piece is an object."""

    kind: Literal["components"] = "components"
    corners: bool = False
    """Whether voxels that share only a corner or an edge are connected."""


class DistanceSeparation(Config):
    """Cut pieces at their necks: watershed of the distance to the edge."""

    kind: Literal["distances"] = "distances"
    prominence: _Length = Field(1.0, json_schema_extra={_SLIDER: [0, 10]})
    """How much further from the edge an object must be in its middle than in the neck
    to the next one, in shortest edges of a voxel; higher separates less."""


class MembraneSeparation(Config):
    """Fill the cells that membranes enclose, by watershed (as CDeep3M)."""

    kind: Literal["membranes"] = "membranes"
    smoothing: _Length = Field(2.0, json_schema_extra={_SLIDER: [0, 10]})
    """Sigma of the smoothing before, in shortest edges of a voxel."""
    h_minima: _Share = Field(0.15, json_schema_extra={_SLIDER: [0.01, 0.6]})
    """How much more probable the membrane between two cells must be than inside the
    cells; higher separates less."""
    limit: _Share = Field(0.8, json_schema_extra={_SLIDER: [0.05, 0.95]})
    """Where the membrane is more probable there is no cell."""


class ErosionSeparation(Config):
    """Shrink, take connected pieces, grow again (PyJAMAS)."""

    kind: Literal["erosion"] = "erosion"
    width: PositiveInt = Field(3, json_schema_extra={_SLIDER: [1, 31]})
    """Edge of the square, or cube, that is shrunk and grown by, in voxels."""


SeparationMethod = Annotated[
    ComponentsSeparation | DistanceSeparation | MembraneSeparation | ErosionSeparation,
    Field(discriminator="kind"),
    short_form("kind"),
]


class SeparationConfig(Config):
    """How objects are told apart, and which of them stay."""

    method: SeparationMethod = ComponentsSeparation()
    """How touching objects are told apart: components, distances, membranes or
    erosion."""

    threshold: _Share = Field(0.5, json_schema_extra={_SLIDER: [0.05, 0.95]})
    """Probability from which a voxel is of an object (not for membranes)."""

    mode: Literal["volume", "slices", "linked-slices"] = "volume"
    """Objects of the volume; of each slice by itself; or of slices, those that overlap
    from slice to slice being one."""

    link_overlap: _Share = 0.3
    """Smallest IoU of objects in neighboring slices that are linked."""

    smoothing: _Length = Field(0.0, json_schema_extra={_SLIDER: [0, 10]})
    """Sigma by which outlines are smoothed before, in shortest edges of a voxel."""

    fill_holes: bool = True
    """Close the holes inside objects."""

    min_voxels: NonNegativeInt = Field(0, json_schema_extra={_SLIDER: [0, 10000]})
    """Smaller objects are left out."""

    max_voxels: PositiveInt | None = None
    """Larger objects are left out; none keeps all."""

    drop_border: bool = False
    """Leave out objects that touch the border of the image (of a slice, its sides)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.max_voxels is not None and self.max_voxels < self.min_voxels:
            raise ValueError(
                f"max_voxels ({self.max_voxels}) must be at least min_voxels "
                f"({self.min_voxels})"
            )
        return self
