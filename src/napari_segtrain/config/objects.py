"""How ids of objects become what a network learns, and objects are made of it again."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt

from napari_segtrain.config.base import Auto, Config
from napari_segtrain.config.kinds import short_form


class ForegroundTarget(Config):
    """Learn the foreground only: each connected piece of it is an object."""

    kind: Literal["foreground"] = "foreground"


class BoundariesTarget(Config):
    """Learn interior, boundary, and where objects touch, as in DeepMIB's example."""

    kind: Literal["boundaries"] = "boundaries"
    width: float = Field(2.0, ge=1, le=50)
    """Width of boundaries inside the objects, in voxels (of the finest axis)."""


class DistancesTarget(Config):
    """Learn how deep in its object a voxel lies, in steps (Bai and Urtasun 2017)."""

    kind: Literal["distances"] = "distances"
    steps: int = Field(5, ge=2, le=32)
    """Steps from the edge of an object to its deepest voxel."""


ObjectTargetConfig = Annotated[
    ForegroundTarget | BoundariesTarget | DistancesTarget,
    Field(discriminator="kind"),
    short_form("kind"),
]


Prominence = Annotated[float, Field(ge=0, lt=1)]
"""Difference in depth, which is 0 at the edge of an object and at most 1 inside."""

Radii = Annotated[float, Field(ge=0, le=2)]
"""Length in radii of a usual labelled object."""


class ObjectsConfig(Config):
    """For labels that number objects: what is learned, and what an object is."""

    target: ObjectTargetConfig = BoundariesTarget()
    """What the network learns of each object: foreground, boundaries or distances."""

    ring_width: int = Field(5, ge=1, le=100)
    """Where 0 is unlabelled: voxels around each painted object that are background, in
    voxels (of the finest axis)."""

    prominence: Prominence = 0.02
    """How much deeper an object must be in its middle than where it meets the next one;
    higher separates less, lower breaks more objects into pieces."""

    smoothing: Radii = 0.15
    """How much the depth is smoothed before objects are separated, in radii of a usual
    labelled object; higher separates less."""

    min_voxels: NonNegativeInt | Auto = "auto"
    """Smaller objects are left out of predictions; auto is a quarter of the size that
    95 % of the labelled objects exceed."""

    fill_holes: bool = True
    """Close the holes inside predicted objects."""


class PredictedObjectsConfig(Config):
    """What an object is in a prediction, where it is not to be as in the training."""

    prominence: Prominence | Auto = "auto"
    """How much deeper an object must be in its middle than where it meets the next one;
    raise it where objects are split, lower it where they are merged; auto is the
    model's own."""

    smoothing: Radii | Auto = "auto"
    """How much the depth is smoothed before objects are separated, in radii of a usual
    object of the training; raise it where objects are split, lower it where they are
    merged; auto is the model's own."""

    min_voxels: NonNegativeInt | Auto = "auto"
    """Smaller objects are left out; auto is the model's own."""

    fill_holes: bool | Auto = "auto"
    """Close the holes inside objects; auto is the model's own."""
