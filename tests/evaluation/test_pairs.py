from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.helpers import class_table

from napari_segtrain.errors import DataError
from napari_segtrain.evaluation.pairs import LabelPair, check_pair, common_classes
from napari_segtrain.image import ClassInfo, ClassTable, LabelImage


def test_union_takes_names_and_colors_from_the_prediction():
    truth = ClassTable(
        (
            ClassInfo(0, "zero", "#000000", "background", 90),
            ClassInfo(2, "class 2", "#111111", "class", 10),
            ClassInfo(7, "class 7", "#222222", "class", 5),
        )
    )
    prediction = class_table("myelin", "axon")
    classes = common_classes([truth, truth], [prediction])
    assert classes.values == (0, 1, 2, 7)
    assert classes.names == ("background", "myelin", "axon", "class 7")
    assert classes.rows[2].color == prediction.rows[2].color
    assert [row.n_voxels for row in classes.rows] == [180, 0, 20, 10]


def test_ground_truth_says_what_counts():
    rows = (
        ClassInfo(0, "unlabelled", "#808080", "unlabelled"),
        ClassInfo(1, "background", "#000000", "background"),
        ClassInfo(2, "cell", "#ff0000"),
    )
    truth = ClassTable(rows, zero="unlabelled")
    classes = common_classes([truth], [class_table("cell")])
    assert classes.unlabelled_values == (0,)
    assert classes.values == (1, 2)
    assert classes.names == ("background", "cell")
    assert classes.classes[0].role == "background"
    assert classes.zero == "unlabelled"


def test_every_value_of_the_background_is_the_same_class():
    """Strokes with a painted background train a model for densely labelled images."""
    prediction = ClassTable(
        (
            ClassInfo(1, "outside", "#000000", "background", aliases=(5,)),
            ClassInfo(2, "cell", "#ff0000"),
        )
    )
    truth = ClassTable(
        (
            ClassInfo(0, "background", "#000000", "background", 70),
            ClassInfo(2, "cell", "#ff0000", "class", 30),
        )
    )
    classes = common_classes([truth], [prediction])
    assert classes.names == ("outside", "cell")
    assert [row.n_voxels for row in classes.rows] == [70, 30]
    assert classes.to_index(np.array([0, 1, 5, 2])).tolist() == [0, 0, 0, 1]


def test_one_side_is_enough():
    assert common_classes([], [class_table("cell")]).values == (0, 1)
    assert common_classes([class_table("cell")], []).values == (0, 1)
    with pytest.raises(ValueError, match="at least one"):
        common_classes([], [])


def test_object_ids_and_a_single_class_become_one_class():
    truth = class_table("nucleus", is_objects=True)
    rows = (
        ClassInfo(0, "background", "#000000", "background"),
        ClassInfo(255, "nuclei", "#ff0000"),
    )
    classes = common_classes([truth], [ClassTable(rows)])
    assert classes.is_objects
    assert classes.names == ("background", "nuclei")
    labels = np.array([0, 1, 17, 255, 300], np.uint16)
    assert classes.to_index(labels).tolist() == [0, 1, 1, 1, 1]


def test_object_ids_against_several_classes_are_refused():
    truth = class_table("nucleus", is_objects=True)
    with pytest.raises(DataError, match=r"myelin, axon.*--target"):
        common_classes([truth], [class_table("myelin", "axon")])


@pytest.mark.slow
def test_too_many_classes_are_refused():
    many = class_table(*(f"class {value}" for value in range(1, 300)))
    with pytest.raises(DataError, match="300 values"):
        common_classes([many], [many])


@pytest.mark.parametrize(
    ("truth_shape", "truth_axes", "shape", "axes"),
    [
        ((8, 9), "YX", (8, 10), "YX"),
        ((3, 8, 9), "ZYX", (3, 8, 9), "TYX"),
        ((3, 8, 9), "TYX", (4, 8, 9), "TYX"),
    ],
)
def test_pairs_of_other_sizes_are_refused(truth_shape, truth_axes, shape, axes):
    source = Path("folder/truth.tif")
    truth = LabelImage(np.zeros(truth_shape, np.uint8), truth_axes, source=source)
    prediction = LabelImage(np.zeros(shape, np.uint8), axes, name="mine")
    with pytest.raises(DataError) as caught:
        check_pair(LabelPair("image 1", truth, prediction))
    message = str(caught.value)
    for part in ("image 1", "truth.tif", "mine", "×".join(map(str, shape))):
        assert part in message


def test_the_order_of_axes_and_the_kind_of_array_may_differ():
    truth = LabelImage(np.zeros((3, 8, 9), np.uint8), "ZYX")
    prediction = LabelImage(np.zeros((9, 8, 3), np.uint64), "XYZ")
    check_pair(LabelPair("image", truth, prediction))
