"""Classes of both sides are the same by name, else by value."""

from __future__ import annotations

import numpy as np
import pytest
from tests.evaluation.helpers import class_table, label_image

from napari_segtrain import evaluate
from napari_segtrain.boxes import full_box
from napari_segtrain.data.targets import TargetItem
from napari_segtrain.errors import DataError
from napari_segtrain.evaluation.class_matching import ClassItem, class_indices
from napari_segtrain.evaluation.pairs import common_classes
from napari_segtrain.image import ClassInfo, ClassTable

STROKES = ClassTable(
    (
        ClassInfo(1, "background", "#101010", "background"),
        ClassInfo(2, "myelin", "#ff0000"),
        ClassInfo(3, "axon", "#00ff00"),
        ClassInfo(0, "unlabelled", "#808080", "unlabelled"),
    ),
    zero="unlabelled",
)
DENSE = class_table("myelin", "axon")
UNNAMED = class_table("class 1", "class 2")
LABELS = np.random.default_rng(0).integers(0, 3, (20, 30), np.uint8)


def indices_of(table: ClassTable, classes: ClassTable, values: list[int]) -> list[int]:
    own = table.to_index(np.array(values))
    return class_indices(table, classes)[own].tolist()


def test_a_name_counts_more_than_a_value() -> None:
    classes = common_classes([DENSE], [STROKES])
    assert classes.names == ("background", "myelin", "axon")
    assert classes.values == (0, 1, 2)
    assert classes.rows[1].color == "#ff0000"
    assert indices_of(DENSE, classes, [0, 1, 2]) == [0, 1, 2]
    assert indices_of(STROKES, classes, [1, 2, 3, 0]) == [0, 1, 2, 255]


@pytest.mark.parametrize("own", [DENSE, STROKES])
def test_values_come_with_their_common_indices(own: ClassTable) -> None:
    classes = common_classes([DENSE], [STROKES])
    labels = label_image([[0, 1, 2, 3]], classes=own)
    target = TargetItem(labels.items()[0], own, (True,))
    item = ClassItem(target, class_indices(own, classes))
    values, indices = item.read_both(full_box(item.shape))
    assert values.tolist() == [[[0, 1, 2, 3]]]
    assert indices.tolist() == [[indices_of(own, classes, [0, 1, 2, 3])]]
    assert (item.read(full_box(item.shape)) == indices).all()


def test_names_are_compared_as_people_do() -> None:
    loud = class_table(" Axon", "MYELIN")
    assert common_classes([loud], [DENSE]).names == ("background", "axon", "myelin")


def test_a_model_of_strokes_is_scored_against_dense_labels() -> None:
    wrong = np.where(LABELS == 2, 1, LABELS)
    for predicted, expected in ((LABELS, 1.0), (wrong, evaluate(LABELS, wrong).iou)):
        report = evaluate(
            label_image(LABELS, classes=DENSE),
            label_image(predicted + 1, classes=STROKES),
        )
        assert report.iou == expected
        assert report.total.scores.overall.n_truth == LABELS.size


def test_dense_predictions_are_scored_against_strokes() -> None:
    strokes = np.where(np.arange(30) % 3 == 0, LABELS + 1, 0)
    report = evaluate(
        label_image(strokes, classes=STROKES), label_image(LABELS, classes=DENSE)
    )
    assert report.iou == 1.0
    assert report.total.scores.overall.n_truth == (strokes > 0).sum()


def test_names_from_settings_tell_which_is_which() -> None:
    predicted = label_image(LABELS + 1, classes=STROKES)
    names = {0: "background", 1: "myelin", 2: "axon"}
    assert evaluate(LABELS, predicted, classes=names).iou == 1.0


def test_other_numbers_without_names_are_refused() -> None:
    with pytest.raises(DataError, match=r"number their classes differently \(0 backg"):
        common_classes([UNNAMED], [STROKES])
    with pytest.raises(DataError, match="number their classes differently"):
        evaluate(LABELS, label_image(LABELS + 1, classes=STROKES))


def test_values_count_where_names_differ_but_numbers_are_alike() -> None:
    classes = common_classes([UNNAMED], [DENSE])
    assert classes.names == ("background", "myelin", "axon")
    assert indices_of(UNNAMED, classes, [0, 1, 2]) == [0, 1, 2]


def test_classes_that_were_swapped_are_found_by_their_names() -> None:
    swapped = class_table("axon", "myelin")
    other = np.array([0, 2, 1], np.uint8)[LABELS]
    report = evaluate(
        label_image(LABELS, classes=DENSE), label_image(other, classes=swapped)
    )
    assert report.iou == 1.0


def test_a_class_of_one_side_alone_stays_a_class() -> None:
    other = class_table("axon", "vessel")
    classes = common_classes([DENSE], [other])
    assert classes.names == ("background", "myelin", "axon", "vessel")
    assert indices_of(DENSE, classes, [0, 1, 2]) == [0, 1, 2]
    assert indices_of(other, classes, [0, 1, 2]) == [0, 2, 3]


def test_a_value_that_is_unlabelled_in_the_truth_is_no_class() -> None:
    truth = class_table("cell", ignored=255)
    rows = (*class_table("cell").rows, ClassInfo(255, "class 255", "#123456"))
    classes = common_classes([truth], [ClassTable(rows)])
    assert classes.names == ("background", "cell")
    assert indices_of(ClassTable(rows), classes, [0, 1, 255]) == [0, 1, 255]


def test_two_classes_of_one_name_stay_two() -> None:
    table = class_table("cell", "cell")
    classes = common_classes([table], [table])
    assert indices_of(table, classes, [0, 1, 2]) == [0, 1, 2]


def test_overlays_know_the_classes_of_both_sides(tmp_path) -> None:
    from napari_segtrain.evaluation.error_map import error_map_array
    from napari_segtrain.evaluation.pairs import LabelPair

    pair = LabelPair(
        "image",
        label_image(LABELS, classes=DENSE),
        label_image(LABELS + 1, classes=STROKES),
    )
    errors = error_map_array(pair, common_classes([DENSE], [STROKES]))
    assert np.array_equal(errors, (LABELS > 0).astype(np.uint8))
