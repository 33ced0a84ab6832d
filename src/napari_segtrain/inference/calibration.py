"""How much context tiles need: measured on images, for the weights of a model.

A part of an image is predicted twice, once with all the context that the network sees,
which gives what a whole image gives, and once with none. How far the difference reaches
in from the edges is the halo that tiles need.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import SPATIAL_AXES, ZYX
from napari_segtrain.boxes import Box, box_shape, relative
from napari_segtrain.image import Item
from napari_segtrain.inference.events import BlockPredicted
from napari_segtrain.inference.items import predict_item
from napari_segtrain.inference.reading import read_tile
from napari_segtrain.inference.tiling import widened
from napari_segtrain.models import TileCalibration

if TYPE_CHECKING:
    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.inference.protocol import Array32, Intensities, Runtime
    from napari_segtrain.networks import NetworkInfo

MAX_ERROR = 1 / 255
"""Greatest difference of a probability: a step of an 8-bit map."""
_MIN_VOXELS = 2000
"""Voxels that a halo is judged by."""
_KEPT = {2: 256, 3: 64}
"""Voxels along each axis that usual tiles keep, by dimensions."""
_LONGEST_SHARE = 0.75
"""Of an axis, that is cut at least once."""
_LENGTHS = (384, 320, 256, 192, 160, 128, 96, 80, 64, 48, 32, 24, 16, 8)
_Z, _PLANE = 0, 1


@dataclass(frozen=True)
class Window:
    """A part of an image that is predicted with and without context.

    Parameters
    ----------
    whole : Box
        What is read with context, on the network's grid.
    part : Box
        What is compared; ends where ``whole`` ends only at a border of the image.
    """

    whole: Box
    part: Box


def plan_window(
    shape: ZYX, center: ZYX, info: NetworkInfo, max_voxels: int
) -> Window | None:
    """Choose the largest part whose context fits in so many voxels.

    Parameters
    ----------
    shape : ZYX
        Size of the image.
    center : ZYX
        Where to look, in voxels.
    info : NetworkInfo
        Grid and receptive field.
    max_voxels : int
        Voxels of the part with its context.

    Returns
    -------
    Window or None
        ``None`` where no part has an edge inside of the image, or none is small enough.
    """
    reach = full_context(info)
    for length in _LENGTHS:
        spans = [
            _span(length, *values)
            for values in zip(
                shape, center, reach, info.grid, info.min_result, strict=True
            )
        ]
        (z, z_part), (y, y_part), (x, x_part) = spans
        window = Window((z, y, x), (z_part, y_part, x_part))
        if math.prod(box_shape(window.whole)) > max_voxels:
            continue
        return window if window.whole != window.part else None
    return None


def plan_crop(
    shape: ZYX, center: ZYX, info: NetworkInfo, max_voxels: int
) -> Box | None:
    """Choose a part of an image that stands for a whole one.

    Parameters
    ----------
    shape, center, info, max_voxels
        As of `plan_window`.

    Returns
    -------
    Box or None
        As large as possible, its sizes multiples of the grid; ``None`` where the
        network takes no part that is as small.
    """
    for length in _LENGTHS:
        z, y, x = (
            _span(length, *values)[1]
            for values in zip(
                shape, center, (0, 0, 0), info.grid, info.min_result, strict=True
            )
        )
        if math.prod(box_shape((z, y, x))) <= max_voxels:
            return z, y, x
    return None


def _span(
    length: int, size: int, center: int, reach: int, grid: int, least: int
) -> tuple[slice, slice]:
    """What is read along one axis, and the part of it that is compared."""
    end = _ceil(size, grid)
    longest = int(end * _LONGEST_SHARE) // grid * grid if reach else end
    part = min(_ceil(max(length, least), grid), max(longest, _ceil(least, grid)))
    if reach == 0 and grid == 1:
        part = least
    part = min(part, end)
    start = min(max(0, (center - part // 2) // grid * grid), end - part)
    if end <= part + reach:
        start = end - part
    stop = start + part
    whole = slice(max(0, start - reach), min(end, stop + reach))
    return whole, slice(start, stop)


def full_context(info: NetworkInfo) -> ZYX:
    """All that the network sees on each side, rounded up to its grid.

    None where it reads a margin by itself.
    """
    sides = zip(info.radius, info.grid, info.prediction_margin, strict=True)
    z, y, x = (0 if margin else _ceil(n, grid) for n, grid, margin in sides)
    return z, y, x


class HaloErrors:
    """The difference that tiles make, by the context that they read.

    Parameters
    ----------
    info : NetworkInfo
        A local network.
    """

    def __init__(self, info: NetworkInfo) -> None:
        self._dims = info.dims
        reach_z, *reach = full_context(info)
        self._reach = (reach_z, max(reach))
        self._steps = (_half(info.grid[0]), _half(max(info.grid[1:])))
        counts = zip(self._reach, self._steps, strict=True)
        self._n_steps = [-(-reach // step) for reach, step in counts]
        shape = tuple(n + 1 for n in self._n_steps)
        self._errors = np.zeros(shape, np.float32)
        self._counts = np.zeros(shape, np.int64)

    def add(self, difference: Array32, window: Window) -> None:
        """Take in what the missing context of a part has changed.

        Parameters
        ----------
        difference : ndarray of float32, shape (Z, Y, X)
            Greatest difference of the probabilities, for each voxel of the part.
        window : Window
            Tells which edges of the part are inside of the image.
        """
        z, y, x = (
            _depths(part, whole)
            for part, whole in zip(window.part, window.whole, strict=True)
        )
        rows = self._bins(z, _Z)[:, None, None]
        columns = self._bins(np.minimum(y[:, None], x), _PLANE)
        flat = (rows * self._errors.shape[1] + columns).ravel()
        np.maximum.at(self._errors.reshape(-1), flat, difference.ravel())
        n_bins = self._errors.size
        found = np.bincount(flat, minlength=n_bins).reshape(self._counts.shape)
        self._counts += found

    def _bins(self, depths: npt.NDArray[np.int64], axis: int) -> npt.NDArray[np.int64]:
        bins: npt.NDArray[np.int64] = np.minimum(
            depths // self._steps[axis], self._n_steps[axis]
        )
        return bins

    def choose(self, max_error: float = MAX_ERROR) -> TileCalibration | None:
        """Take the halo that costs least of those with a small enough error.

        The whole receptive field is one of them, whatever was measured.

        Returns
        -------
        TileCalibration or None
            ``None`` when nothing was measured.
        """
        if not self._counts.any():
            return None
        errors = _at_least(self._errors, np.maximum)
        counts = _at_least(self._counts, np.add)
        fits = (counts >= _MIN_VOXELS) & (errors <= max_error)
        fits[-1, -1] = True
        best = min(
            zip(*map(np.ndarray.tolist, fits.nonzero()), strict=True), key=self._cost
        )
        z, plane = self._halo(best)
        return TileCalibration(
            float(errors[best]), int(self._counts.sum()), (z, plane, plane)
        )

    def _halo(self, place: tuple[int, ...]) -> tuple[int, int]:
        z, plane = (
            min(n * step, reach)
            for n, step, reach in zip(place, self._steps, self._reach, strict=True)
        )
        return z, plane

    def _cost(self, place: tuple[int, ...]) -> int:
        """Voxels that a tile reads."""
        z, plane = self._halo(place)
        kept = _KEPT[self._dims]
        return (kept + 2 * z) * (kept + 2 * plane) ** 2


def missing_context(
    item: Item, intensities: Intensities, runtime: Runtime, window: Window
) -> Array32:
    """Greatest difference (Z, Y, X) that reading nothing around a part makes.

    Parameters
    ----------
    item, intensities
        Image and its normalization.
    runtime : Runtime
        A local network.
    window : Window
        Of the image.

    Raises
    ------
    DataError
        For NaN or infinite voxels.
    OutOfMemory
        When the part with its context does not fit in memory.
    """
    margin = runtime.info.prediction_margin
    image = read_tile(item, widened(window.whole, margin), intensities)
    place = relative(window.part, window.whole)
    z, y, x = (
        slice(side.start, side.stop + 2 * width)
        for side, width in zip(place, margin, strict=True)
    )
    exact = _predicted(image, runtime)[(slice(None), *place)]
    cut = _predicted(np.ascontiguousarray(image[:, z, y, x]), runtime)
    return np.asarray(np.abs(cut - exact).max(axis=0), np.float32)


def blended_error(
    item: Item,
    intensities: Intensities,
    runtime: Runtime,
    config: InferenceConfig,
    box: Box,
) -> TileCalibration | None:
    """Error of blended tiles of a network that is not local.

    Parameters
    ----------
    item, intensities
        Image and its normalization.
    runtime : Runtime
        The network.
    config : InferenceConfig
        With the size of the tiles.
    box : Box
        What counts as a whole image; its sizes are multiples of the grid.

    Returns
    -------
    TileCalibration or None
        ``None`` when one tile holds the whole box.
    """
    image = read_tile(item, box, intensities)
    if config.tile_size == "auto" or all(
        n <= tile for n, tile in zip(image.shape[1:], config.tile_size, strict=True)
    ):
        return None
    whole, error = _predicted(image, runtime), 0.0
    crop = Item(image, "CZYX")
    for event in predict_item(
        crop, runtime=runtime, intensities=_AsRead(), config=config
    ):
        if isinstance(event, BlockPredicted):
            exact = whole[(slice(None), *event.box)]
            error = max(error, float(np.abs(event.probabilities - exact).max()))
    return TileCalibration(min(error, 1.0), whole[0].size)


class _AsRead:
    """Intensities that are normalized already."""

    def apply(self, block: npt.NDArray[Any], _box: Box, /) -> Array32:
        """Return the block as it is."""
        return block


def _predicted(image: Array32, runtime: Runtime) -> Array32:
    """Probabilities (K, Z, Y, X) of an image (C, Z, Y, X) in one pass."""
    if runtime.info.dims == len(SPATIAL_AXES):
        volume: Array32 = runtime(image[None])[0]
        return volume
    plane: Array32 = runtime(image[None, :, 0])[0][:, None]
    return plane


def _depths(part: slice, whole: slice) -> npt.NDArray[np.int64]:
    """Voxels between each voxel of an axis and the next edge that was cut."""
    n = part.stop - part.start
    places = np.arange(n)
    far = np.full(n, np.iinfo(np.int64).max)
    low = places if part.start > whole.start else far
    high = places[::-1] if part.stop < whole.stop else far
    return np.minimum(low, high)


def _at_least(table: npt.NDArray[Any], combine: np.ufunc) -> npt.NDArray[Any]:
    """Combine each cell with all those at or beyond it on both axes."""
    turned = table[::-1, ::-1]
    combined: npt.NDArray[Any] = combine.accumulate(combine.accumulate(turned, 0), 1)
    return combined[::-1, ::-1]


def _half(grid: int) -> int:
    """Step of halos: both sides of a tile together are a multiple of the grid."""
    return grid // 2 if grid % 2 == 0 else grid


def _ceil(size: int, grid: int) -> int:
    return -(-size // grid) * grid
