"""Where training patches come from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt

from napari_segtrain.config.base import Auto, Config


class SamplingConfig(Config):
    """Size, number and position of the patches."""

    patch_size: tuple[PositiveInt, PositiveInt, PositiveInt] | Auto = "auto"
    """Patch in voxels along Z, Y, X; Z is 1 for 2D networks."""

    batch_size: PositiveInt | Auto = "auto"
    """Patches per iteration."""

    foreground_share: Annotated[float, Field(ge=0, le=1)] | Auto = "auto"
    """Share of the patches centered on a labelled voxel of a class that is not
    background, the classes taking turns; the others on any labelled voxel. auto is 0.5,
    and 0 for sparse labels, which a person has balanced already."""

    cache_megabytes: int = Field(1024, ge=0)
    """Images and labels smaller than this, together, are kept in memory."""

    loader_threads: int = Field(1, ge=0, le=16)
    """Threads that prepare batches while the network computes; 0 for none."""
