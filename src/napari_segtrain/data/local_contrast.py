"""Local contrast that does not depend on the box by which an image is read."""

from __future__ import annotations

from collections import OrderedDict
from itertools import product
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.boxes import Box
    from napari_segtrain.data.intensity_map import IntensityMap
    from napari_segtrain.image import Item

N_BINS = 256
_MAX_CURVES = 1 << 16

Cell = tuple[int, int, int]
"""Slice, and row and column of a cell of its grid."""


class LocalContrast:
    """Contrast-limited adaptive histogram equalization of an item, slice by slice.

    After Zuiderveld (1994, Graphics Gems IV): each cell of a grid has a curve from
    intensity to rank, and a voxel takes the mean of the four nearest curves by its
    distance to their cells. The grid is laid over whole slices and a curve is measured
    on its whole cell, whichever box is asked for, so a voxel is the same in every box.

    Parameters
    ----------
    item : Item
        The image that is normalized; cells are read when they are first needed.
    intensities : IntensityMap
        Brings its intensities to 0 and 1; what lies beyond is cut off.
    cell_size : int
        Width of a cell, voxels; it is stretched or shrunk so that cells fill a slice.
    clip_limit : float
        Greatest share of a cell in one of `N_BINS` bins, before the rest is spread
        evenly.
    """

    def __init__(
        self,
        item: Item,
        intensities: IntensityMap,
        *,
        cell_size: int,
        clip_limit: float,
    ) -> None:
        self._item = item
        self._intensities = intensities
        self._clip_limit = clip_limit
        self._edges = [_edges(size, cell_size) for size in item.shape[1:]]
        self._curves: OrderedDict[Cell, npt.NDArray[np.float32]] = OrderedDict()
        self._lock = Lock()

    def apply(self, block: npt.NDArray[Any], box: Box, /) -> npt.NDArray[np.float32]:
        """Normalize a block of shape (C, Z, Y, X) that was read from ``box``.

        Raises
        ------
        DataError
            When a voxel of the block, or of a cell beside it, is NaN or infinite.
        """
        bins = self._bins(block)
        pairs = zip(box[1:], self._edges, strict=True)
        rows, columns = (_Neighbors(part, edges) for part, edges in pairs)
        cells = [
            [(z, y, x) for y, x in product(rows.cells, columns.cells)]
            for z in range(box[0].start, box[0].stop)
        ]
        curves = self._curves_of(
            [cell for slice_cells in cells for cell in slice_cells]
        )
        shape = (len(rows.cells), len(columns.cells), len(block), N_BINS)
        result = np.empty(block.shape, np.float32)
        for z, slice_cells in enumerate(cells):
            table = np.stack([curves[cell] for cell in slice_cells]).reshape(shape)
            for channel in range(len(block)):
                result[channel, z] = _interpolated(
                    table[:, :, channel], bins[channel, z], rows, columns
                )
        return result

    def _bins(self, block: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        unit = self._intensities.apply(block)
        return np.clip(unit * N_BINS, 0, N_BINS - 1).astype(np.uint8)

    def _curves_of(self, cells: Sequence[Cell]) -> dict[Cell, npt.NDArray[np.float32]]:
        with self._lock:
            found = {cell: self._curves[cell] for cell in cells if cell in self._curves}
        missing = [cell for cell in cells if cell not in found]
        if missing:
            measured = self._measured(missing)
            found |= measured
            with self._lock:
                self._curves.update(measured)
                while len(self._curves) > _MAX_CURVES:
                    self._curves.popitem(last=False)
        return found

    def _measured(self, cells: Sequence[Cell]) -> dict[Cell, npt.NDArray[np.float32]]:
        """Curves of the cells, and of those between them, from one read."""
        first, last = np.min(cells, axis=0), np.max(cells, axis=0) + 1
        y_edges, x_edges = self._edges
        z0, y0, x0 = int(first[0]), int(y_edges[first[1]]), int(x_edges[first[2]])
        z1, y1, x1 = int(last[0]), int(y_edges[last[1]]), int(x_edges[last[2]])
        bins = self._bins(
            self._item.read((slice(z0, z1), slice(y0, y1), slice(x0, x1)))
        )
        found = {}
        for z, y, x in product(*map(range, first.tolist(), last.tolist())):
            ys = slice(int(y_edges[y]) - y0, int(y_edges[y + 1]) - y0)
            xs = slice(int(x_edges[x]) - x0, int(x_edges[x + 1]) - x0)
            part = bins[:, z - z0, ys, xs]
            curves = [_curve(channel, self._clip_limit) for channel in part]
            found[z, y, x] = np.stack(curves)
        return found


class _Neighbors:
    """Along one axis, the two cells next to each voxel and the weight of the second."""

    def __init__(self, part: slice, edges: npt.NDArray[np.int64]) -> None:
        centers = (edges[:-1] + edges[1:] - 1) / 2
        voxels = np.arange(part.start, part.stop)
        first = np.searchsorted(centers, voxels, side="right") - 1
        first = np.clip(first, 0, len(centers) - 1)
        second = np.minimum(first + 1, len(centers) - 1)
        distance = np.maximum(centers[second] - centers[first], 1e-9)
        weight = np.clip((voxels - centers[first]) / distance, 0, 1)
        self.cells = range(int(first.min()), int(second.max()) + 1)
        self.first = first - self.cells.start
        self.second = second - self.cells.start
        self.weight = weight.astype(np.float32)


def _interpolated(
    table: npt.NDArray[np.float32],
    bins: npt.NDArray[np.uint8],
    rows: _Neighbors,
    columns: _Neighbors,
) -> npt.NDArray[np.float32]:
    """Values of a slice (Y, X) by the curves (rows, columns, bins) around a voxel."""
    above, below = rows.first[:, None], rows.second[:, None]
    right_weight, below_weight = columns.weight, rows.weight[:, None]
    top = table[above, columns.first, bins]
    top += right_weight * (table[above, columns.second, bins] - top)
    bottom = table[below, columns.first, bins]
    bottom += right_weight * (table[below, columns.second, bins] - bottom)
    result: npt.NDArray[np.float32] = top + below_weight * (bottom - top)
    return result


def _edges(size: int, cell_size: int) -> npt.NDArray[np.int64]:
    n_cells = max(1, round(size / cell_size))
    return np.linspace(0, size, n_cells + 1).round().astype(np.int64)


def _curve(bins: npt.NDArray[np.uint8], clip_limit: float) -> npt.NDArray[np.float32]:
    """Rank of each bin, 0 to 1, after the counts were limited."""
    share = np.bincount(bins.ravel(), minlength=N_BINS) / bins.size
    share = np.minimum(share, clip_limit)
    share += (1 - share.sum()) / N_BINS
    rank: npt.NDArray[np.float32] = (share.cumsum() - share / 2).astype(np.float32)
    return rank
