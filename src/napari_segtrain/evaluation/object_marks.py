"""Where objects are split or merged, voxel by voxel, for error maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.boxes import iter_blocks
from napari_segtrain.evaluation.aligned import aligned_items, may_go_on
from napari_segtrain.evaluation.object_ids import BLOCK_VOXELS, ObjectIds
from napari_segtrain.evaluation.object_pass import ObjectItem
from napari_segtrain.evaluation.object_summary import split_and_merged

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_segtrain.boxes import Box
    from napari_segtrain.control import RunControl
    from napari_segtrain.evaluation.pairs import LabelPair
    from napari_segtrain.image import ClassTable

    Mask = npt.NDArray[np.bool_]

_BITS = 8


@dataclass(frozen=True, eq=False)
class ItemMarks:
    """Objects of one item that are split or merged, of all foreground classes.

    Parameters
    ----------
    split : PackedMask
        Voxels of the objects of the ground truth that are cut into several.
    merged : PackedMask
        Voxels of the predicted objects that hold several true ones.
    """

    split: PackedMask
    merged: PackedMask


@dataclass(frozen=True, eq=False)
class PackedMask:
    """A mask in memory, a bit per voxel.

    Parameters
    ----------
    bits : ndarray of uint8, shape (Z, Y, ceil(X / 8))
    """

    bits: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, mask: Mask) -> PackedMask:
        """Pack a mask of shape (Z, Y, X)."""
        return cls(np.packbits(mask, axis=-1))

    def read(self, box: Box) -> Mask:
        """Read a part, (Z, Y, X)."""
        z, y, x = box
        first = x.start // _BITS
        bytes_ = self.bits[z, y, first : -(-x.stop // _BITS)]
        bits = np.unpackbits(bytes_, axis=-1)
        part = slice(x.start - first * _BITS, x.stop - first * _BITS)
        mask: Mask = bits[..., part].astype(bool)
        return mask


def iter_object_marks(
    pair: LabelPair, classes: ClassTable, *, control: RunControl | None = None
) -> Generator[int, None, tuple[ItemMarks, ...]]:
    """Find the objects that are split or merged; see `split_and_merged`.

    One item at a time is read as a whole.

    Parameters
    ----------
    pair : LabelPair
        What is compared.
    classes : ClassTable
        Of both sides, see `common_classes`.
    control : RunControl, optional
        Stop and pause, effective after the present class of an item.

    Yields
    ------
    int
        Voxels that were looked at since the last.

    Returns
    -------
    tuple of ItemMarks
        In the order of the items; too few after a stop.
    """
    marks: list[ItemMarks] = []
    for sides in aligned_items(pair, classes, control):
        item = ObjectItem(pair, sides)
        split, merged = np.zeros(sides[0].shape, bool), np.zeros(sides[0].shape, bool)
        for index in classes.foreground:
            if not may_go_on(control):
                return tuple(marks)
            objects = item.objects(index, classes.names[index])
            table = objects.table
            is_split, is_merged = split_and_merged(table)
            _mark(split, objects.truth, table.truth_ids[1:][is_split])
            _mark(merged, objects.prediction, table.predicted_ids[1:][is_merged])
            yield item.n_voxels // len(classes.foreground)
        marks.append(ItemMarks(PackedMask.of(split), PackedMask.of(merged)))
    return tuple(marks)


def _mark(mask: Mask, ids: ObjectIds, wanted: npt.NDArray[Any]) -> None:
    """Add to a mask where some objects are."""
    if not len(wanted):
        return
    z, y, x = mask.shape
    for box in iter_blocks((z, y, x), BLOCK_VOXELS):
        part = ids[box]
        mask[box] |= np.isin(part, wanted.astype(part.dtype))
