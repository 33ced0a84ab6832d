from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_segtrain.evaluation.probability import (
    ProbabilityScores,
    count_probabilities,
    held_out_iou,
)

TRUTH = hnp.arrays(np.uint8, 40, elements=st.sampled_from([0, 1, 2, 255]))
BYTES = hnp.arrays(np.uint8, 40, elements=st.integers(0, 255))


def count(truth, probability):
    return count_probabilities("cell", 1, np.asarray(truth, np.uint8), probability)


@given(TRUTH, BYTES)
def test_scores_at_every_threshold_by_brute_force(truth, values):
    scores = count(truth, values)
    known = truth != 255
    is_true = truth[known] == 1
    for index in range(0, 256, 15):
        found = values[known] >= index
        tp, fp = (found & is_true).sum(), (found & ~is_true).sum()
        n = is_true.sum()
        for curve, part, whole in (
            (scores.iou(), tp, n + fp),
            (scores.dice(), 2 * tp, tp + fp + n),
            (scores.precision(), tp, tp + fp),
            (scores.recall(), tp, n),
        ):
            expected = part / whole if whole else np.nan
            assert curve[index] == pytest.approx(expected, nan_ok=True)


@given(TRUTH, BYTES)
def test_bytes_and_shares_are_the_same(truth, values):
    whole, share = count(truth, values), count(truth, values / 255)
    assert (whole.inside == share.inside).all()
    assert (whole.outside == share.outside).all()
    np.testing.assert_allclose(whole.sums, share.sums)


@given(TRUTH, BYTES, st.integers(1, 39))
def test_blocks_add_up(truth, values, cut):
    parts = [count(truth[p], values[p]) for p in (slice(cut), slice(cut, None))]
    total, whole = parts[0] + parts[1], count(truth, values)
    assert (total.inside == whole.inside).all()
    assert (total.outside == whole.outside).all()


@given(TRUTH, BYTES)
def test_average_precision_by_its_definition(truth, values):
    scores = count(truth, values)
    known = truth != 255
    is_true, values = truth[known] == 1, values[known]
    if not is_true.any():
        assert scores.average_precision is None
        return
    expected, before = 0.0, 0.0
    for threshold in sorted(set(values.tolist()), reverse=True):
        found = values >= threshold
        recall = is_true[found].sum() / is_true.sum()
        expected += (recall - before) * is_true[found].mean()
        before = recall
    assert scores.average_precision == pytest.approx(expected)


def test_best_threshold_is_where_the_iou_is_greatest():
    truth = np.array([0] * 50 + [1] * 50)
    values = np.r_[np.linspace(0, 0.39, 50), np.linspace(0.61, 1, 50)]
    scores = count(truth, values)
    assert 0.4 < scores.best_threshold < 0.61
    assert scores.iou_at(scores.best_threshold) == 1.0
    assert scores.iou_at(0.0) == 0.5
    assert count(np.zeros(4), np.zeros(4)).best_threshold is None


def test_a_calibrated_map_has_no_calibration_error():
    rng = np.random.default_rng(0)
    said = rng.random(200_000)
    truth = (rng.random(said.shape) < said).astype(np.uint8)
    good = count(truth, said).calibration()
    assert good.error < 0.01
    np.testing.assert_allclose(good.predicted, good.observed, atol=0.02)
    sure = count(truth, np.where(said > 0.5, 0.99, 0.01)).calibration()
    assert sure.error == pytest.approx(0.24, abs=0.01)
    assert sure.n_voxels.sum() == said.size
    assert count(np.array([255]), np.array([0.5])).calibration().error is None


def test_held_out_thresholds_are_those_of_the_other_samples():
    truth = np.array([0, 0, 1, 1])
    low = count(truth, np.array([0.1, 0.2, 0.4, 0.4]))
    high = count(truth, np.array([0.5, 0.6, 0.8, 0.8]))
    assert low.iou_at(low.best_threshold) == high.iou_at(high.best_threshold) == 1
    assert held_out_iou([low, low, low]) == 1.0
    # At 0.3 all of the second is found, at 0.7 nothing of the first.
    assert held_out_iou([low, high]) == pytest.approx(2 / (2 + 4))
    assert held_out_iou([low]) is None
    nothing = count(np.zeros(4), np.zeros(4))
    assert held_out_iou([low, nothing]) is None


def test_curves_are_tables_without_nan():
    rows = count([1, 0], np.array([0.5, 0.2])).to_rows()
    assert len(rows) == 256
    assert rows[0]["recall"] == 1.0
    assert rows[-1]["precision"] is None
    assert {row["class"] for row in rows} == {"cell"}


@pytest.mark.parametrize("values", [[0.5, 1.2], [-0.1, 0.5], [np.nan, 0.1]])
def test_other_values_are_no_probabilities(values):
    with pytest.raises(ValueError, match="from 0 to 1"):
        count([0, 1], np.array(values))


def test_other_shapes_and_classes_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        count([0, 1], np.zeros(3))
    nothing = np.zeros(256, np.int64)
    other = ProbabilityScores("axon", nothing, nothing, np.zeros(256))
    with pytest.raises(ValueError, match="cell and axon"):
        count([0], np.zeros(1)) + other
