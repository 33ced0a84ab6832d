from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.data.helpers import RecordingArray
from tests.evaluation.helpers import class_table

from napari_segtrain import evaluate
from napari_segtrain.boxes import full_box
from napari_segtrain.config import EvaluationConfig
from napari_segtrain.evaluation import centers, object_pass
from napari_segtrain.evaluation.aligned import aligned_items
from napari_segtrain.evaluation.evaluate import iter_evaluation
from napari_segtrain.evaluation.object_ids import object_side
from napari_segtrain.evaluation.pairs import LabelPair
from napari_segtrain.image import LabelImage
from napari_segtrain.workflows.running import run

SHAPE = 4, 6, 7
IDS = class_table("cell", ignored=9, is_objects=True)
MASK = class_table("cell", ignored=9)
CLASSES = class_table("cell", "vessel", ignored=9)
VALUES = hnp.arrays(np.int16, SHAPE, elements=st.sampled_from([0, 0, 1, 2, 9]))


def found_of(truth, predicted, tables=(IDS, IDS)):
    sides = (
        LabelImage(values, "ZYX", classes=table)
        for values, table in zip((truth, predicted), tables, strict=True)
    )
    report = evaluate(*sides, objects=True, center_distance=2)
    total = report.total
    return total.objects, total.summaries, total.centers, report.to_list_rows()


@pytest.mark.parametrize("tables", [(IDS, IDS), (IDS, MASK), (CLASSES, CLASSES)])
@settings(max_examples=25)
@given(VALUES, VALUES, st.integers(1, 60))
def test_objects_do_not_depend_on_the_blocks(tables, truth, predicted, n_voxels):
    if truth[truth != 9].size == 0:
        truth[0, 0, 0] = 1
    whole = found_of(truth, predicted, tables)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(object_pass, "BLOCK_VOXELS", n_voxels)
        patch.setattr(centers, "BLOCK_VOXELS", n_voxels)
        assert found_of(truth, predicted, tables) == whole


def test_numbers_that_are_no_label_make_no_object():
    truth = np.zeros(SHAPE, np.int16)
    truth[0, :2, :2], truth[2, :2, :2], truth[3] = 1, 2, 9
    predicted = np.where(truth == 9, 5, truth)
    scores, _, near, rows = found_of(truth, predicted)
    assert (scores[0].n_truth, scores[0].n_predicted) == (2, 2)
    assert (near[0].n_truth, near[0].n_predicted, near[0].n_matched) == (2, 2, 2)
    assert [(row["kind"], row["id"], row["voxels"]) for row in rows] == [
        ("found", 1, 4),
        ("found", 2, 4),
    ]


def test_objects_of_slices_that_nobody_painted_do_not_count():
    truth = np.zeros(SHAPE, np.uint16)
    truth[1, :2, :2] = 3
    found = np.zeros(SHAPE, np.uint16)
    found[1:3, :2, :2] = 4
    report = evaluate(
        truth, found, target="instances", zero="painted-slices", objects=True
    )
    (row,) = report.to_list_rows()
    assert (row["iou"], row["voxels"], row["partner"]) == (1.0, 4, 4)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, ">u4"])
def test_ids_may_be_of_any_type(dtype):
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 4, (2, *SHAPE))
    expected = found_of(truth, predicted)
    assert found_of(truth.astype(dtype), predicted.astype(dtype)) == expected


@pytest.mark.parametrize("table", [IDS, CLASSES])
@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.float32, np.int64])
def test_the_type_of_ids_is_known_before_they_are_read(table, dtype):
    labels = LabelImage(np.ones(SHAPE, dtype), "ZYX", classes=table)
    pair = LabelPair("a", labels, labels)
    ((truth, _),) = aligned_items(pair, table)
    ids = object_side(labels, truth).objects(1)
    assert ids.dtype == ids[full_box(ids.shape)].dtype
    assert ids.shape == SHAPE


def test_ids_are_read_once_for_objects():
    values = np.arange(4 * 6 * 7, dtype=np.uint16).reshape(SHAPE)
    arrays = [RecordingArray(values) for _ in range(2)]
    sides = (LabelImage(array, "ZYX", classes=IDS) for array in arrays)
    config = EvaluationConfig(objects=True, center_distance=2)
    run(iter_evaluation([LabelPair("a", *sides)], classes=IDS, config=config))
    for array in arrays:
        of_classes, of_objects = array.reads
        assert of_classes == of_objects == values.size
