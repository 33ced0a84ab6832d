"""Both sides of a pair as indices of the same classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.boxes import iter_blocks
from napari_segtrain.data.targets import TargetItem
from napari_segtrain.evaluation.class_matching import ClassItem, class_indices
from napari_segtrain.image import OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_segtrain.control import RunControl
    from napari_segtrain.evaluation.pairs import LabelPair
    from napari_segtrain.image import ClassTable, Item

BLOCK_VOXELS = 1 << 22
"""Voxels that are compared at once; Stop waits for one block."""


def aligned_items(
    pair: LabelPair, classes: ClassTable, control: RunControl | None = None
) -> Iterator[tuple[ClassItem, ClassItem]]:
    """Items of a pair as indices of the common classes.

    Parameters
    ----------
    pair : LabelPair
        A side without a class table of its own has the values of ``classes``.
    classes : ClassTable
        Of both sides, see `common_classes`.
    control : RunControl, optional
        A stop ends the search for painted slices; what is read then counts not.

    Yields
    ------
    truth, prediction : ClassItem
        Slices that do not count are unlabelled in the truth only.
    """
    own_truth, own_prediction = pair.truth.classes, pair.prediction.classes
    zero = (own_truth or classes).zero
    for truth, prediction in zip(
        pair.truth.items(), pair.prediction.items(), strict=True
    ):
        everywhere = (True,) * truth.shape[0]
        is_partial = zero == "painted-slices"
        table = own_truth or classes
        used = _painted_slices(truth, table, control) if is_partial else everywhere
        yield (
            _class_item(truth, own_truth, classes, used),
            _class_item(prediction, own_prediction, classes, everywhere),
        )


def may_go_on(control: RunControl | None) -> bool:
    """Wait while paused; return whether nobody asks to stop."""
    if control is None:
        return True
    control.wait_while_paused()
    return not control.is_stopping


def _class_item(
    item: Item, own: ClassTable | None, classes: ClassTable, used: tuple[bool, ...]
) -> ClassItem:
    table = own or classes
    return ClassItem(TargetItem(item, table, used), class_indices(table, classes))


def _painted_slices(
    item: Item, table: ClassTable, control: RunControl | None
) -> tuple[bool, ...]:
    """Which slices along Z hold any label; unlabelled values are none."""
    painted = np.zeros(item.shape[0], bool)
    no_labels = [0, OUTSIDE, *table.unlabelled_values]
    for box in iter_blocks(item.shape, BLOCK_VOXELS):
        if not may_go_on(control):
            break
        is_label = np.isin(item.read(box)[0], no_labels, invert=True)
        painted[box[0]] |= is_label.any(axis=(1, 2))
    return tuple(painted.tolist())
