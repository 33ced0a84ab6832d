"""Items of label images that are read slice by slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_segtrain.image import Item

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_segtrain.axes import ZYX


@dataclass(frozen=True)
class ItemSlices:
    """Slices of an item, for `iter_outlines` and `prevalent_slices`.

    Parameters
    ----------
    item : Item
        Of a label image.
    """

    item: Item

    @property
    def shape(self) -> ZYX:
        """Size in voxels."""
        return self.item.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the ids."""
        return self.item.dtype

    def __getitem__(self, z: int) -> npt.NDArray[Any]:
        _, n_y, n_x = self.item.shape
        block = self.item.read((slice(z, z + 1), slice(0, n_y), slice(0, n_x)))
        plane: npt.NDArray[Any] = block[0, 0]
        return plane
