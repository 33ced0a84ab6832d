"""Splits and merges in error maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.evaluation.helpers import class_table, label_image

from napari_segtrain.control import RunControl
from napari_segtrain.evaluation import error_map
from napari_segtrain.evaluation.contingency import Contingency
from napari_segtrain.evaluation.error_map import (
    MERGED,
    SPLIT,
    TRUE_POSITIVE,
    error_map_array,
)
from napari_segtrain.evaluation.lazy_errors import lazy_error_map
from napari_segtrain.evaluation.object_marks import PackedMask, iter_object_marks
from napari_segtrain.evaluation.object_summary import split_and_merged
from napari_segtrain.evaluation.pairs import LabelPair
from napari_segtrain.image import ClassTable, LabelImage

CELL = class_table("cell", is_objects=True)
TRUTH = [[1, 1, 1, 1, 1, 0, 2, 2, 0, 3, 3, 0, 4, 4]]
FOUND = [[5, 5, 0, 6, 6, 0, 7, 7, 7, 7, 7, 0, 8, 8]]
"""1 is cut into 5 and 6; 7 holds 2 and 3; 4 is 8."""
CODES = [[5, 5, 3, 5, 5, 0, 6, 6, 2, 6, 6, 0, 1, 1]]


def marks_of(pair: LabelPair, classes: ClassTable):
    work = iter_object_marks(pair, classes)
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def map_of(pair: LabelPair, classes: ClassTable) -> np.ndarray:
    return error_map_array(pair, classes, marks=marks_of(pair, classes))


def id_pair(truth, found, **options) -> LabelPair:
    sides = (label_image(side, classes=CELL, **options) for side in (truth, found))
    return LabelPair("a", *sides)


def test_ids_that_are_split_and_merged():
    pair = id_pair(np.uint16(TRUTH), np.uint16(FOUND))
    assert map_of(pair, CELL).tolist() == CODES


def test_components_that_are_split_and_merged():
    """The same with classes: objects are what is connected."""
    table = class_table("cell", "other")
    truth, found = (np.sign(side).astype(np.uint8) for side in (TRUTH, FOUND))
    pair = LabelPair("a", label_image(truth, classes=table), label_image(found))
    assert map_of(pair, table).tolist() == CODES


def test_merged_outweighs_split():
    pair = id_pair(np.uint8([[1, 1, 1, 1, 1, 2]]), np.uint8([[3, 3, 4, 4, 4, 4]]))
    assert map_of(pair, CELL).tolist() == [[5, 5, 6, 6, 6, 6]]


def broken(truth: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Ids of the halves of objects: split where they differ, merged where they do not.

    Parameters
    ----------
    truth : ndarray of int, shape (..., X)
    ids : ndarray of uint8, shape (5, 2)
        Of the left and the right half of each object.
    """
    is_right = (np.arange(truth.shape[-1]) > 5).astype(int)
    return ids[truth, is_right]


ID_MAPS = hnp.arrays(np.uint8, (3, 5, 11), elements=st.integers(0, 4))
HALVES = hnp.arrays(np.uint8, (5, 2), elements=st.integers(0, 5))


@given(ID_MAPS, HALVES)
def test_marks_are_the_objects_that_are_counted(truth, ids):
    found = broken(truth, ids)
    pair = id_pair(truth, found)
    plain, marked = error_map_array(pair, CELL), map_of(pair, CELL)
    contingency = Contingency()
    contingency.add(truth, found)
    table = contingency.table()
    is_split, is_merged = split_and_merged(table)
    lies_in_split = np.isin(truth, table.truth_ids[1:][is_split])
    lies_in_merged = np.isin(found, table.predicted_ids[1:][is_merged])
    is_right = plain == TRUE_POSITIVE
    assert np.array_equal(marked == MERGED, is_right & lies_in_merged)
    assert np.array_equal(marked == SPLIT, is_right & lies_in_split & ~lies_in_merged)
    assert np.array_equal(np.where(marked >= SPLIT, TRUE_POSITIVE, marked), plain)


@pytest.mark.parametrize(("axes", "shape"), [("TZYX", (2, 3, 5, 11)), ("YX", (9, 21))])
def test_blocks_and_parts_are_those_of_the_whole(monkeypatch, axes, shape):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, shape, np.uint8)
    found = broken(truth, np.uint8([[0, 0], [1, 2], [3, 3], [3, 3], [4, 4]]))
    pair = id_pair(truth, found, axes=axes)
    marks = marks_of(pair, CELL)
    whole = error_map_array(pair, CELL, marks=marks)
    assert {TRUE_POSITIVE, SPLIT, MERGED} <= set(np.unique(whole))
    monkeypatch.setattr(error_map, "_BLOCK_VOXELS", 30)
    assert np.array_equal(error_map_array(pair, CELL, marks=marks), whole)
    lazy = lazy_error_map(pair, CELL, marks=marks)
    assert np.array_equal(np.asarray(lazy), whole)
    part = tuple(slice(1, size - 1) for size in shape)
    assert np.array_equal(lazy[part], whole[part])


def test_unlabelled_voxels_are_of_no_object():
    table = class_table("cell", ignored=9, is_objects=True)
    truth = np.uint8([[1, 1, 1, 9, 9, 9]])
    pair = LabelPair(
        "a",
        LabelImage(truth, "YX", classes=table),
        label_image(np.uint8([[1, 1, 1, 2, 2, 2]]), classes=CELL),
    )
    assert map_of(pair, table).tolist() == [[1, 1, 1, 0, 0, 0]]


def test_stop_leaves_marks_out():
    pair = id_pair(np.uint8([[TRUTH[0]]] * 2), np.uint8([[FOUND[0]]] * 2), axes="TYX")
    control = RunControl()
    work = iter_object_marks(pair, CELL, control=control)
    next(work)
    control.stop()
    with pytest.raises(StopIteration) as stop:
        next(work)
    assert len(stop.value.value) == 1


@given(hnp.arrays(bool, (2, 3, 19)), st.data())
def test_packed_masks_are_read_in_parts(mask, data):
    ends = [sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2))) for n in mask.shape]
    z, y, x = (slice(*pair) for pair in ends)
    assert np.array_equal(PackedMask.of(mask).read((z, y, x)), mask[z, y, x])
