"""One item through the network, in tiles."""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import SPATIAL_AXES, ZYX
from napari_segtrain.boxes import (
    Box,
    box_shape,
    full_box,
    nearest_first,
    relative,
)
from napari_segtrain.control import RunControl
from napari_segtrain.errors import PredictionError
from napari_segtrain.inference.events import BlockPredicted, TileDone
from napari_segtrain.inference.reading import read_tile
from napari_segtrain.inference.runtime import OutOfMemory
from napari_segtrain.inference.slabs import SlabAccumulator
from napari_segtrain.inference.tile_settings import choose_tiles
from napari_segtrain.inference.tiling import Tile, plan_tiles, widened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.image import Item
    from napari_segtrain.inference.protocol import Array32, Intensities, Runtime

MAX_ACCUMULATED = 1 << 27
"""Numbers of float32 in the blending window: 512 MB."""

ItemEvents = Generator[TileDone | BlockPredicted, None, bool]


def predict_item(  # noqa: PLR0913 - what is predicted with what
    item: Item,
    *,
    runtime: Runtime,
    intensities: Intensities,
    config: InferenceConfig,
    box: Box | None = None,
    view: Box | None = None,
    control: RunControl | None = None,
    has_spread: bool = False,
) -> ItemEvents:
    """Predict an item, or a box of it, with true context around the box.

    A two-dimensional network takes slice by slice. When memory is short, the batch
    and then the tile are halved and the work goes on.

    Parameters
    ----------
    item : Item
        With the channels of the network.
    runtime : Runtime
        The network.
    intensities : Intensities
        Normalization of the item.
    config : InferenceConfig
        Tiles, halo, overlap, batch.
    box : Box, optional
        Region to predict, ZYX voxels; the whole item without it.
    view : Box, optional
        Tiles that have voxels of this region come first, then those around it, where
        they are not blended.
    control : RunControl, optional
        Stop and pause, effective between two batches.
    has_spread : bool
        Whether the runtime gives a map more than classes, of how far views differ.

    Yields
    ------
    TileDone, BlockPredicted
        Blocks cover the box once and do not overlap: tiles, or slabs in the order of Z
        where tiles are blended.

    Returns
    -------
    bool
        Whether the box is complete; false when stopped.

    Raises
    ------
    DataError
        For NaN or infinite voxels.
    ConfigError
        When tile and halo do not fit.
    PredictionError
        When the smallest tile does not fit in memory.
    """
    box = box or full_box(item.shape)
    work = _ItemWork(
        item, runtime, intensities, config, box, view=view, has_spread=has_spread
    )
    return (yield from work.run(control or RunControl()))


def predict_classes(
    item: Item,
    *,
    runtime: Runtime,
    intensities: Intensities,
    config: InferenceConfig,
    box: Box | None = None,
    control: RunControl | None = None,
) -> npt.NDArray[np.uint8]:
    """Class indices of an item, or a box of it, in one call.

    Parameters and errors are those of `predict_item`.

    Returns
    -------
    ndarray of uint8, shape (Z, Y, X)
        Of the box; 0 where stopped.
    """
    box = box or full_box(item.shape)
    indices = np.zeros(box_shape(box), np.uint8)
    events = predict_item(
        item,
        runtime=runtime,
        intensities=intensities,
        config=config,
        box=box,
        control=control,
    )
    for event in events:
        if isinstance(event, BlockPredicted):
            indices[relative(event.box, box)] = most_likely(event.probabilities)
    return indices


def most_likely(probabilities: Array32) -> npt.NDArray[np.uint8]:
    """Index of the greatest of the probabilities (K, Z, Y, X), the first of equals."""
    best = probabilities[0].copy()
    indices = np.zeros(best.shape, np.uint8)
    for index, values in enumerate(probabilities[1:], start=1):
        indices[values > best] = index
        np.maximum(best, values, out=best)
    return indices


class _ItemWork:
    """State of `predict_item`: what is done, and how large the tiles are."""

    def __init__(
        self,
        item: Item,
        runtime: Runtime,
        intensities: Intensities,
        config: InferenceConfig,
        box: Box,
        *,
        view: Box | None,
        has_spread: bool,
    ) -> None:
        info = runtime.info
        self._n_classes = info.n_classes
        self._n_maps = info.n_classes + has_spread
        self._item = item
        self._runtime = runtime
        self._intensities = intensities
        self._box = box
        self._view = view
        self._shape = (
            item.shape if info.is_local else _grown(item.shape, info.min_result)
        )
        self._settings = choose_tiles(
            self._shape, box, info, config, max_voxels=runtime.max_voxels
        )
        self._batch_size = self._settings.batch_size
        self._n_done = 0
        self._n_voxels = 0.0
        self._start = time.perf_counter()

    def run(self, control: RunControl) -> ItemEvents:
        """Predict column by column; smaller tiles take over when memory is short."""
        columns = deque(self._columns(self._box))
        counts = self._counts(columns)
        while columns:
            column = columns.popleft()
            plan = self._plan(column)
            is_blended = not all(tile.is_alone for tile in plan)
            tiles = deque(plan if is_blended else self._view_first(plan))
            slabs = self._accumulator(column) if is_blended else None
            counts.popleft()
            try:
                is_complete = yield from self._predict(
                    tiles, slabs, sum(counts), control
                )
            except OutOfMemory as error:
                self._shrink_tiles(error)
                left = [tile.keep for tile in tiles] if slabs is None else [slabs.rest]
                again = [part for box in left for part in self._columns(box)]
                columns.extendleft(reversed(again))
                counts = self._counts(columns)
                continue
            if not is_complete:
                return False
        return True

    def _counts(self, columns: Sequence[Box]) -> deque[int]:
        """Tiles of each column; of the first they are counted when it is planned."""
        later = itertools.islice(columns, 1, None)
        return deque([0, *(len(self._plan(column)) for column in later)])

    def _predict(
        self,
        tiles: deque[Tile],
        slabs: SlabAccumulator | None,
        n_later: int,
        control: RunControl,
    ) -> ItemEvents:
        """Predict tiles, which are taken from the queue; blend them where they do."""
        while tiles:
            control.wait_while_paused()
            if control.is_stopping:
                return False
            for result in self._forward(tiles):
                tile = tiles.popleft()
                self._n_voxels += math.prod(float(w.sum()) for w in tile.weights)
                self._n_done += 1
                if slabs is None:
                    yield self._block(tile.keep, result[(slice(None), *tile.kept)])
                    continue
                slabs.add(tile, result)
                slab = slabs.take(tiles[0] if tiles else None)
                if slab:
                    yield self._block(*slab)
            yield self._progress(len(tiles) + n_later)
        return True

    def _block(self, box: Box, maps: Array32) -> BlockPredicted:
        if self._n_maps == self._n_classes:
            return BlockPredicted(box, maps)
        return BlockPredicted(box, maps[: self._n_classes], maps[self._n_classes])

    def _forward(self, tiles: deque[Tile]) -> list[Array32]:
        """Probabilities (K, Z, Y, X) of as many of the first tiles as fit in memory."""
        while True:
            chosen = list(itertools.islice(tiles, self._batch_size))
            try:
                return self._run_network(chosen)
            except OutOfMemory:
                if len(chosen) == 1:
                    raise
                self._batch_size = len(chosen) // 2

    def _run_network(self, tiles: list[Tile]) -> list[Array32]:
        info = self._runtime.info
        boxes = [widened(tile.read, info.prediction_margin) for tile in tiles]
        batch = np.stack([read_tile(self._item, b, self._intensities) for b in boxes])
        if info.dims == len(SPATIAL_AXES):
            return list(self._runtime(batch))
        return list(self._runtime(batch[:, :, 0])[:, :, None])

    def _shrink_tiles(self, error: OutOfMemory) -> None:
        smaller = self._settings.smaller(self._runtime.info)
        if smaller is None:
            way_out = (
                "set halo to auto"
                if self._settings.keeps_halo
                else ("train a smaller network")
            )
            raise PredictionError(
                f"Not even a tile of {self._settings.tile} voxels (Z, Y, X) fits in "
                f"memory; close other programs, choose the device cpu, or {way_out}."
            ) from error
        self._settings = smaller
        self._batch_size = 1

    def _progress(self, n_left: int) -> TileDone:
        seconds = max(time.perf_counter() - self._start, 1e-9)
        total = self._n_done + n_left
        return TileDone(self._n_done, total, self._n_voxels / seconds)

    def _plan(self, column: Box) -> list[Tile]:
        tiles = self._settings
        return plan_tiles(
            self._shape,
            tiles.tile,
            tiles.halo,
            tiles.overlap,
            self._runtime.info.grid,
            box=column,
        )

    def _view_first(self, tiles: list[Tile]) -> list[Tile]:
        if self._view is None:
            return tiles
        order = nearest_first((tile.keep for tile in tiles), self._view)
        return [tiles[place] for place in order]

    def _accumulator(self, column: Box) -> SlabAccumulator:
        depth = min(self._settings.tile[0], column[0].stop - column[0].start)
        return SlabAccumulator(column, self._n_maps, depth)

    def _columns(self, box: Box) -> list[Box]:
        """Parts of the box, whole along Z, whose blending window is bounded."""
        z, y, x = box
        depth = min(self._settings.tile[0], z.stop - z.start)
        area = max(1, MAX_ACCUMULATED // (depth * self._n_maps))
        n_x = max(1, min(x.stop - x.start, area))
        n_y = max(1, area // n_x)
        corners = itertools.product(
            range(y.start, y.stop, n_y), range(x.start, x.stop, n_x)
        )
        boxes: list[Box] = [
            (z, slice(j, min(j + n_y, y.stop)), slice(i, min(i + n_x, x.stop)))
            for j, i in corners
        ]
        if self._view is None:
            return boxes
        return [boxes[place] for place in nearest_first(boxes, self._view)]


def _grown(shape: ZYX, least: ZYX) -> ZYX:
    z, y, x = map(max, shape, least)
    return z, y, x
