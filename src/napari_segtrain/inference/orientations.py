"""Mirrored and turned views of a tile, for test-time augmentation."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.errors import ConfigError

if TYPE_CHECKING:
    from napari_segtrain.inference.protocol import Array32
    from napari_segtrain.networks import NetworkInfo

_TRANSPOSED = 8
"""So many orientations exchange rows and columns, too."""
_UPSIDE_DOWN = 16
_Z, _Y, _X = -3, -2, -1


@dataclass(frozen=True)
class Orientation:
    """A reflection, or a turn by a right angle.

    Parameters
    ----------
    mirrored : tuple of int
        Axes that are mirrored, counted from the last: -1 is X.
    is_transposed : bool
        Whether Y and X are exchanged afterwards.
    """

    mirrored: tuple[int, ...] = ()
    is_transposed: bool = False

    def apply(self, batch: Array32) -> Array32:
        """Return a view of a batch (N, C, [Z], Y, X)."""
        turned = np.flip(batch, self.mirrored)
        return turned.swapaxes(_Y, _X) if self.is_transposed else turned

    def undo(self, batch: Array32) -> Array32:
        """Return a view of a batch that was turned, as it was."""
        turned = batch.swapaxes(_Y, _X) if self.is_transposed else batch
        return np.flip(turned, self.mirrored)


def choose_orientations(
    n: int | Literal["all"], info: NetworkInfo
) -> tuple[Orientation, ...]:
    """Orientations that a prediction is averaged over, the first as it is.

    Two are mirrored along X, four along Y as well, eight are all of the plane, sixteen
    also those upside down.

    Parameters
    ----------
    n : int or "all"
        1, 2, 4, 8 or 16; all are 8 of slices and 16 of volumes.
    info : NetworkInfo
        What the network takes.

    Raises
    ------
    ConfigError
        When the network cannot see the image that way.
    """
    check_orientations(n, info.dims)
    if n == "all":
        n = _TRANSPOSED if info.dims < len(SPATIAL_AXES) else _UPSIDE_DOWN
    _, rows, columns = zip(info.grid, info.min_size, strict=True)
    if n >= _TRANSPOSED and rows != columns:
        raise ConfigError(
            f"{n} orientations exchange rows and columns, but the network treats them "
            "differently; set orientations to 4 or fewer."
        )
    axes = {1: (), 2: (_X,), 4: (_Y, _X), 8: (_Y, _X), 16: (_Z, _Y, _X)}[n]
    flips = [
        tuple(
            axis for axis, is_mirrored in zip(axes, chosen, strict=True) if is_mirrored
        )
        for chosen in product((False, True), repeat=len(axes))
    ]
    turns = (False, True) if n >= _TRANSPOSED else (False,)
    return tuple(Orientation(flip, turn) for flip in flips for turn in turns)


def check_orientations(n: int | Literal["all"], dims: int) -> None:
    """Compare orientations with the dimensions of a network.

    Raises
    ------
    ConfigError
        When slices are to be turned upside down.
    """
    if n == _UPSIDE_DOWN and dims < len(SPATIAL_AXES):
        raise ConfigError(
            "16 orientations turn volumes upside down, but the model segments slice "
            "by slice; set orientations to 8 or fewer."
        )
