"""Where a segmentation is right and wrong."""

from __future__ import annotations

import numpy as np
import pytest
from tests.evaluation.helpers import class_table, label_image

from napari_segtrain.boxes import iter_blocks
from napari_segtrain.control import RunControl
from napari_segtrain.errors import DataError
from napari_segtrain.evaluation import error_map
from napari_segtrain.evaluation.error_map import (
    ERROR_CLASSES,
    error_classes,
    error_codes,
    error_map_array,
    iter_error_map,
)
from napari_segtrain.evaluation.pairs import LabelPair
from napari_segtrain.image import ClassTable, LabelImage

CLASSES = class_table("myelin", "axon", ignored=255)
TRUTH = np.array([[0, 1, 0, 1, 1, 255]], np.uint8)
PREDICTED = np.array([[0, 1, 1, 0, 2, 1]], np.uint8)
CODES = [[0, 1, 2, 3, 4, 0]]


def test_the_kinds_of_error_are_told_apart():
    assert error_codes(TRUTH, PREDICTED, CLASSES).tolist() == CODES
    names = dict(zip(range(5), ERROR_CLASSES.names, strict=True))
    assert names == {
        0: "nothing",
        1: "true positive",
        2: "false positive",
        3: "false negative",
        4: "wrong class",
    }
    assert ERROR_CLASSES.values == tuple(names)


def test_one_class_cannot_be_mistaken_for_another():
    names = [row.name for row in error_classes(class_table("myelin"))]
    assert names == ["true positive", "false positive", "false negative"]


def test_voxel_without_a_prediction_is_missed():
    assert error_codes(np.uint8([1]), np.uint8([255]), CLASSES).tolist() == [3]


@pytest.mark.parametrize(("axes", "order"), [("TZYX", (0, 1, 2, 3)), ("XZTY", 0)])
def test_the_map_has_the_shape_of_the_ground_truth(monkeypatch, axes, order):
    monkeypatch.setattr(error_map, "_BLOCK_VOXELS", 40)
    shape = (2, 3, 5, 7)
    truth, predicted = np.random.default_rng(0).integers(0, 3, (2, *shape), np.uint8)
    expected = error_codes(truth, predicted, CLASSES)
    if order == 0:
        order = tuple("TZYX".index(axis) for axis in axes)
    turned = LabelImage(truth.transpose(order), axes)
    pair = LabelPair("movie", turned, LabelImage(predicted, "TZYX"))
    if axes == "TZYX":
        assert np.array_equal(error_map_array(pair, CLASSES), expected)
    else:
        found = error_map_array(pair, CLASSES)
        assert found.shape == turned.array.shape
        assert np.array_equal(found, expected.transpose(order))


def test_blocks_cover_the_image_and_count(monkeypatch):
    monkeypatch.setattr(error_map, "_BLOCK_VOXELS", 40)
    labels = label_image(np.ones((3, 9, 11), np.uint8))
    blocks = list(iter_error_map(LabelPair("a", labels, labels), CLASSES))
    boxes = [block.box for block in blocks]
    assert boxes == list(iter_blocks((3, 9, 11), 40))
    assert blocks[-1].n_done == blocks[-1].n_total == 3 * 9 * 11
    assert all(block.index == {} for block in blocks)


def test_slices_that_do_not_count_hold_nothing():
    truth = np.zeros((3, 4, 4), np.uint8)
    truth[1, 0] = 1
    table = class_table("myelin")
    painted = label_image(truth, classes=type(table)(table.rows, zero="painted-slices"))
    predicted = label_image(np.ones((3, 4, 4), np.uint8))
    found = error_map_array(LabelPair("a", painted, predicted), table)
    assert not found[[0, 2]].any()
    assert (found[1, 0] == 1).all()
    assert (found[1, 1:] == 2).all()


def test_unlabelled_values_do_not_make_a_slice_count():
    truth = np.zeros((3, 4, 4), np.uint8)
    truth[0, 0], truth[1, 0] = 255, 1
    rows = class_table("myelin", ignored=255).rows
    table = ClassTable(rows, zero="painted-slices")
    pair = LabelPair(
        "a", label_image(truth, classes=table), label_image(np.ones_like(truth))
    )
    found = error_map_array(pair, table)
    assert not found[[0, 2]].any()
    assert np.unique(found[1]).tolist() == [1, 2]


def test_stop_ends_after_a_block(monkeypatch):
    monkeypatch.setattr(error_map, "_BLOCK_VOXELS", 16)
    labels = label_image(np.ones((4, 4, 4), np.uint8))
    control = RunControl()
    blocks = iter_error_map(LabelPair("a", labels, labels), CLASSES, control=control)
    next(blocks)
    control.stop()
    with pytest.raises(StopIteration) as stop:
        next(blocks)
    assert stop.value.value is False


def test_other_sizes_are_refused():
    pair = LabelPair("a", label_image(np.zeros((4, 4))), label_image(np.zeros((4, 5))))
    with pytest.raises(DataError, match="differ in size"):
        error_map_array(pair, CLASSES)
