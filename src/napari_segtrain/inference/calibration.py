"""How much context tiles need: measured on images, for the weights of a model.

A part of an image is predicted twice, once with all the context that the network sees
on one side, which gives what a whole image gives there, and once with none. How far the
difference reaches in from that side is the halo that tiles need.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import SPATIAL_AXES, ZYX
from napari_segtrain.boxes import Box, relative
from napari_segtrain.image import Item
from napari_segtrain.inference.events import BlockPredicted
from napari_segtrain.inference.items import predict_item
from napari_segtrain.inference.reading import read_tile
from napari_segtrain.inference.tiling import widened
from napari_segtrain.models import TileCalibration

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.inference.protocol import Array32, Intensities, Runtime
    from napari_segtrain.networks import NetworkInfo

MAX_ERROR = 1 / 255
"""Greatest difference of a probability: a step of an 8-bit map."""
_MIN_VOXELS = 250
"""Voxels at each depth that a halo is judged by."""
_KEPT = {2: 256, 3: 64}
"""Voxels along each axis that usual tiles keep, by dimensions."""
_LONGEST_SHARE = 0.75
"""Of an axis, that is cut once."""
_LENGTHS = (384, 256, 192, 128, 96, 64, 48, 32, 16, 8)
"""Widths across, of which the largest that fits is taken."""


@dataclass(frozen=True)
class Window:
    """A part of an image that is predicted with and without context on one side.

    Parameters
    ----------
    whole : Box
        What is read, on the network's grid.
    part : Box
        The same without the context before its start along ``axis``.
    axis : int
        0, 1 or 2 for Z, Y, X.
    """

    whole: Box
    part: Box
    axis: int


def plan_window(
    shape: ZYX, center: ZYX, info: NetworkInfo, axis: int, max_voxels: int
) -> Window | None:
    """Choose a part that lacks context on one side, the largest within a limit.

    Parameters
    ----------
    shape : ZYX
        Size of the image.
    center : ZYX
        Where to look, in voxels.
    info : NetworkInfo
        Grid and receptive field.
    axis : int
        Along which context is missing.
    max_voxels : int
        Voxels of the part with its context.

    Returns
    -------
    Window or None
        ``None`` where the image is too short to be cut, or no part is small enough.
    """
    grid, reach = info.grid[axis], full_context(info)[axis]
    end = _ceil(shape[axis], grid)
    longest = int(end * _LONGEST_SHARE) // grid * grid
    length = min(reach + grid, longest)
    if reach == 0 or length < max(2 * grid, info.min_result[axis]):
        return None
    start = (center[axis] - length // 2) // grid * grid
    start = min(max(start, min(reach, end - length)), end - length)
    cut = slice(start, start + length)
    whole = slice(max(0, start - reach), start + length)
    for width in _LENGTHS:
        depth = info.min_result[0] if _is_of_slices(info) else width
        sides = [
            _span(*values)
            for values in zip(
                (depth, width, width),
                shape,
                center,
                info.grid,
                info.min_result,
                strict=True,
            )
        ]
        read = (*sides[:axis], whole, *sides[axis + 1 :])
        part = (*sides[:axis], cut, *sides[axis + 1 :])
        if math.prod(side.stop - side.start for side in read) <= max_voxels:
            (z, y, x), (z_part, y_part, x_part) = read, part
            return Window((z, y, x), (z_part, y_part, x_part), axis)
    return None


def plan_crop(shape: ZYX, center: ZYX, info: NetworkInfo, tile: ZYX) -> Box | None:
    """Choose a part of an image that stands for a whole one, of two tiles along X.

    Parameters
    ----------
    shape, center, info
        As of `plan_window`.
    tile : ZYX
        Size of the tiles.

    Returns
    -------
    Box or None
        Its sizes are multiples of the grid; ``None`` where the image is no wider than
        a tile.
    """
    *slices, x = (
        _span(*values)
        for values in zip(
            (*tile[:2], 2 * tile[2]),
            shape,
            center,
            info.grid,
            info.min_result,
            strict=True,
        )
    )
    if x.stop - x.start <= tile[2]:
        return None
    return slices[0], slices[1], x


def _span(length: int, size: int, center: int, grid: int, least: int) -> slice:
    """About so many voxels of an axis, on the grid."""
    end = _ceil(size, grid)
    width = min(_ceil(max(length, least), grid), max(end, _ceil(least, grid)))
    start = min(max(0, (center - width // 2) // grid * grid), max(0, end - width))
    return slice(start, start + width)


def _is_of_slices(info: NetworkInfo) -> bool:
    return info.dims < len(SPATIAL_AXES) or info.is_of_slices


def full_context(info: NetworkInfo) -> ZYX:
    """All that the network sees on each side, rounded up to its grid.

    None where it reads a margin by itself.
    """
    sides = zip(info.radius, info.grid, info.prediction_margin, strict=True)
    z, y, x = (0 if margin else _ceil(n, grid) for n, grid, margin in sides)
    return z, y, x


class HaloErrors:
    """The difference that a missing side makes, by the depth behind it.

    Parameters
    ----------
    info : NetworkInfo
        A local network.
    """

    def __init__(self, info: NetworkInfo) -> None:
        reach_z, *reach = full_context(info)
        self._dims = info.dims
        self._curves = (
            _Curve(reach_z, _half(info.grid[0])),
            _Curve(max(reach), _half(max(info.grid[1:]))),
        )

    def add(self, difference: Array32, window: Window) -> None:
        """Take in what the missing context of a part has changed.

        Parameters
        ----------
        difference : ndarray of float32, shape (Z, Y, X)
            Greatest difference of the probabilities, for each voxel of the part.
        window : Window
            Tells on which side context was missing.
        """
        others = tuple(axis for axis in range(3) if axis != window.axis)
        n_lines = difference.size // difference.shape[window.axis]
        self._curves[min(window.axis, 1)].add(difference.max(axis=others), n_lines)

    def choose(self, max_error: float = MAX_ERROR) -> TileCalibration | None:
        """Take the halo that costs least of those with a small enough error.

        In a corner of a tile three sides are near, so their errors are added.

        Returns
        -------
        TileCalibration or None
            ``None`` when it was not measured along all axes.
        """
        if not all(curve.is_measured for curve in self._curves):
            return None
        z_halos, halos = (curve.halos() for curve in self._curves)
        kept = _KEPT[self._dims]
        fitting = [
            ((kept + 2 * z) * (kept + 2 * plane) ** 2, z, plane, z_error + 2 * error)
            for z, z_error in z_halos
            for plane, error in halos
            if z_error + 2 * error <= max_error
        ]
        _, z, plane, error = min(fitting)
        n_voxels = sum(curve.n_voxels for curve in self._curves)
        return TileCalibration(min(error, 1.0), n_voxels, (z, plane, plane))


class _Curve:
    """Error by depth, along one axis or along two that are alike."""

    def __init__(self, reach: int, step: int) -> None:
        self._reach = reach
        self._step = step
        self._errors = np.zeros(reach, np.float32)
        self._counts = np.zeros(reach, np.int64)

    @property
    def n_voxels(self) -> int:
        """Voxels that were compared."""
        return int(self._counts.sum())

    @property
    def is_measured(self) -> bool:
        """Whether depths that matter were seen, or there is nothing to see."""
        half = self._counts[: self._reach // 2]
        return self._reach == 0 or bool((half >= _MIN_VOXELS).all())

    def add(self, errors: Array32, n_voxels: int) -> None:
        """Take in the greatest error at each depth, over so many voxels each."""
        n = min(len(errors), self._reach)
        np.maximum(self._errors[:n], errors[:n], out=self._errors[:n])
        self._counts[:n] += n_voxels

    def halos(self) -> list[tuple[int, float]]:
        """Halos with their errors; with the whole receptive field there is none."""
        beyond = np.maximum.accumulate(self._errors[::-1])[::-1]
        n_seen = int(np.count_nonzero(self._counts >= _MIN_VOXELS))
        seen = range(0, n_seen, self._step)
        return [*((n, float(beyond[n])) for n in seen), (self._reach, 0.0)]


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
    check: Callable[[], None],
) -> TileCalibration:
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
    check : callable
        Is called after each batch of tiles, and may raise.
    """
    image = read_tile(item, box, intensities)
    whole, error = _predicted(image, runtime), 0.0
    for event in predict_item(
        Item(image, "CZYX"), runtime=runtime, intensities=_AsRead(), config=config
    ):
        if isinstance(event, BlockPredicted):
            exact = whole[(slice(None), *event.box)]
            error = max(error, float(np.abs(event.probabilities - exact).max()))
        check()
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


def _half(grid: int) -> int:
    """Step of halos: both sides of a tile together are a multiple of the grid."""
    return grid // 2 if grid % 2 == 0 else grid


def _ceil(size: int, grid: int) -> int:
    return -(-size // grid) * grid
