"""Tiles of an item, normalized, reflected beyond its border."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.errors import DataError
from napari_segtrain.inference.tiling import reflect_indices

if TYPE_CHECKING:
    from napari_segtrain.boxes import Box
    from napari_segtrain.image import Item
    from napari_segtrain.inference.protocol import Array32, Intensities


def read_tile(item: Item, box: Box, intensities: Intensities) -> Array32:
    """Read and normalize a box that may reach beyond the item.

    Parameters
    ----------
    item : Item
        Source; only the voxels that are needed are read.
    box : Box
        ZYX voxels.
    intensities : Intensities
        Normalization of the item.

    Returns
    -------
    ndarray of float32, shape (C, Z, Y, X)

    Raises
    ------
    DataError
        When a voxel is NaN or infinite.
    """
    indices = [reflect_indices(*pair) for pair in zip(box, item.shape, strict=True)]
    z, y, x = (slice(int(i.min()), int(i.max()) + 1) for i in indices)
    block = item.read((z, y, x))
    check_finite(block, "CZYX", (slice(0), z, y, x))
    result = intensities.apply(block, (z, y, x))
    for axis, (wanted, source) in enumerate(zip(indices, (z, y, x), strict=True), 1):
        if len(wanted) != result.shape[axis] or box[axis - 1].start != source.start:
            result = np.take(result, wanted - source.start, axis=axis)
    return result


def check_finite(block: npt.NDArray[Any], axes: str, place: tuple[slice, ...]) -> None:
    """Look for voxels that are no numbers.

    Parameters
    ----------
    block : ndarray
        What was read.
    axes : str
        One letter per dimension.
    place : tuple of slice
        Where it was read, along each axis.

    Raises
    ------
    DataError
        When a voxel is NaN or infinite, with the place of the first.
    """
    if block.dtype.kind != "f" or np.isfinite(block).all():
        return
    bad = np.argwhere(~np.isfinite(block))
    first = zip(axes, bad[0], place, strict=True)
    found = {axis: n + (part.start or 0) for axis, n, part in first}
    known = [axis for axis in SPATIAL_AXES if axis in axes]
    text = ", ".join(f"{axis.lower()}={found[axis]}" for axis in known)
    raise DataError(
        f"The image holds NaN or infinite voxels ({len(bad)} in the tile with the "
        f"first at {text}); replace them, for instance by the median, and predict "
        "again."
    )
