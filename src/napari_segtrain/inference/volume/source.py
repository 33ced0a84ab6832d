"""Images as blocks need them: read ahead, and at a lower resolution."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import SPATIAL_AXES, ZYX, item_axes, spatial_axes
from napari_segtrain.errors import DataError
from napari_segtrain.io.lazy import BlockArray, Slices
from napari_segtrain.io.pyramids import mean_along

if TYPE_CHECKING:
    from pathlib import Path

    from napari_segtrain.boxes import Box
    from napari_segtrain.image import Image, LazyArray


class ReadAhead:
    """An image of which parts are read before they are asked for.

    Safe to use from several threads.

    Parameters
    ----------
    image : Image
        Where voxels come from.

    Attributes
    ----------
    image : Image
        The same image; what it is asked for comes from the parts in memory, if one
        holds all of it.
    """

    def __init__(self, image: Image) -> None:
        self._axes = image.axes
        self._source = image.array
        self._path = image.source
        self._parts: dict[object, tuple[Slices, npt.NDArray[Any]]] = {}
        self._lock = threading.Lock()
        dtype = np.dtype(image.array.dtype)
        shape = tuple(map(int, image.array.shape))
        self.image = replace(image, array=BlockArray(shape, dtype, self._read))

    def load(self, key: object, position: tuple[int, ...], box: Box) -> None:
        """Read a box of an item, ZYX voxels, and keep it under a key."""
        place = self._slices(position, box)
        values = np.asarray(self._source[place])
        check_source(self._path)
        with self._lock:
            self._parts[key] = place, values

    def drop(self, key: object) -> None:
        """Forget a part."""
        with self._lock:
            self._parts.pop(key, None)

    def brightest(self, position: tuple[int, ...], box: Box) -> float:
        """Greatest intensity of a box, of all channels."""
        return float(np.max(self._read(self._slices(position, box))))

    def _slices(self, position: tuple[int, ...], box: Box) -> Slices:
        places = dict(zip(item_axes(self._axes), position, strict=True))
        spatial = dict(zip(SPATIAL_AXES, box, strict=True))
        return tuple(
            slice(places[axis], places[axis] + 1)
            if axis in places
            else spatial.get(axis, slice(0, n))
            for axis, n in zip(self._axes, map(int, self._source.shape), strict=True)
        )

    def _read(self, box: Slices) -> npt.NDArray[Any]:
        with self._lock:
            parts = list(self._parts.values())
        for place, values in parts:
            pairs = list(zip(box, place, strict=True))
            if all(p.start <= b.start and b.stop <= p.stop for b, p in pairs):
                inner = (slice(b.start - p.start, b.stop - p.start) for b, p in pairs)
                return values[tuple(inner)]
        found = np.asarray(self._source[box])
        check_source(self._path)
        return found


def check_source(path: Path | None) -> None:
    """Raise `DataError` when what was read from is gone.

    What a store lacks is 0 to its reader, also when all of it is gone.
    """
    if path is not None and not path.exists():
        raise DataError(
            f"{path} is not there any more; bring it back, and the same command goes "
            "on."
        )


def item_position(axes: str, position: tuple[int, ...]) -> tuple[int, ...]:
    """Turn a position on the item axes, in their order, into an `item_key`."""
    places = dict(zip(item_axes(axes), position, strict=True))
    return tuple(places[axis] for axis in sorted(places))


def at_lower_resolution(image: Image, factors: ZYX) -> Image:
    """Average boxes of voxels to one, when they are read.

    Parameters
    ----------
    image : Image
        Where voxels come from.
    factors : ZYX
        Voxels along each axis that become one; what is left over at the end is
        averaged as it is.

    Returns
    -------
    Image
        With larger voxels; integers stay integers.
    """
    if max(factors) == 1:
        return image
    along = dict(zip(SPATIAL_AXES, factors, strict=True))
    steps = tuple(along.get(axis, 1) for axis in image.axes)
    size = image.voxel_size
    if size is not None:
        pairs = zip(size, spatial_axes(image.axes), strict=True)
        size = tuple(length * along[axis] for length, axis in pairs)
    return replace(image, array=_averaged(image.array, steps), voxel_size=size)


def _averaged(array: LazyArray, steps: tuple[int, ...]) -> BlockArray:
    sizes = tuple(map(int, array.shape))
    shape = tuple(-(-n // step) for n, step in zip(sizes, steps, strict=True))
    dtype = np.dtype(array.dtype)

    def read(box: Slices) -> npt.NDArray[Any]:
        fine = tuple(
            slice(part.start * step, min(part.stop * step, n))
            for part, step, n in zip(box, steps, sizes, strict=True)
        )
        values = np.asarray(array[fine])
        for axis, step in enumerate(steps):
            values = mean_along(values, axis, step)
        return (
            values.astype(dtype) if dtype.kind == "f" else np.rint(values).astype(dtype)
        )

    return BlockArray(shape, dtype, read)
