"""Several views of each tile, by one network or by several, and how far they agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.inference.orientations import Orientation
from napari_segtrain.inference.uncertainty import SpreadSum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.inference.protocol import Array32, Runtime
    from napari_segtrain.inference.uncertainty import Spread
    from napari_segtrain.networks import NetworkInfo

View = tuple["Runtime", Orientation]


class ViewsRuntime:
    """An engine that gives the mean of several views of each batch.

    Where tiles begin on the network's grid, the mean over orientations is that of whole
    images that were padded to the grid, turned and predicted.

    Parameters
    ----------
    views : sequence of (Runtime, Orientation)
        At least one; the networks have the same grid and classes.
    spread : {"deviation", "agreement"}, optional
        Adds a map to those of the classes, see `SpreadSum`.
    """

    def __init__(self, views: Sequence[View], spread: Spread | None = None) -> None:
        self._views = tuple(views)
        self._spread: Spread | None = spread

    @property
    def info(self) -> NetworkInfo:
        """Grid, receptive field and size of the networks."""
        return self._views[0][0].info

    @property
    def max_voxels(self) -> int:
        """Voxels that are worth passing at once: more are no faster, or do not fit."""
        return min(runtime.max_voxels for runtime, _ in self._views)

    def __call__(self, batch: Array32) -> Array32:
        """Turn images (N, C, [Z], Y, X) into mean probabilities (N, K, [Z], Y, X).

        With a spread, it is map K.

        Raises
        ------
        OutOfMemory
            When a smaller batch might pass.
        """
        total = SpreadSum(self._spread)
        for runtime, orientation in self._views:
            turned = np.ascontiguousarray(orientation.apply(batch))
            total.add(orientation.undo(runtime(turned)))
        return total.result()
