"""Blending of tiles in a window that moves along Z."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_segtrain.boxes import Box
    from napari_segtrain.inference.protocol import Array32
    from napari_segtrain.inference.tiling import Tile


class SlabAccumulator:
    """Sums weighted tiles and gives out the slabs that no later tile changes.

    Parameters
    ----------
    box : Box
        Region that the tiles cover.
    n_classes : int
        Channels.
    depth : int
        Slices of the longest kept part.
    """

    def __init__(self, box: Box, n_classes: int, depth: int) -> None:
        _, y, x = box
        shape = (n_classes, depth, y.stop - y.start, x.stop - x.start)
        self._sums = np.zeros(shape, np.float32)
        self._rest = box
        self._n_begun = 0

    @property
    def rest(self) -> Box:
        """Part of the box that was not given out yet."""
        return self._rest

    def add(self, tile: Tile, probabilities: Array32) -> None:
        """Add a result of shape (K, Z, Y, X), as large as ``tile.read``."""
        place = tuple(
            slice(part.start - whole.start, part.stop - whole.start)
            for part, whole in zip(tile.keep, self._rest, strict=True)
        )
        self._n_begun = max(self._n_begun, place[0].stop)
        kept = probabilities[(slice(None), *tile.kept)]
        z, y, x = tile.weights
        weights = z[:, None, None] * y[:, None] * x
        self._sums[(slice(None), *place)] += kept * weights

    def take(self, following: Tile | None) -> tuple[Box, Array32] | None:
        """Give out the slices that end before the tile that follows, if any."""
        z, y, x = self._rest
        stop = following.keep[0].start if following else z.stop
        n_slices = stop - z.start
        if n_slices == 0:
            return None
        self._rest = (slice(stop, z.stop), y, x)
        slab = self._sums[:, :n_slices]
        n_left = max(0, self._n_begun - n_slices)
        if following:
            rest = np.zeros(self._sums.shape, np.float32)
            rest[:, :n_left] = self._sums[:, n_slices : self._n_begun]
            self._sums, self._n_begun = rest, n_left
        return (slice(z.start, stop), y, x), slab
