from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_segtrain.evaluation.contingency import Contingency
from napari_segtrain.evaluation.instance import score_objects
from napari_segtrain.evaluation.sums import sum_scores

SHAPE = (6, 7)
ID_MAPS = hnp.arrays(np.uint8, SHAPE, elements=st.integers(0, 5))


def scores_of(truth, predicted, ignored=None, thresholds=(0.5, 0.75)):
    contingency = Contingency()
    contingency.add(np.asarray(truth), np.asarray(predicted), ignored)
    return score_objects(contingency.table(), thresholds)


def test_counts_and_scores_of_a_small_case():
    truth = np.array([[1, 1, 1, 1, 0, 2, 2, 0, 3]])
    predicted = np.array([[9, 9, 9, 0, 0, 4, 4, 0, 0]])
    at_half, at_three_quarters = scores_of(truth, predicted)
    assert (at_half.n_truth, at_half.n_predicted, at_half.n_matched) == (3, 2, 2)
    assert (at_half.n_false_positive, at_half.n_false_negative) == (0, 1)
    assert at_half.precision == 1.0
    assert at_half.recall == pytest.approx(2 / 3)
    assert at_half.f1 == pytest.approx(4 / 5)
    assert at_half.ap == pytest.approx(2 / 3)
    assert at_half.mean_matched_iou == pytest.approx((0.75 + 1) / 2)
    assert at_three_quarters.n_matched == 2


@given(ID_MAPS)
def test_a_perfect_prediction_scores_one(labels):
    n_objects = len(np.unique(labels[labels > 0]))
    for scores in scores_of(labels, labels.astype(np.uint64) * 2**50):
        assert scores.n_matched == scores.n_truth == n_objects
        assert scores.f1 == scores.ap == scores.mean_matched_iou
        assert scores.f1 == (1.0 if n_objects else None)


@given(ID_MAPS, ID_MAPS)
def test_a_higher_threshold_never_matches_more(truth, predicted):
    thresholds = (0.1, 0.3, 0.5, 0.7, 0.9)
    matched = [s.n_matched for s in scores_of(truth, predicted, thresholds=thresholds)]
    assert matched == sorted(matched, reverse=True)


def test_scores_without_objects_are_undefined():
    nothing = np.zeros(SHAPE, np.uint8)
    one = nothing.copy()
    one[0, 0] = 1
    for scores in scores_of(nothing, nothing):
        assert (scores.precision, scores.recall, scores.f1, scores.ap) == (None,) * 4
        assert scores.mean_matched_iou is None
    assert scores_of(one, nothing)[0].recall == 0.0
    assert scores_of(one, nothing)[0].precision is None
    assert scores_of(nothing, one)[0].f1 == 0.0


def test_object_in_unlabelled_voxels_is_no_false_positive():
    truth = np.zeros((1, 8), np.uint8)
    predicted = np.array([[1, 1, 1, 1, 0, 2, 2, 2]])
    ignored = np.array([[True, True, True, False, False, True, False, False]])
    scores = scores_of(truth, predicted, ignored)[0]
    assert scores.n_predicted == 1, "only object 2 lies mostly in labelled voxels"


def test_object_with_a_partner_counts_although_mostly_unlabelled():
    truth = np.array([[0, 0, 0, 3]])
    predicted = np.array([[1, 1, 1, 1]])
    ignored = np.array([[True, True, True, False]])
    scores = scores_of(truth, predicted, ignored)[0]
    assert (scores.n_predicted, scores.n_matched) == (1, 1)
    assert scores.mean_matched_iou == 1.0


def test_scores_of_several_images_add_up():
    first = scores_of([[1, 1, 0, 2]], [[1, 1, 0, 0]])
    second = scores_of([[1, 1, 0, 2]], [[0, 0, 3, 3]])
    total = sum_scores([first, second])
    assert [scores.threshold for scores in total] == [0.5, 0.75]
    assert (total[0].n_truth, total[0].n_predicted, total[0].n_matched) == (4, 2 + 0, 2)
    with pytest.raises(ValueError, match="cannot add"):
        first[0] + first[1]


def test_scores_become_plain_values():
    row = scores_of([[1, 1]], [[1, 1]])[0].to_dict()
    assert row["class"] == "object"
    assert row["ap"] == 1.0
    assert row["n_false_negative"] == 0


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.5])
def test_thresholds_are_shares(threshold):
    with pytest.raises(ValueError, match="above 0 up to 1"):
        score_objects(Contingency().table(), (threshold,))
