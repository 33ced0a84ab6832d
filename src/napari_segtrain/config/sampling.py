"""Where training patches come from and how they are varied."""

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


class AugmentationConfig(Config):
    """Random changes of the training patches, made batch-wise on the device."""

    flips: bool = True
    """Mirror along each axis with probability 1/2."""

    rotations: bool = True
    """Rotate in the plane by multiples of 90 degrees (square patches)."""

    affine_probability: float = Field(0.2, ge=0, le=1)
    """Share of the batches that are rotated and scaled by a small amount."""

    max_rotation: float = Field(15.0, ge=0, le=180)
    """Greatest angle in the plane, in degrees."""

    max_scale: float = Field(1.2, ge=1, le=2)
    """Greatest factor of enlargement or shrinking."""

    brightness: float = Field(0.2, ge=0, le=2)
    """Greatest shift, in units of the normalized intensity."""

    contrast: float = Field(0.25, ge=0, le=1)
    """Intensities are multiplied by up to 1 + contrast or divided by it."""

    noise: float = Field(0.05, ge=0, le=1)
    """Greatest standard deviation of Gaussian noise, in normalized units."""
