from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.measure import regionprops
from tests.evaluation.helpers import class_table, label_image

from napari_segtrain.config import EvaluationConfig
from napari_segtrain.evaluation.centers import match_centers, object_centers
from napari_segtrain.evaluation.evaluate import iter_evaluation
from napari_segtrain.evaluation.pairs import LabelPair
from napari_segtrain.workflows.running import run

IDS = hnp.arrays(np.uint16, (3, 5, 6), elements=st.sampled_from([0, 1, 2, 7, 900]))
POINTS = hnp.arrays(
    float, st.tuples(st.integers(0, 4), st.just(3)), elements=st.integers(0, 6)
)


@given(IDS)
def test_centers_are_those_of_scikit_image(ids):
    wanted = np.unique(ids[ids > 0]).astype(np.uint64)
    found = object_centers(ids, wanted, (2.0, 1.0, 0.5))
    expected = [region.centroid for region in regionprops(ids)]
    expected = np.array(expected).reshape(-1, 3) * (2.0, 1.0, 0.5)
    np.testing.assert_allclose(found, expected)


@given(POINTS, POINTS, st.sampled_from([0.0, 1.0, 2.5]))
def test_matches_are_the_best_by_brute_force(truth, predicted, distance):
    rows, columns, apart = match_centers(truth, predicted, distance)
    assert len(set(rows)) == len(set(columns)) == len(rows)
    assert (apart <= distance).all()
    best = (0, 0.0)
    for n in range(min(len(truth), len(predicted)) + 1):
        for some in itertools.combinations(range(len(truth)), n):
            for others in itertools.permutations(range(len(predicted)), n):
                steps = truth[list(some)] - predicted[list(others)]
                far = np.linalg.norm(steps, axis=1)
                if (far <= distance).all():
                    best = max(best, (n, -far.sum()))
    assert (len(rows), -apart.sum()) == (best[0], pytest.approx(best[1]))


def test_many_centers_are_matched():
    rng = np.random.default_rng(0)
    truth = rng.random((20_000, 3)) * 300
    predicted = truth + rng.normal(0, 0.2, truth.shape)
    rows, columns, _ = match_centers(truth, predicted, 3.0)
    assert len(rows) == 20_000
    assert (rows == columns).mean() > 0.99


def vesicles(*places, shape=(30, 30), width=2):
    image = np.zeros(shape, np.uint8)
    for number, (y, x) in enumerate(places, start=1):
        image[y : y + width, x : x + width] = number
    return image


def test_small_objects_that_do_not_overlap_are_found():
    table = class_table("vesicle", is_objects=True)
    truth, found = vesicles((2, 2), (20, 20), (10, 2)), vesicles((4, 2), (20, 25))
    pair = LabelPair(
        "image",
        label_image(truth, classes=table, voxel_size=(0.01, 0.01)),
        label_image(found, classes=table),
    )

    def centers(**config):
        chosen = EvaluationConfig(**config)
        return run(iter_evaluation([pair], classes=table, config=chosen)).total

    total = centers(center_distance=3)
    assert total.objects[0].n_matched == 0
    (scores,) = total.centers
    assert (scores.n_truth, scores.n_predicted, scores.n_matched) == (3, 2, 1)
    assert (scores.precision, scores.f1) == (0.5, 0.4)
    assert scores.recall == pytest.approx(1 / 3)
    assert scores.unit == "um"
    assert scores.mean_distance == pytest.approx(0.02)
    assert centers(center_distance=0.06, unit="um").centers[0].n_matched == 2
    assert centers(objects=True).centers is None


def test_nothing_to_match():
    nothing = np.zeros((0, 3))
    found = match_centers(nothing, np.ones((2, 3)), 5.0)
    assert [len(part) for part in found] == [0, 0, 0]
