"""Every object of a comparison: where it is, how well it is found, what went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.evaluation.centers import object_centers
from napari_segtrain.evaluation.instance import MAX_UNLABELLED_SHARE
from napari_segtrain.evaluation.matching import match_objects, object_iou
from napari_segtrain.evaluation.object_summary import split_and_merged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scipy import sparse

    from napari_segtrain.evaluation.contingency import ContingencyTable
    from napari_segtrain.image import LazyArray

Column = npt.NDArray[Any]

FOUND, MISSED, EXTRA = range(3)
KINDS = ("found", "missed", "extra")
_SPACING = (1.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class ObjectList:
    """Objects of one class of one item, as columns of a table.

    First the objects of the ground truth, by id; then the predicted ones that match
    none of them.

    Parameters
    ----------
    class_name : str
    index : dict of str to int
        The item; empty without item axes.
    kinds : ndarray of uint8, shape (n,)
        `FOUND`, `MISSED` or `EXTRA`.
    ids, partners : ndarray of uint64, shape (n,)
        Own id, and that of the object of the other side with the greatest IoU; 0 is
        none. Connected components of classes are numbered in the order of their
        voxels.
    iou : ndarray of float64, shape (n,)
        The greatest with any object of the other side.
    sizes : ndarray of int64, shape (n,)
        Labelled voxels.
    centers : ndarray of float64, shape (n, 3)
        Mean ZYX index of the voxels.
    is_split, is_merged : ndarray of bool, shape (n,)
        Whether an object of the ground truth is cut into several, or lies with others
        in a predicted one.
    """

    class_name: str
    index: dict[str, int]
    kinds: Column
    ids: Column
    partners: Column
    iou: Column
    sizes: Column
    centers: Column
    is_split: Column
    is_merged: Column

    def __len__(self) -> int:
        return len(self.ids)

    def worst(self, n: int) -> list[tuple[int, float, int]]:
        """Position, IoU and voxels of the objects with the lowest IoU."""
        order = np.lexsort((-self.sizes, self.iou))[:n].tolist()
        return [(at, float(self.iou[at]), int(self.sizes[at])) for at in order]

    def row(self, position: int) -> dict[str, Any]:
        """One row of the table, in plain values."""
        z, y, x = self.centers[position].tolist()
        return {
            "class": self.class_name,
            **{axis.lower(): at for axis, at in self.index.items()},
            "kind": KINDS[self.kinds[position]],
            "id": int(self.ids[position]),
            "partner": int(self.partners[position]),
            "iou": float(self.iou[position]),
            "voxels": int(self.sizes[position]),
            "split": int(self.is_split[position]),
            "merged": int(self.is_merged[position]),
            "z": z,
            "y": y,
            "x": x,
        }

    def to_rows(self) -> Iterator[dict[str, Any]]:
        """All rows of the table."""
        return map(self.row, range(len(self)))


def list_objects(
    table: ContingencyTable,
    truth_ids: LazyArray,
    predicted_ids: LazyArray,
    threshold: float,
    *,
    class_name: str,
    index: dict[str, int],
) -> ObjectList:
    """List the objects of an item.

    Parameters
    ----------
    table : ContingencyTable
        Of the item.
    truth_ids, predicted_ids : LazyArray of int, shape (Z, Y, X)
        Object ids, read box by box; 0 is background.
    threshold : float
        IoU from which objects match.
    class_name : str
    index : dict of str to int
        The item.
    """
    iou = object_iou(table.counts)
    matches = match_objects(iou, threshold)
    true, found = table.truth_ids[1:], table.predicted_ids[1:]
    best, partner = _best(iou, by_row=True)
    extra_best, extra_partner = _best(iou, by_row=False)
    is_matched = np.zeros(len(true), bool)
    is_matched[matches.rows] = True
    is_extra = table.unlabelled_share[1:] <= MAX_UNLABELLED_SHARE
    is_extra[matches.columns] = False
    is_split, _ = split_and_merged(table)
    n_extra = int(is_extra.sum())
    nothing = np.zeros(n_extra, bool)
    return ObjectList(
        class_name,
        dict(index),
        np.concatenate(
            [np.where(is_matched, FOUND, MISSED), np.full(n_extra, EXTRA)]
        ).astype(np.uint8),
        np.concatenate([true, found[is_extra]]),
        np.concatenate(
            [_ids_at(found, partner), _ids_at(true, extra_partner[is_extra])]
        ),
        np.concatenate([best, extra_best[is_extra]]),
        np.concatenate(
            [table.counts.sum(axis=1)[1:], table.counts.sum(axis=0)[1:][is_extra]]
        ),
        np.concatenate(
            [
                object_centers(truth_ids, true, _SPACING),
                object_centers(predicted_ids, found[is_extra], _SPACING),
            ]
        ),
        np.concatenate([is_split, nothing]),
        np.concatenate([_lies_with_others(table), nothing]),
    )


def _best(iou: sparse.coo_array, *, by_row: bool) -> tuple[Column, Column]:
    """Greatest IoU of each object, and the other side's position; -1 is none."""
    own, other = (iou.row, iou.col) if by_row else (iou.col, iou.row)
    n = iou.shape[0 if by_row else 1]
    order = np.argsort(iou.data, kind="stable")
    best, partner = np.zeros(n), np.full(n, -1)
    best[own[order]] = iou.data[order]
    partner[own[order]] = other[order]
    return best, partner


def _ids_at(ids: Column, positions: Column) -> Column:
    if not len(ids):
        return np.zeros(len(positions), np.uint64)
    return np.where(positions >= 0, ids[positions], np.uint64(0))


def _lies_with_others(table: ContingencyTable) -> Column:
    """Which objects of the ground truth lie mostly in a predicted one that merges."""
    _, merges = split_and_merged(table)
    shared = table.counts[1:, 1:].tocoo()
    sizes = table.counts.sum(axis=1)[1:]
    is_main = (2 * shared.data > sizes[shared.row]) & merges[shared.col]
    lies = np.zeros(shared.shape[0], bool)
    lies[shared.row[is_main]] = True
    return lies
