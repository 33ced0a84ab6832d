from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from monai.metrics import compute_panoptic_quality

from napari_segtrain.evaluation.contingency import Contingency
from napari_segtrain.evaluation.instance import score_objects
from napari_segtrain.evaluation.object_summary import (
    AP_THRESHOLDS,
    split_and_merged,
    summarize_objects,
)
from napari_segtrain.evaluation.sums import sum_scores

ID_MAPS = hnp.arrays(np.uint8, (6, 7), elements=st.integers(0, 4))


def table_of(truth, predicted):
    contingency = Contingency()
    contingency.add(np.asarray(truth), np.asarray(predicted))
    return contingency.table()


@pytest.mark.parametrize("seed", range(3))
def test_panoptic_quality_is_that_of_monai(seed):
    rng = np.random.default_rng(seed)
    truth = np.kron(rng.integers(0, 12, (6, 7)), np.ones((5, 5), int))
    predicted = np.where(rng.random(truth.shape) < 0.2, 0, truth)
    predicted[:, :9] = 3
    (scores,) = score_objects(table_of(truth, predicted), (0.5,))
    sides = [torch.from_numpy(side) for side in (predicted, truth)]
    for name, value in (
        ("pq", scores.pq),
        ("sq", scores.mean_matched_iou),
        ("rq", scores.f1),
    ):
        expected = compute_panoptic_quality(*sides, metric_name=name)
        assert value == pytest.approx(float(expected), abs=1e-5)


def test_half_an_iou_is_a_match_but_not_of_panoptic_quality():
    truth = [[1, 1, 1, 1, 0, 2, 2, 2, 2, 0]]
    found = [[5, 5, 6, 6, 0, 7, 7, 7, 0, 0]]
    (scores,) = score_objects(table_of(truth, found), (0.5,))
    sides = [torch.tensor(side) for side in (found, truth)]
    assert (scores.n_matched, scores.f1, scores.ap) == (2, 4 / 5, 2 / 3)
    assert scores.pq == pytest.approx(0.75 / (1 + 2 / 2 + 1 / 2))
    assert scores.pq == pytest.approx(float(compute_panoptic_quality(*sides)))
    total = sum_scores([(scores,), (scores,)])[0]
    assert total.pq == pytest.approx(scores.pq)


def test_a_match_at_the_threshold_in_unlabelled_voxels_has_no_panoptic_quality():
    contingency = Contingency()
    truth, found = np.array([[1, 1, 0, 0, 0]]), np.array([[4, 0, 4, 4, 0]])
    contingency.add(truth, found, np.array([[False, False, True, True, False]]))
    (scores,) = score_objects(contingency.table(), (0.5,))
    assert (scores.n_matched, scores.n_predicted) == (1, 1)
    assert (scores.n_predicted_above, scores.pq) == (0, 0.0)


def test_mean_precision_is_over_ten_thresholds():
    truth = np.zeros((1, 40), int)
    truth[0, :20] = 1
    predicted = np.zeros((1, 40), int)
    predicted[0, :14] = 7  # an IoU of 0.7
    summary = summarize_objects(table_of(truth, predicted), "cell")
    assert AP_THRESHOLDS[:3] == (0.5, 0.55, 0.6)
    assert AP_THRESHOLDS[-1] == 0.95
    assert summary.mean_ap == pytest.approx(0.5)


def test_splits_and_merges_are_counted_once_per_object():
    truth = [[1, 1, 1, 1, 1, 1, 0, 2, 2, 0, 3, 3, 0, 4, 4]]
    found = [[5, 5, 6, 6, 7, 7, 0, 8, 8, 8, 8, 8, 0, 9, 9]]
    table = table_of(truth, found)
    is_split, is_merged = split_and_merged(table)
    assert table.truth_ids[1:][is_split].tolist() == [1]
    assert table.predicted_ids[1:][is_merged].tolist() == [8]
    summary = summarize_objects(table, "cell")
    assert (summary.n_split, summary.n_merged, summary.count_error) == (1, 1, 1)


@given(ID_MAPS, ID_MAPS)
def test_splits_are_the_merges_of_the_other_way_round(truth, predicted):
    there = split_and_merged(table_of(truth, predicted))
    back = split_and_merged(table_of(predicted, truth))
    assert (there[0] == back[1]).all()
    assert (there[1] == back[0]).all()


@given(ID_MAPS, ID_MAPS)
def test_splits_and_merges_by_brute_force(truth, predicted):
    is_split, is_merged = split_and_merged(table_of(truth, predicted))
    for a, b, found in ((truth, predicted, is_split), (predicted, truth, is_merged)):
        whole = [label for label in np.unique(a) if label]
        parts = [label for label in np.unique(b) if label]
        counts = [
            sum(2 * (a[b == part] == w).sum() > (b == part).sum() for part in parts)
            for w in whole
        ]
        assert found.tolist() == [count > 1 for count in counts]


def test_summaries_of_several_images_add_up():
    first = summarize_objects(table_of([[1, 1, 0, 2]], [[1, 1, 0, 0]]), "cell")
    second = summarize_objects(table_of([[1, 1, 0, 0]], [[3, 0, 0, 4]]), "cell")
    (total,) = sum_scores([[first], [second]])
    assert (total.n_truth, total.n_predicted, total.count_error) == (3, 3, 0)
    assert total.at_thresholds[0].n_matched == 2
    assert total.partition == first.partition + second.partition
    other = summarize_objects(table_of([[1]], [[1]]), "axon")
    with pytest.raises(ValueError, match="cannot add objects of cell and axon"):
        first + other


def test_without_objects_there_are_no_scores():
    summary = summarize_objects(table_of([[0, 0]], [[0, 0]]), "cell")
    assert summary.mean_ap is None
    assert summary.count_error == 0
    assert summary.to_dict()["rand_f"] is None
