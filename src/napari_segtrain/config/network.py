"""Which network, and how large."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_segtrain.config.base import Auto, Config

Norm = Literal["batch", "instance", "group", "none"]


class UNetConfig(Config):
    """U-Net (Ronneberger 2015; Çiçek 2016 in 3D)."""

    name: Literal["unet"] = "unet"

    dims: Literal[2, 3] | Auto = "auto"
    """2 segments slice by slice, 3 in volumes."""

    depth: Annotated[int, Field(ge=1, le=8)] | Auto = "auto"
    """Number of down-sampling steps, 1 to 8."""

    stem: Literal[1, 2] | Auto = "auto"
    """2 turns blocks of 2 voxels per axis into channels first, which makes training and
    prediction about four times faster; 1 works at full resolution."""

    first_filters: Annotated[int, Field(ge=1, le=512)] | Auto = "auto"
    """Filters of the first level, 1 to 512; they double at each step down."""

    kernel_size: Literal[3, 5] = 3
    """Width of the convolutions in voxels."""

    norm: Norm = "batch"
    """batch keeps tiled prediction exact; instance and group do not."""

    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the channels dropped in the deepest level while training."""


NetworkConfig = UNetConfig
