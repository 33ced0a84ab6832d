from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from napari_segtrain.evaluation.contingency import Contingency
from napari_segtrain.evaluation.matching import match_objects, object_iou

THRESHOLDS = st.sampled_from([0.05, 0.2, 1 / 3, 0.5, 0.51, 0.75, 1.0])


def id_maps(max_id=4):
    shapes = hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)
    pairs = shapes.map(lambda shape: (2, *shape))
    return hnp.arrays(np.uint8, pairs, elements=st.integers(0, max_id))


def iou_of(truth, predicted):
    contingency = Contingency()
    contingency.add(truth, predicted)
    return object_iou(contingency.table().counts)


def brute_force_iou(truth, predicted):
    true_ids, predicted_ids = (np.unique(ids[ids > 0]) for ids in (truth, predicted))
    return np.array(
        [
            [
                ((truth == t) & (predicted == p)).sum()
                / ((truth == t) | (predicted == p)).sum()
                for p in predicted_ids
            ]
            for t in true_ids
        ]
    ).reshape(len(true_ids), len(predicted_ids))


def brute_force_best(iou, threshold):
    """Most pairs, then greatest sum of IoU, over every one-to-one assignment."""
    iou = iou if iou.shape[0] <= iou.shape[1] else iou.T
    best = (0, 0.0)
    for columns in itertools.permutations(range(iou.shape[1]), iou.shape[0]):
        values = iou[np.arange(iou.shape[0]), list(columns)]
        values = values[values >= threshold]
        best = max(best, (len(values), round(float(values.sum()), 9)))
    return best


@given(id_maps())
def test_iou_is_intersection_over_union(maps):
    np.testing.assert_allclose(iou_of(*maps).toarray(), brute_force_iou(*maps))


@given(id_maps(), THRESHOLDS)
def test_matches_are_the_best_one_to_one_assignment(maps, threshold):
    matches = match_objects(iou_of(*maps), threshold)
    assert len(set(matches.rows)) == len(matches.rows)
    assert len(set(matches.columns)) == len(matches.columns)
    assert (matches.iou >= threshold).all()
    found = (len(matches.rows), round(float(matches.iou.sum()), 9))
    assert found == pytest.approx(
        brute_force_best(brute_force_iou(*maps), threshold), abs=1e-6
    )


@given(id_maps(), THRESHOLDS)
def test_swapping_the_sides_matches_the_same_number(maps, threshold):
    there = match_objects(iou_of(maps[0], maps[1]), threshold)
    back = match_objects(iou_of(maps[1], maps[0]), threshold)
    assert len(there.rows) == len(back.rows)


def test_object_cut_in_half_matches_one_half_at_exactly_one_half():
    truth = np.array([[1, 1, 1, 1]])
    predicted = np.array([[5, 5, 6, 6]])
    assert len(match_objects(iou_of(truth, predicted), 0.5).rows) == 1
    assert len(match_objects(iou_of(truth, predicted), 0.51).rows) == 0


def test_more_pairs_win_over_a_better_single_pair():
    dense = np.array([[0.6, 0.35], [0.3, 0.0]])
    matches = match_objects(sparse.coo_array(dense), 0.25)
    assert list(zip(matches.rows, matches.columns, strict=True)) == [(0, 1), (1, 0)]


def test_no_objects_no_matches():
    nothing = np.zeros((3, 3), np.uint8)
    assert len(match_objects(iou_of(nothing, nothing), 0.5).rows) == 0
