"""Regions of items, and which of them are trained on and which are held out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.axes import ZYX
from napari_segtrain.data.overlaps import part_beside, shared_item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.boxes import Box
    from napari_segtrain.data.dataset import Pair

MIN_CLASS_VOXELS = 50
"""Voxels that each class needs on both sides."""
MAX_GAP = 16
"""Voxels between the two sides, at most; at least one."""


@dataclass(frozen=True)
class Region:
    """A box of one item.

    Parameters
    ----------
    pair : int
        Index of the item among all pairs.
    start, stop : ZYX
        First voxel, and the one after the last.
    """

    pair: int
    start: ZYX
    stop: ZYX

    @property
    def box(self) -> Box:
        """The region as slices."""
        z, y, x = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return z, y, x

    @property
    def shape(self) -> ZYX:
        """Size in voxels, ZYX."""
        z, y, x = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return z, y, x

    @property
    def n_voxels(self) -> int:
        """Number of voxels."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Split:
    """Regions to train on, regions to validate on, and why."""

    training: tuple[Region, ...]
    validation: tuple[Region, ...]
    reason: str


def without_overlap(split: Split, pairs: Sequence[Pair]) -> Split:
    """Leave out of the training what other samples of the same image hold out."""
    training = list(split.training)
    for held in split.validation:
        training = [rest for kept in training for rest in _beside(kept, held, pairs)]
    return replace(split, training=tuple(training))


def _beside(kept: Region, held: Region, pairs: Sequence[Pair]) -> list[Region]:
    """The largest part of a region without the voxels of one that is held out."""
    places = shared_item(pairs[kept.pair], pairs[held.pair])
    if places is None:
        return [kept]
    part = part_beside((kept.start, kept.stop), (held.start, held.stop), places)
    return [] if part is None else [Region(kept.pair, *part)]


def whole(number: int, shape: ZYX) -> Region:
    """Region that covers a whole item."""
    return Region(number, (0, 0, 0), shape)


def sample_name(pair: Pair) -> str:
    """Name of the sample, without the position of the item."""
    return pair.name.rsplit(" ", len(pair.image.index))[0]


def split_by_samples(pairs: Sequence[Pair], held: set[int], reason: str) -> Split:
    """Hold out whole samples.

    Parameters
    ----------
    pairs : sequence of Pair
        The items.
    held : set of int
        Numbers of the samples.
    reason : str
        Of the split.
    """
    training: list[Region] = []
    validation: list[Region] = []
    for number, pair in enumerate(pairs):
        side = validation if pair.sample in held else training
        side.append(whole(number, pair.shape))
    return Split(tuple(training), tuple(validation), reason)
