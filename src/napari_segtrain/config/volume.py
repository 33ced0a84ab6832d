"""How results that are larger than memory are made and kept."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeInt, PositiveInt

from napari_segtrain.config.base import Auto, Config


class VolumeConfig(Config):
    """Blocks of a prediction that goes to a store, and what of it is left out."""

    block_size: tuple[PositiveInt, PositiveInt, PositiveInt] | Auto = "auto"
    """Voxels along Z, Y, X that are made and written as a whole; auto is 128, 512, 512
    for volumes, 64, 512, 512 for objects in stacks and 8, 2048, 2048 for slices,
    shortened to the image; others are rounded up to multiples of 16."""

    margin: NonNegativeInt | Auto = "auto"
    """Voxels around a block that are looked at when objects, or a tuned median or
    smallest part, are made of the maps; at least as long as objects are wide. auto is
    128 in flat images and 48 in others, or what the decision needs up to that."""

    downsampling: tuple[PositiveInt, PositiveInt, PositiveInt] = (1, 1, 1)
    """Predict at a lower resolution: how many voxels along Z, Y, X are averaged to one.
    The result has that resolution, and lies in the same place."""

    empty_below: float | Literal["none"] = "none"
    """Leave blocks empty whose brightest voxel, of all channels, is darker."""
