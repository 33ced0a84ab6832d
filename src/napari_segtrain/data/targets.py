"""Label items as class indices, with the policy for 0 applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_segtrain.data.label_facts import as_integers
from napari_segtrain.image import IGNORE_INDEX, Box, ClassTable, Item

if TYPE_CHECKING:
    from napari_segtrain.axes import ZYX


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
    """

    labels: Item
    classes: ClassTable
    used: tuple[bool, ...]

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
        indices = self.classes.to_index(as_integers(self.labels.read(box)[0]))
        used = np.array(self.used[box[0]], bool)
        if not used.all():
            indices[~used] = IGNORE_INDEX
        return indices


def used_slices(painted: tuple[bool, ...], classes: ClassTable) -> tuple[bool, ...]:
    """Slices whose voxels count under the table's policy for 0."""
    if classes.zero == "painted-slices":
        return painted
    return (True,) * len(painted)
