from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.evaluation.helpers import class_table, label_image

from napari_segtrain.config import EvaluationConfig
from napari_segtrain.evaluation.contingency import Contingency
from napari_segtrain.evaluation.evaluate import iter_evaluation
from napari_segtrain.evaluation.object_list import KINDS, list_objects
from napari_segtrain.evaluation.pairs import LabelPair
from napari_segtrain.workflows.running import run

ID_MAPS = hnp.arrays(np.uint8, (2, 4, 5), elements=st.integers(0, 4))


def listed(truth, predicted, threshold=0.5):
    truth, predicted = np.atleast_3d(truth), np.atleast_3d(predicted)
    contingency = Contingency()
    contingency.add(truth, predicted)
    return list_objects(
        contingency.table(), truth, predicted, threshold, class_name="cell", index={}
    )


@given(ID_MAPS, ID_MAPS)
def test_every_object_is_listed_with_its_best_partner(truth, predicted):
    found = listed(truth, predicted)
    rows = list(found.to_rows())
    true = [row for row in rows if row["kind"] != "extra"]
    assert [row["id"] for row in true] == [i for i in np.unique(truth) if i]
    sides = {"found": truth, "missed": truth, "extra": predicted}
    for row in rows:
        own = sides[row["kind"]]
        other = predicted if own is truth else truth
        mask = own == row["id"]
        assert row["voxels"] == mask.sum()
        center = np.argwhere(mask).mean(axis=0)
        assert [row[axis] for axis in "zyx"] == pytest.approx(center.tolist())
        best = max(
            ((mask & (other == i)).sum() / (mask | (other == i)).sum())
            for i in (*np.unique(other[other > 0]), 200)
        )
        assert row["iou"] == pytest.approx(best)
        if row["partner"]:
            shared = other == row["partner"]
            assert (mask & shared).sum() / (mask | shared).sum() == pytest.approx(best)
        else:
            assert best == 0
    extra = {row["id"] for row in rows if row["kind"] == "extra"}
    n_matched = sum(row["kind"] == "found" for row in rows)
    assert n_matched + len(extra) == len(np.unique(predicted[predicted > 0]))


def test_splits_and_merges_are_told():
    truth = [[1, 1, 1, 1, 0, 2, 2, 0, 3, 3, 0, 4]]
    found = [[5, 5, 6, 6, 0, 8, 8, 8, 8, 8, 0, 0]]
    table = listed(truth, found)
    assert table.is_split.tolist()[:4] == [True, False, False, False]
    assert table.is_merged.tolist()[:4] == [False, True, True, False]
    assert [KINDS[kind] for kind in table.kinds[:4]][-1] == "missed"


def test_an_evaluation_lists_objects_of_each_item():
    movie = np.zeros((2, 1, 6, 6), np.uint8)
    movie[0, 0, :2, :2] = 3
    movie[1, 0, 4:, 4:] = 9
    table = class_table("cell", is_objects=True)
    labels = label_image(movie, axes="TZYX", classes=table)
    pair = LabelPair("movie", labels, labels)
    config = EvaluationConfig(objects=True)
    report = run(iter_evaluation([pair], classes=table, config=config))
    rows = report.to_list_rows()
    assert [(row["image"], row["t"], row["id"]) for row in rows] == [
        ("movie", 0, 3),
        ("movie", 1, 9),
    ]
    assert [row["iou"] for row in rows] == [1.0, 1.0]
    assert rows[1]["y"] == 4.5


def test_nothing_is_an_empty_list():
    assert len(listed([[0, 0]], [[0, 0]])) == 0
    assert [KINDS[k] for k in listed([[0, 0]], [[1, 1]]).kinds] == ["extra"]
    assert [KINDS[k] for k in listed([[1, 1]], [[0, 0]]).kinds] == ["missed"]
