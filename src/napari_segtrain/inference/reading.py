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
    _check_finite(block, (z, y, x))
    result = intensities.apply(block, (z, y, x))
    for axis, (wanted, source) in enumerate(zip(indices, (z, y, x), strict=True), 1):
        if len(wanted) != result.shape[axis] or box[axis - 1].start != source.start:
            result = np.take(result, wanted - source.start, axis=axis)
    return result


def _check_finite(block: npt.NDArray[Any], box: Box) -> None:
    if block.dtype.kind != "f" or np.isfinite(block).all():
        return
    bad = np.argwhere(~np.isfinite(block))
    first = bad[0, 1:] + [part.start for part in box]
    place = ", ".join(
        f"{axis.lower()}={n}" for axis, n in zip(SPATIAL_AXES, first, strict=True)
    )
    raise DataError(
        f"The image holds NaN or infinite voxels ({len(bad)} in the tile with the "
        f"first at {place}); replace them, for instance by the median, and predict "
        "again."
    )
