"""How a model is applied."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_segtrain.config.base import Auto, Config


class InferenceConfig(Config):
    """Tiles, device and what is written."""

    tile_size: tuple[int, int, int] | Auto = "auto"
    """Tile in voxels along Z, Y, X, context included; rounded to the network's grid."""

    halo: tuple[int, int, int] | Auto = "auto"
    """Context read around each tile and thrown away, in voxels along Z, Y, X."""

    overlap: float = Field(0.125, ge=0, lt=1)
    """Share of a tile that is blended with its neighbour."""

    batch_size: int | Auto = Field("auto")
    """Tiles that pass the network together."""

    device: Auto | Literal["cpu", "cuda", "mps"] = "auto"
    """Where the network computes."""

    amp: bool = True
    """Mixed precision, on CUDA only."""

    probabilities: Literal["none", "uint8", "float32"] = "none"
    """Also give probability maps: 0-255 or 0-1."""
