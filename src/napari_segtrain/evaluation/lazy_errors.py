"""Error maps of stores: computed where they are looked at."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.axes import SPATIAL_AXES, item_axes
from napari_segtrain.boxes import full_box
from napari_segtrain.evaluation.aligned import aligned_items
from napari_segtrain.evaluation.error_map import (
    ErrorBlock,
    error_codes,
    mark_objects,
    write_block,
)
from napari_segtrain.evaluation.pairs import check_pair
from napari_segtrain.io.lazy import Block, BlockArray, Slices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.control import RunControl
    from napari_segtrain.evaluation.object_marks import ItemMarks
    from napari_segtrain.evaluation.pairs import LabelPair
    from napari_segtrain.image import ClassTable


def lazy_error_map(
    pair: LabelPair,
    classes: ClassTable,
    *,
    marks: Sequence[ItemMarks] = (),
    control: RunControl | None = None,
) -> BlockArray:
    """Error map of a pair that needs no memory.

    Where 0 is background in painted slices only, these are found now.

    Parameters
    ----------
    pair : LabelPair
        What to compare.
    classes : ClassTable
        Of both sides, see `common_classes`.
    marks : sequence of ItemMarks, optional
        For each item, which objects are split or merged.
    control : RunControl, optional
        Stop ends the search for painted slices.

    Returns
    -------
    BlockArray of uint8
        Values of `ERROR_CLASSES`, with the axes and the shape of the ground truth.

    Raises
    ------
    DataError
        When the sizes differ.
    """
    check_pair(pair)
    axes, letters = pair.truth.axes, item_axes(pair.truth.axes)
    places = [
        tuple(item.index[letter] for letter in letters) for item in pair.truth.items()
    ]
    sides = dict(zip(places, aligned_items(pair, classes, control), strict=True))
    marked = dict(zip(places, marks, strict=False))

    def read_box(box: Slices) -> Block:
        codes = np.zeros([part.stop - part.start for part in box], np.uint8)
        parts = dict(zip(axes, box, strict=True))
        z, y, x = (parts.get(letter, slice(0, 1)) for letter in SPATIAL_AXES)
        starts = [parts[letter].start for letter in letters]
        ranges = [range(parts[letter].start, parts[letter].stop) for letter in letters]
        for index in itertools.product(*ranges):
            truth, prediction = (side.read((z, y, x)) for side in sides[index])
            found = error_codes(truth, prediction, classes)
            if index in marked:
                mark_objects(found, marked[index], (z, y, x))
            local = (i - first for i, first in zip(index, starts, strict=True))
            whole = full_box((found.shape[0], found.shape[1], found.shape[2]))
            place = dict(zip(letters, local, strict=True))
            write_block(codes, axes, ErrorBlock(place, whole, found))
        return codes

    return BlockArray(tuple(pair.truth.array.shape), np.dtype(np.uint8), read_box)
