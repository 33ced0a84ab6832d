"""Label items as class indices, with the policy for 0 applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_segtrain.axes import ZYX
from napari_segtrain.boxes import Box, full_box, grown_box, relative
from napari_segtrain.data.label_facts import as_integers
from napari_segtrain.image import IGNORE_INDEX, ClassTable, Item


class BoxReader(Protocol):
    """What patches take their targets from."""

    def read(self, box: Box) -> npt.NDArray[np.uint8]:
        """Read class indices of a box, shape (Z, Y, X)."""
        ...


@dataclass(frozen=True, eq=False)
class KeptTarget:
    """Class indices in memory, shape (Z, Y, X)."""

    indices: npt.NDArray[np.uint8]

    def read(self, box: Box) -> npt.NDArray[np.uint8]:
        """Take a part of them."""
        return self.indices[box]


@dataclass(frozen=True)
class TargetItem:
    """Class indices of a label item, read box by box.

    Parameters
    ----------
    labels : Item
        Label values.
    classes : ClassTable
        How values become class indices.
    used : tuple of bool
        For each slice along Z, whether its voxels count; the others are unlabelled.
    ring : ZYX
        Where 0 is unlabelled between objects with ids: voxels around each object that
        are background nevertheless.
    """

    labels: Item
    classes: ClassTable
    used: tuple[bool, ...]
    ring: ZYX = (0, 0, 0)

    @property
    def shape(self) -> ZYX:
        """Size in voxels, ZYX."""
        return self.labels.shape

    def read(self, box: Box) -> npt.NDArray[np.uint8]:
        """Read class indices.

        Parameters
        ----------
        box : Box
            Region inside the item, ZYX voxels.

        Returns
        -------
        ndarray of uint8, shape (Z, Y, X)
            `IGNORE_INDEX` where unlabelled.
        """
        _, indices = self.read_both(box)
        return indices

    def in_memory(self) -> BoxReader:
        """Read all of it."""
        return KeptTarget(self.read(full_box(self.shape)))

    def read_both(self, box: Box) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
        """Read label values, and the class indices that they stand for."""
        has_ring = has_only_objects(self.classes)
        grown = grown_box(box, self.ring, self.shape) if has_ring else box
        values = as_integers(self.labels.read(grown)[0])
        indices = self.classes.to_index(values)
        used = np.array(self.used[grown[0]], bool)
        if not used.all():
            indices[~used] = IGNORE_INDEX
        if has_ring:
            _hide_far(indices, self.ring)
        inner = relative(box, grown)
        return values[inner], indices[inner]


def has_only_objects(classes: ClassTable) -> bool:
    """Whether objects with ids are all that is labelled, and no background."""
    is_open = classes.is_objects and classes.zero == "unlabelled"
    return is_open and 0 not in classes.unlabelled_values


def _hide_far(indices: npt.NDArray[np.uint8], ring: ZYX) -> None:
    """Take the background that is farther from all objects than the ring, in place."""
    sizes = [2 * width + 1 for width in ring]
    is_object = (indices != 0) & (indices != IGNORE_INDEX)
    is_near = ndimage.maximum_filter(is_object, sizes, mode="constant")
    indices[(indices == 0) & ~is_near] = IGNORE_INDEX


def used_slices(painted: tuple[bool, ...], classes: ClassTable) -> tuple[bool, ...]:
    """Slices whose voxels count under the table's policy for 0."""
    if classes.zero == "painted-slices":
        return painted
    return (True,) * len(painted)
