"""Ids of the objects of a class, of one side of an item."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.boxes import iter_blocks
from napari_segtrain.evaluation.aligned import BLOCK_VOXELS as READ_VOXELS
from napari_segtrain.evaluation.class_matching import ClassItem
from napari_segtrain.image import Item, LazyArray
from napari_segtrain.objects.instances import label_objects

if TYPE_CHECKING:
    from napari_segtrain.axes import ZYX
    from napari_segtrain.boxes import Box
    from napari_segtrain.image import LabelImage

BLOCK_VOXELS = 1 << 20
"""Voxels whose objects are counted at once; fewer than are read from a file at once,
as all are in memory then, and what is made of a few of them stays in the caches."""

Ids = npt.NDArray[Any]
Indices = npt.NDArray[np.uint8]


class ObjectIds(LazyArray, Protocol):
    """Object ids, (Z, Y, X), read box by box; 0 is background."""

    @property
    def shape(self) -> ZYX:
        """Size in voxels, ZYX."""
        ...

    def read_both(self, box: Box) -> tuple[Ids, Indices]:
        """Read ids, and class indices: `IGNORE_INDEX` where unlabelled."""
        ...


class ObjectSide(Protocol):
    """One side of an item."""

    def objects(self, index: int) -> ObjectIds:
        """Ids of the objects of a class."""
        ...


def object_side(labels: LabelImage, item: ClassItem) -> ObjectSide:
    """Read an item as a whole.

    Parameters
    ----------
    labels : LabelImage
        Says whether ids are the values themselves, or numbers of components.
    item : ClassItem
        Of these labels.
    """
    has_ids = labels.classes is not None and labels.classes.is_objects
    return _ValueSide(_in_memory(item)) if has_ids else _ComponentSide(item)


def _in_memory(item: ClassItem) -> ClassItem:
    """Item whose labels are not read from a file again with each box."""
    labels = Item(item.target.labels.read()[0], SPATIAL_AXES)
    return replace(item, target=replace(item.target, labels=labels))


@dataclass(frozen=True, eq=False)
class _ValueSide:
    item: ClassItem

    def objects(self, index: int) -> ObjectIds:
        return _ValueIds(self.item, index)


@dataclass(frozen=True, eq=False)
class _ComponentSide:
    item: ClassItem

    def objects(self, index: int) -> ObjectIds:
        indices = self._indices
        return _ComponentIds(label_objects(indices == index), indices)

    @cached_property
    def _indices(self) -> Indices:
        """All of them, once for all classes."""
        indices = np.empty(self.item.shape, np.uint8)
        for box in iter_blocks(self.item.shape, READ_VOXELS):
            indices[box] = self.item.read(box)
        return indices


@dataclass(frozen=True, eq=False)
class _ValueIds:
    """Label values where they are of the class."""

    item: ClassItem
    index: int

    @property
    def shape(self) -> ZYX:
        return self.item.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self[(slice(0, 0),) * 3].dtype

    def __getitem__(self, box: Box) -> Ids:
        return self.read_both(box)[0]

    def read_both(self, box: Box) -> tuple[Ids, Indices]:
        values, indices = self.item.read_both(box)
        return values * (indices == self.index), indices


@dataclass(frozen=True, eq=False)
class _ComponentIds:
    """Numbers of components, in memory."""

    ids: Ids
    indices: Indices

    @property
    def shape(self) -> ZYX:
        z, y, x = self.ids.shape
        return z, y, x

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.ids.dtype

    def __getitem__(self, box: Box) -> Ids:
        part: Ids = self.ids[box]
        return part

    def read_both(self, box: Box) -> tuple[Ids, Indices]:
        return self.ids[box], self.indices[box]
