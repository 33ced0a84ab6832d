"""Which blocks a prediction into stores would leave empty, before it begins."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from napari_segtrain.boxes import Box, absolute, box_shape, iter_blocks
from napari_segtrain.control import Event, RunControl
from napari_segtrain.inference.item_predictor import item_key
from napari_segtrain.inference.volume.area import in_image, iter_outside
from napari_segtrain.inference.volume.opening import check_order
from napari_segtrain.inference.volume.plan import plan_volume
from napari_segtrain.inference.volume.source import (
    at_lower_resolution,
    check_source,
    item_position,
)
from napari_segtrain.inference.volume.stores import Stores

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_segtrain.config import InferenceConfig, VolumeConfig
    from napari_segtrain.image import Image
    from napari_segtrain.inference.protocol import TrainedModel
    from napari_segtrain.inference.volume.area import Area, Outside
    from napari_segtrain.inference.volume.plan import VolumePlan

Reason = Literal["region", "mask", "dark"]

_MAX_NUMBERS = 1 << 24
"""Voxels of all channels that are read at once."""
_GLANCE = 128
"""Pixels along Y and X of the part of a block that is read first."""


@dataclass(frozen=True)
class PreviewedBlock:
    """A block, and what would become of it.

    Parameters
    ----------
    number : int
        In its grid.
    position : tuple of int
        On the item axes.
    box : Box
        ZYX voxels of the result.
    image_box : Box
        The same in voxels of the image.
    reason : {"region", "mask", "dark"}, optional
        Why it is left empty: outside the region, or the mask, or darker than the
        threshold; ``None`` for one that is predicted.
    """

    number: int
    position: tuple[int, ...]
    box: Box
    image_box: Box
    reason: Reason | None

    @property
    def n_voxels(self) -> int:
        """Of the result."""
        return math.prod(box_shape(self.box))


@dataclass(frozen=True)
class BlockPreviewed(Event):
    """A block was looked at; all are in the result as well.

    Parameters
    ----------
    block : PreviewedBlock
        What was found.
    n_done, n_total : int
        Blocks.
    """

    is_frequent: ClassVar[bool] = True

    block: PreviewedBlock
    n_done: int
    n_total: int


@dataclass(frozen=True)
class VolumePreview:
    """Result of `iter_preview`.

    Parameters
    ----------
    blocks : tuple of PreviewedBlock
        In the order of the grid.
    n_total : int
        Blocks that there are.
    bytes_per_voxel : float
        Of all stores of the result, with their lower resolutions, before compression.
    """

    blocks: tuple[PreviewedBlock, ...]
    n_total: int
    bytes_per_voxel: float

    @property
    def is_complete(self) -> bool:
        """Whether all blocks were looked at."""
        return len(self.blocks) == self.n_total

    def n_blocks(self, reason: Reason | None) -> int:
        """Blocks that are left empty for a reason, or predicted."""
        return sum(block.reason == reason for block in self.blocks)

    @property
    def n_voxels(self) -> int:
        """That would be predicted."""
        return sum(block.n_voxels for block in self.blocks if block.reason is None)

    @property
    def share(self) -> float:
        """Of the voxels that would be predicted."""
        n_seen = sum(block.n_voxels for block in self.blocks)
        return self.n_voxels / n_seen if n_seen else 0.0

    @property
    def n_bytes(self) -> int:
        """Most that the stores would take; compression makes them smaller."""
        return round(self.n_voxels * self.bytes_per_voxel)


def iter_preview(
    models: Sequence[TrainedModel],
    image: Image,
    config: InferenceConfig,
    volume: VolumeConfig,
    *,
    area: Area | None = None,
    control: RunControl | None = None,
) -> Generator[BlockPreviewed, None, VolumePreview]:
    """Say which blocks a prediction would leave empty; nothing is written.

    The blocks are those of the prediction, and so is what is dark: of the intensities
    at its resolution. Of a block nothing is read after the first voxel that is bright
    enough, a small part from its middle first. Coarser levels of the image are not
    looked at: a mean may be dark where a voxel is not, and what others have smoothed
    may be brighter than all that it was made of.

    Parameters
    ----------
    models, image, config, volume, area
        As of `open_volume`.
    control : RunControl, optional
        Stop and pause; effective between two parts that are read.

    Yields
    ------
    BlockPreviewed

    Returns
    -------
    VolumePreview
        Of what was looked at; all, unless stopped.

    Raises
    ------
    SegtrainError
        As of `open_volume`, but for what is about stores.
    """
    area = check_order(models, image, config, volume, area)
    coarse = at_lower_resolution(image, volume.downsampling)
    plan = plan_volume(models, coarse, config, volume, max_voxels=1 << 20)
    below = None if volume.empty_below == "none" else volume.empty_below
    looker = _Looker(coarse, below, control or RunControl())
    blocks: list[PreviewedBlock] = []
    n_total = plan.grid.n_blocks
    shape = image.items()[0].shape
    outside = iter_outside(plan.grid, image, volume, area)
    for number, reason in enumerate(outside):
        block = plan.grid[number]
        found = looker.look(block.position, block.box, reason)
        if found == "stopped":
            break
        image_box = in_image(block.box, volume.downsampling, shape)
        seen = PreviewedBlock(number, block.position, block.box, image_box, found)
        blocks.append(seen)
        yield BlockPreviewed(seen, len(blocks), n_total)
    return VolumePreview(tuple(blocks), n_total, _bytes_per_voxel(models, coarse, plan))


class _Looker:
    """Looks for bright voxels in the blocks that an area has."""

    def __init__(self, image: Image, below: float | None, control: RunControl) -> None:
        self._image = image
        self._below = below
        self._control = control
        self._items = {item_key(item.index): item for item in image.items()}
        self._max_voxels = max(1, _MAX_NUMBERS // image.n_channels)

    def look(
        self, position: tuple[int, ...], box: Box, reason: Outside | None
    ) -> Reason | Literal["stopped"] | None:
        """Why a block is left empty."""
        if self._is_stopped():
            return "stopped"
        if reason is not None or self._below is None:
            return reason
        item = self._items[item_position(self._image.axes, position)]
        for part in _parts(box, self._max_voxels):
            if self._is_stopped():
                return "stopped"
            brightest = float(np.max(item.read(part)))
            if not brightest < self._below:  # NaN is not dark: the prediction names it
                return None
        check_source(self._image.source)
        return "dark"

    def _is_stopped(self) -> bool:
        self._control.wait_while_paused()
        return self._control.is_stopping


def _parts(box: Box, max_voxels: int) -> Iterator[Box]:
    """A little of the middle of a block, then all of it."""
    z, y, x = ((part.start + part.stop) // 2 for part in box)
    glance = (
        slice(z, z + 1),
        slice(y, min(y + _GLANCE, box[1].stop)),
        slice(x, min(x + _GLANCE, box[2].stop)),
    )
    yield glance
    for part in iter_blocks(box_shape(box), max_voxels):
        yield absolute(part, box)


def _bytes_per_voxel(
    models: Sequence[TrainedModel], image: Image, plan: VolumePlan
) -> float:
    """Of labels and maps with their lower resolutions, before compression."""
    nowhere = Path()
    stores = Stores(nowhere / "a", nowhere, plan, image, models[0].spec, ())
    n_items = len(plan.layout.leading)
    total = 0.0
    for store in stores.kept:
        n_maps = math.prod(store.layout.leading[n_items:])
        n_levels = sum(1 / math.prod(factor) for factor in store.layout.factors)
        total += np.dtype(store.content.dtype).itemsize * n_maps * n_levels
    return total
