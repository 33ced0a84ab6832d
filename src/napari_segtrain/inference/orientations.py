"""Test-time augmentation: the mean over mirrored and turned views of a tile."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.inference.protocol import Array32, Runtime
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


def choose_orientations(n: int, info: NetworkInfo) -> tuple[Orientation, ...]:
    """Orientations that a prediction is averaged over, the first as it is.

    Two are mirrored along X, four along Y as well, eight are all of the plane, sixteen
    also those upside down.

    Parameters
    ----------
    n : int
        1, 2, 4, 8 or 16.
    info : NetworkInfo
        What the network takes.

    Raises
    ------
    ConfigError
        When the network cannot see the image that way.
    """
    check_orientations(n, info.dims)
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


def check_orientations(n: int, dims: int) -> None:
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


class OrientedRuntime:
    """An engine that sees each batch from several sides and gives the mean.

    Where tiles begin on the network's grid, that is the mean of whole images that were
    padded to the grid, turned and predicted.

    Parameters
    ----------
    runtime : Runtime
        The network.
    orientations : sequence of Orientation
        At least one.
    """

    def __init__(self, runtime: Runtime, orientations: Sequence[Orientation]) -> None:
        self._runtime = runtime
        self._orientations = tuple(orientations)

    @property
    def info(self) -> NetworkInfo:
        """Grid, receptive field and size of the network."""
        return self._runtime.info

    @property
    def max_voxels(self) -> int:
        """Voxels that are worth passing at once: more are no faster, or do not fit."""
        return self._runtime.max_voxels

    def __call__(self, batch: Array32) -> Array32:
        """Turn images (N, C, [Z], Y, X) into mean probabilities (N, K, [Z], Y, X).

        Raises
        ------
        OutOfMemory
            When a smaller batch might pass.
        """
        first, *others = self._orientations
        total = self._seen(first, batch).copy()
        for orientation in others:
            total += self._seen(orientation, batch)
        total /= len(self._orientations)
        return total

    def _seen(self, orientation: Orientation, batch: Array32) -> Array32:
        turned = np.ascontiguousarray(orientation.apply(batch))
        return orientation.undo(self._runtime(turned))
