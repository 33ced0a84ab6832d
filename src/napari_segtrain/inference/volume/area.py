"""The part of an image that is predicted: a region, and where a mask is not 0."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_segtrain.axes import SPATIAL_AXES, ZYX
from napari_segtrain.data.box_regions import Region, bounded_region
from napari_segtrain.errors import ConfigError, DataError
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.io import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_segtrain.boxes import Box
    from napari_segtrain.config import VolumeConfig
    from napari_segtrain.inference.volume.grid import BlockGrid
    from napari_segtrain.inference.volume.request import Request

Outside = Literal["region", "mask"]


@dataclass(frozen=True)
class Area:
    """Which part of an image is predicted; blocks without voxels of it are left empty.

    Parameters
    ----------
    region : Region, optional
        Voxels of the image; all of it without. A `Box` when `checked_area` has seen it.
    mask : LabelImage, optional
        Where it is not 0; of the shape of the image, or at a lower resolution of the
        same place.
    """

    region: Region | None = None
    mask: LabelImage | None = None

    def describe(self) -> Request:
        """Say what is asked for, as values that JSON takes."""
        region = self.region
        return {
            "region": region and [[part.start, part.stop] for part in region],
            "mask": self.mask and _mask_hash(self.mask),
        }


def checked_area(image: Image, volume: VolumeConfig, area: Area | None) -> Area:
    """Compare an area, and the resolution, with an image.

    Parameters
    ----------
    image : Image
        At its own resolution.
    volume : VolumeConfig
        Resolution of the prediction.
    area : Area, optional
        All of the image without.

    Returns
    -------
    Area
        Whose slices have a start and a stop.

    Raises
    ------
    ConfigError
        When nothing is left of the image at that resolution.
    DataError
        When the region is none, or not in the image, or the mask is of another place.
    """
    shape = image.items()[0].shape
    for axis, factor, size in zip(
        SPATIAL_AXES, volume.downsampling, shape, strict=True
    ):
        if factor > size:
            raise ConfigError(
                f"Downsampling by {factor} along {axis} leaves nothing of the {size} "
                "voxels there; choose a smaller factor."
            )
    area = area or Area()
    if area.mask is not None:
        _check_mask(area.mask, image, shape)
    region = None if area.region is None else bounded_region(area.region, image)
    return Area(region, area.mask)


def iter_outside(
    grid: BlockGrid, image: Image, volume: VolumeConfig, area: Area
) -> Iterator[Outside | None]:
    """Say of each block, in the order of the grid, by what it is left empty.

    A mask is read block by block, where the region does not decide.

    Parameters
    ----------
    grid : BlockGrid
        Of the prediction.
    image : Image
        At its own resolution.
    volume : VolumeConfig
        Resolution of the prediction.
    area : Area
        Of `checked_area`.
    """
    shape = image.items()[0].shape
    mask = None if area.mask is None else area.mask.items()[0]
    seen: dict[ZYX, bool] = {}
    for number in range(grid.n_blocks):
        block = grid[number]
        box = in_image(block.box, volume.downsampling, shape)
        if area.region is not None and not _is_touching(box, area.region):
            yield "region"
            continue
        if mask is not None and block.place not in seen:
            place = _in_mask(box, shape, mask.shape)
            seen[block.place] = bool(np.any(mask.read(place)))
        yield None if mask is None or seen[block.place] else "mask"


def empty_blocks(
    grid: BlockGrid, image: Image, volume: VolumeConfig, area: Area
) -> list[int]:
    """Numbers of the blocks that have nothing of an area; see `iter_outside`."""
    if area == Area():
        return []
    reasons = enumerate(iter_outside(grid, image, volume, area))
    return [number for number, reason in reasons if reason is not None]


def in_image(box: Box, downsampling: ZYX, shape: ZYX) -> Box:
    """Box of a prediction in voxels of an image of this shape."""
    z, y, x = (
        slice(part.start * factor, min(part.stop * factor, size))
        for part, factor, size in zip(box, downsampling, shape, strict=True)
    )
    return z, y, x


def _check_mask(mask: LabelImage, image: Image, shape: ZYX) -> None:
    (first, *others) = mask.items()
    is_flat = "Z" not in mask.axes
    ratios = [n / m for n, m in zip(shape, first.shape, strict=True)][is_flat:]
    if others or not all(ratio >= 1 for ratio in ratios):
        raise DataError(
            f"The mask {mask.name} has the shape {tuple(mask.array.shape)} (axes "
            f"{mask.axes}), but {image.name} {tuple(image.array.shape)} (axes "
            f"{image.axes}); give one mask of the same place, as large or smaller."
        )


def _mask_hash(mask: LabelImage) -> str:
    if mask.source is not None:
        return f"{mask.level} {fingerprint(mask.source)}"
    digest = hashlib.sha256(repr(mask.array.shape).encode())
    for number in range(mask.array.shape[0]):
        digest.update(np.ascontiguousarray(mask.array[number]).data)
    return digest.hexdigest()


def _is_touching(box: Box, region: Region) -> bool:
    pairs = zip(box, region, strict=True)
    return all(a.start < b.stop and b.start < a.stop for a, b in pairs)


def _in_mask(box: Box, shape: ZYX, other: ZYX) -> Box:
    """All voxels of a mask that may lie in a box of an image of the same place."""
    z, y, x = (
        _mask_slice(part, n, m) for part, n, m in zip(box, shape, other, strict=True)
    )
    return z, y, x


def _mask_slice(part: slice, n: int, m: int) -> slice:
    """Where ``m`` voxels are as long as ``n``, or the last of them stands out.

    Several whole steps may leave as many voxels (4 voxels in steps of 2 or of 3); what
    any of them has counts.
    """
    start, stop = part.start * m // n, -(-part.stop * m // n)
    least, most = -(-n // m), n if m == 1 else (n - 1) // (m - 1)
    if -(-n // least) == m:
        stop = max(stop, -(-part.stop // least))
    if -(-n // most) == m:
        start = min(start, part.start // most)
    return slice(start, min(stop, m))
