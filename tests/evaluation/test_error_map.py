"""Where a segmentation is right and wrong."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from PIL import ImageColor
from skimage.color import deltaE_ciede2000, rgb2lab
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

VISIONS = {
    "usual": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
"""What people see of linear red, green and blue (Machado et al. 2009)."""

CLASSES = class_table("myelin", "axon", ignored=255)
TRUTH = np.array([[0, 1, 0, 1, 1, 255]], np.uint8)
PREDICTED = np.array([[0, 1, 1, 0, 2, 1]], np.uint8)
CODES = [[0, 1, 2, 3, 4, 0]]


def seen_as(colors, matrix):
    """Lab colors of sRGB ones, as somebody sees them."""
    linear = np.where(
        colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4
    )
    seen = np.clip(linear @ np.transpose(matrix), 0, 1)
    curved = np.where(
        seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055
    )
    return rgb2lab(curved)


def test_the_kinds_of_error_are_told_apart():
    assert error_codes(TRUTH, PREDICTED, CLASSES).tolist() == CODES
    names = dict(zip(range(7), ERROR_CLASSES.names, strict=True))
    assert names == {
        0: "nothing",
        1: "true positive",
        2: "false positive",
        3: "false negative",
        4: "wrong class",
        5: "split object",
        6: "merged objects",
    }
    assert ERROR_CLASSES.values == tuple(names)


def test_one_class_cannot_be_mistaken_for_another():
    names = [row.name for row in error_classes(class_table("myelin"))]
    assert names == ["true positive", "false positive", "false negative"]


def test_objects_are_split_or_merged_only_where_they_are_matched():
    names = [row.name for row in error_classes(class_table("cell"), has_objects=True)]
    assert names[-2:] == ["split object", "merged objects"]
    assert "wrong class" not in names


@pytest.mark.parametrize("kind", VISIONS)
def test_color_blind_people_tell_the_colors_apart(kind):
    colors = [ImageColor.getrgb(row.color)[:3] for row in ERROR_CLASSES.rows[1:]]
    seen = seen_as(np.array(colors) / 255, VISIONS[kind])
    for first, second in combinations(seen, 2):
        assert deltaE_ciede2000(first, second) > 11


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
