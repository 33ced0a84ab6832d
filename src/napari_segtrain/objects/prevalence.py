"""On which slice an object is most prevalent: where a point stands for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_segtrain.image import LazyArray

    Column = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class PrevalentSlices:
    """The slice of each object that holds most of its voxels, as columns of a table.

    Parameters
    ----------
    ids : ndarray of uint64, shape (n,)
        Rising.
    centers : ndarray of float64, shape (n, 3)
        Z of the slice, and mean Y and X of the object's voxels in it.
    n_voxels : ndarray of int64, shape (n,)
        Of the object, in that slice.
    """

    ids: Column
    centers: Column
    n_voxels: Column

    def __len__(self) -> int:
        return len(self.ids)

    def to_rows(self) -> Iterator[dict[str, Any]]:
        """Rows of the table, in plain values."""
        columns = (self.ids, self.centers, self.n_voxels)
        for object_id, (z, y, x), n in zip(*(c.tolist() for c in columns), strict=True):
            yield {"id": object_id, "z": int(z), "y": y, "x": x, "voxels": n}


def prevalent_slices(ids: LazyArray) -> PrevalentSlices:
    """Find for each object the slice with most of its voxels, and its center there.

    Of slices with equally many, the one nearest to the object's middle along Z counts,
    and of two such the first.

    Parameters
    ----------
    ids : array of int, shape (Z, Y, X)
        Object ids; 0 and less is background. Slices are read one by one.
    """
    parts = [_sums(np.asarray(ids[z]), z) for z in range(ids.shape[0])]
    owners = np.concatenate([np.zeros(0, np.uint64), *(owner for owner, _ in parts)])
    sums = np.concatenate([np.zeros((0, 4)), *(part for _, part in parts)])
    n, z = sums[:, 0], sums[:, 1]
    different, number = np.unique(owners, return_inverse=True)
    middle = np.bincount(number, n * z) / np.bincount(number, n)
    order = np.lexsort((z, np.abs(z - middle[number]), -n, number))
    best = order[np.flatnonzero(np.diff(number[order], prepend=-1))]
    centers = sums[best, 1:]
    centers[:, 1:] /= n[best, np.newaxis]
    return PrevalentSlices(different, centers, n[best].astype(np.int64))


def _sums(plane: Column, z: int) -> tuple[Column, Column]:
    """Ids in a slice, and of each the voxels, Z, and sums of Y and X over them."""
    is_new = np.ones(plane.shape, bool)
    is_new[:, 1:] = plane[:, 1:] != plane[:, :-1]
    starts = np.flatnonzero(is_new)  # runs along X are far fewer than voxels
    lengths = np.diff(starts, append=plane.size)
    owners = plane.ravel()[starts]
    is_object = owners > 0
    starts, lengths = starts[is_object], lengths[is_object]
    found, number = np.unique(owners[is_object], return_inverse=True)
    y, x = np.divmod(starts, max(plane.shape[1], 1))
    n = np.bincount(number, lengths)
    sum_y = np.bincount(number, lengths * y)
    sum_x = np.bincount(number, lengths * (x + (lengths - 1) / 2))
    sums = np.stack([n, np.full(len(n), float(z)), sum_y, sum_x], axis=1)
    return found.astype(np.uint64), sums
