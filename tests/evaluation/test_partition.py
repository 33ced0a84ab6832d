from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.metrics import adapted_rand_error, variation_of_information

from napari_segtrain.evaluation.contingency import Contingency
from napari_segtrain.evaluation.partition import PartitionScores, score_partition

ID_MAPS = hnp.arrays(np.uint8, (4, 5, 6), elements=st.integers(0, 5))


def score(truth, predicted):
    contingency = Contingency()
    contingency.add(np.asarray(truth), np.asarray(predicted))
    return score_partition(contingency.table())


def test_rand_is_that_of_scikit_image():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 9, (2, 10, 20, 30))
    error, precision, recall = adapted_rand_error(truth, predicted, ignore_labels=(0,))
    scores = score(truth, predicted)
    assert scores.rand_f == pytest.approx(1 - error)
    # scikit-image 0.26 gives the recall of the definition as precision, and vice versa
    assert {round(scores.rand_precision, 9), round(scores.rand_recall, 9)} == {
        round(float(precision), 9),
        round(float(recall), 9),
    }


def test_objects_cut_apart_lower_the_recall_and_merged_ones_the_precision():
    whole, halves = np.ones((1, 8), int), np.array([[1, 1, 1, 1, 2, 2, 2, 2]])
    cut = score(whole, halves)
    assert cut.rand_precision == 1.0
    assert cut.rand_recall == pytest.approx(2 * 4 * 3 / (8 * 7))
    assert (cut.voi_split, cut.voi_merge) == (1.0, 0.0)
    merged = score(halves, whole)
    assert merged.rand_recall == 1.0
    assert merged.rand_precision == cut.rand_recall
    assert (merged.voi_split, merged.voi_merge) == (0.0, 1.0)


@given(ID_MAPS, ID_MAPS)
def test_variation_of_information_is_that_of_scikit_image(truth, predicted):
    scores = score(truth, predicted)
    if not truth.any():
        assert (scores.voi, scores.rand_f) == (None, None)
        return
    split, merge = variation_of_information(truth, predicted, ignore_labels=(0,))
    assert scores.voi_split == pytest.approx(split, abs=1e-9)
    assert scores.voi_merge == pytest.approx(merge, abs=1e-9)
    assert scores.voi == pytest.approx(split + merge, abs=1e-9)


@given(ID_MAPS)
def test_the_same_objects_by_other_ids_agree(truth):
    scores = score(truth, np.where(truth > 0, 200 - truth, 0))
    assert scores.voi == (0.0 if truth.any() else None)
    assert scores.rand_f in {1.0, None}


@given(ID_MAPS, ID_MAPS)
def test_images_add_up_as_one_with_other_ids(truth, predicted):
    first, second = (score(t, p) for t, p in zip(truth[:2], predicted[:2], strict=True))
    far = np.array([[[0]], [[10]]])
    both = score(truth[:2] + far * (truth[:2] > 0), predicted[:2] + 10 * (far > 0))
    total = first + second
    assert total.n_voxels == both.n_voxels
    for name in ("n_pairs", "n_true_pairs", "n_predicted_pairs", "split_bits"):
        assert getattr(total, name) == pytest.approx(getattr(both, name))


def test_nothing_has_no_scores():
    assert PartitionScores().to_dict() == dict.fromkeys(
        (
            *("rand_f", "rand_precision", "rand_recall"),
            *("voi", "voi_split", "voi_merge"),
        )
    )
