"""Blocks of a prediction put together to one array, of a size that memory allows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import psutil

from napari_segtrain.axes import ZYX
from napari_segtrain.boxes import box_shape, relative
from napari_segtrain.inference.events import BlockPredicted, TileDone

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_segtrain.boxes import Box
    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.inference.items import ItemEvents
    from napari_segtrain.inference.protocol import Array32

_MAX_NUMBERS = 1 << 25
"""Probabilities of a part, of one model."""
_BYTES = 32
"""Per probability: sums, squares and what is made of them."""
_MEMORY_SHARE = 0.25
_GB = 1e9
_SHARES = 1000


@dataclass(frozen=True)
class Cut:
    """Into what work is cut, chosen once so that every process cuts alike.

    Parameters
    ----------
    max_numbers : int
        Probabilities of a part, see `affordable_numbers`.
    tiles : tuple of (ZYX, int)
        ``tile_size`` and ``batch_size`` of each model; empty where the config has them.
    """

    max_numbers: int
    tiles: tuple[tuple[ZYX, int], ...] = ()

    def config_of(self, number: int, config: InferenceConfig) -> InferenceConfig:
        """Settings of one of the models."""
        if not self.tiles:
            return config
        tile, batch = self.tiles[number]
        return config.model_copy(update={"tile_size": tile, "batch_size": batch})


def affordable_numbers(config: InferenceConfig) -> int:
    """Probabilities of a part of which several copies fit in memory."""
    free = float(psutil.virtual_memory().available)
    limit = config.memory_limit
    counted = free if limit == "auto" else min(free, limit * _GB)
    return int(min(_MAX_NUMBERS, counted * _MEMORY_SHARE / _BYTES))


def collected(
    work: ItemEvents,
    box: Box,
    n_maps: int,
    step: tuple[int, int] = (0, 1),
    speed: float = 1.0,
) -> Generator[TileDone, None, Array32 | None]:
    """Put the blocks of a box together.

    Parameters
    ----------
    work : generator
        Blocks that cover the box, and tiles that were done.
    box : Box
        ZYX voxels.
    n_maps : int
        Classes, and one more for the spread where blocks have one.
    step : (int, int)
        Steps of equal length that were done before this one, and all of them.
    speed : float
        Voxels of the result for each of this work.

    Yields
    ------
    TileDone
        Of all steps.

    Returns
    -------
    ndarray of float32, shape (n_maps, Z, Y, X), or None
        ``None`` when it was stopped.
    """
    found = np.zeros((n_maps, *box_shape(box)), np.float32)
    n_before, n_steps = step
    while True:
        try:
            event = next(work)
        except StopIteration as end:
            return found if end.value else None
        if isinstance(event, BlockPredicted):
            place = relative(event.box, box)
            n_classes = len(event.probabilities)
            found[(slice(n_classes), *place)] = event.probabilities
            if n_classes < n_maps and event.spread is not None:
                found[(n_classes, *place)] = event.spread
        else:
            yield replace(
                event,
                n_done=n_before * _SHARES + _SHARES * event.n_done // event.n_total,
                n_total=n_steps * _SHARES,
                voxels_per_second=event.voxels_per_second * speed,
            )
