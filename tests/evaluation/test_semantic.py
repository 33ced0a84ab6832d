from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from monai.metrics import compute_dice, compute_iou
from skimage.metrics import contingency_table
from tests.evaluation.helpers import class_table

from napari_segtrain.evaluation.semantic import ConfusionMatrix
from napari_segtrain.image import IGNORE_INDEX

N_CLASSES = 3
CODES = st.sampled_from([0, 1, 2, IGNORE_INDEX])
CLASSES = class_table("myelin", "axon")


def index_maps(codes=CODES):
    shapes = hnp.array_shapes(min_dims=2, max_dims=3, max_side=9)
    pairs = shapes.map(lambda shape: (2, *shape))
    return hnp.arrays(np.uint8, pairs, elements=codes)


def confusion(truth, predicted, n_classes=N_CLASSES):
    matrix = ConfusionMatrix(n_classes)
    matrix.add(np.asarray(truth, np.uint8), np.asarray(predicted, np.uint8))
    return matrix


@given(index_maps(), st.integers(1, 50))
def test_counts_do_not_depend_on_the_blocks(maps, size):
    truth, predicted = maps[0].ravel(), maps[1].ravel()
    streamed = ConfusionMatrix(N_CLASSES)
    for start in range(0, truth.size, size):
        part = slice(start, start + size)
        streamed.add(truth[part], predicted[part])
    assert (streamed.counts == confusion(maps[0], maps[1]).counts).all()


@given(index_maps(), index_maps())
def test_sum_of_matrices_is_the_matrix_of_everything(first, second):
    total = confusion(*first) + confusion(*second)
    both = confusion(*first)
    both.add(*second)
    assert (total.counts == both.counts).all()


@given(index_maps())
def test_scores_follow_their_definitions(maps):
    truth, predicted = maps
    scores = confusion(truth, predicted).scores(CLASSES)
    is_labelled = truth != IGNORE_INDEX
    for index, of_class in enumerate(scores.classes):
        is_true = (truth == index) & is_labelled
        is_predicted = (predicted == index) & is_labelled
        tp = (is_true & is_predicted).sum()
        fp = (~is_true & is_predicted).sum()
        fn = (is_true & ~is_predicted).sum()
        tn = (~is_true & ~is_predicted & is_labelled).sum()
        assert of_class.n_truth == is_true.sum()
        assert of_class.n_predicted == is_predicted.sum()
        for value, part, whole in (
            (of_class.iou, tp, tp + fp + fn),
            (of_class.dice, 2 * tp, 2 * tp + fp + fn),
            (of_class.precision, tp, tp + fp),
            (of_class.recall, tp, tp + fn),
            (of_class.specificity, tn, (tn + fp) * bool(tp + fp + fn)),
        ):
            assert value == (pytest.approx(part / whole) if whole else None)


@given(index_maps())
def test_correlation_is_that_of_the_masks(maps):
    truth, predicted = (side[maps[0] != IGNORE_INDEX] for side in maps)
    scores = confusion(*maps).scores(CLASSES)
    for index, of_class in enumerate(scores.classes):
        true, found = truth == index, predicted == index
        assert of_class.mcc == correlation([true, ~true], [found, ~found])
    codes = (0, 1, 2, IGNORE_INDEX)
    masks = [[side == code for code in codes] for side in (truth, predicted)]
    assert scores.overall.mcc == correlation(*masks)


def correlation(truth, predicted):
    """Gorodkin's, by covariances of the masks."""

    def covariance(a, b):
        pairs = zip(a, b, strict=True)
        return sum(np.mean(x * 1.0 * y) - x.mean() * y.mean() for x, y in pairs)

    if all(mask.all() or not mask.any() for mask in truth):
        return None
    if all(mask.all() or not mask.any() for mask in predicted):
        return 0.0
    spread = covariance(truth, truth) * covariance(predicted, predicted)
    return pytest.approx(covariance(truth, predicted) / np.sqrt(spread), abs=1e-9)


@given(index_maps())
def test_overall_scores_follow_their_definitions(maps):
    scores = confusion(*maps).scores(CLASSES)
    counts = confusion(*maps).counts
    sizes = counts.sum(axis=1)
    occurring = np.flatnonzero(sizes)
    recalls = [counts[c, c] / sizes[c] for c in occurring]
    unions = sizes + counts[:, :-1].sum(axis=0) - counts.diagonal()
    ious = [counts[c, c] / unions[c] for c in occurring]
    if len(occurring):
        assert scores.overall.mean_accuracy == pytest.approx(np.mean(recalls))
        expected = np.average(ious, weights=sizes[occurring])
        assert scores.overall.weighted_iou == pytest.approx(expected)
    else:
        assert scores.overall.mean_accuracy is None
        assert scores.overall.weighted_iou is None
    assert scores.confusion == tuple(map(tuple, counts.tolist()))


def test_a_class_that_is_never_found_has_no_correlation():
    scores = confusion([0, 0, 1, 1], [0, 0, 0, 0]).scores(CLASSES)
    assert scores.classes[1].mcc == 0.0
    assert scores.classes[2].mcc is None
    assert scores.overall.mcc == 0.0


@given(index_maps(), st.integers(0, 2))
def test_unlabelled_voxels_count_nowhere(maps, other):
    truth, predicted = maps
    changed = np.where(truth == IGNORE_INDEX, other, predicted).astype(np.uint8)
    assert (
        confusion(truth, predicted).counts == confusion(truth, changed).counts
    ).all()


def test_dice_and_iou_agree_with_monai():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, N_CLASSES, (2, 40, 50), np.uint8)
    scores = confusion(truth, predicted).scores(CLASSES)
    planes = [
        torch.stack([torch.from_numpy(labels == c) for c in range(N_CLASSES)])[None]
        for labels in (predicted, truth)
    ]
    dice, iou = compute_dice(*planes)[0], compute_iou(*planes)[0]
    np.testing.assert_allclose([s.dice for s in scores.classes], dice, rtol=1e-6)
    np.testing.assert_allclose([s.iou for s in scores.classes], iou, rtol=1e-6)


def test_counts_agree_with_scikit_image():
    rng = np.random.default_rng(1)
    truth, predicted = rng.integers(0, N_CLASSES, (2, 5, 6, 7), np.uint8)
    expected = contingency_table(truth, predicted).toarray()
    assert (confusion(truth, predicted).counts[:, :N_CLASSES] == expected).all()


def test_voxel_without_a_prediction_is_a_miss_but_no_false_positive():
    scores = confusion([1, 1, 0, 0], [1, 255, 0, 255]).scores(CLASSES)
    myelin = scores.classes[1]
    assert myelin.recall == 0.5
    assert myelin.precision == 1.0
    assert myelin.iou == 0.5
    assert scores.overall.accuracy == 0.5
    assert scores.overall.n_predicted == 2


def test_absent_class_has_no_scores_and_does_not_lower_the_mean():
    scores = confusion([0, 0, 1, 1], [0, 0, 1, 0]).scores(CLASSES)
    absent = scores.classes[2]
    assert {absent.iou, absent.dice, absent.precision, absent.recall} == {None}
    assert (absent.specificity, absent.mcc) == (None, None)
    assert scores.overall.iou == scores.classes[1].iou == 0.5
    assert scores.overall.accuracy == 0.75


def test_class_that_is_only_predicted_lowers_the_mean():
    scores = confusion([0, 0, 1, 1], [0, 2, 1, 1]).scores(CLASSES)
    assert scores.classes[2].iou == 0.0
    assert scores.classes[2].recall is None
    assert scores.overall.iou == 0.5


def test_overall_is_none_when_only_background_is_there():
    overall = confusion([0, 0], [0, 0]).scores(CLASSES).overall
    assert overall.iou is None
    assert overall.accuracy == 1.0


def test_everything_unlabelled_gives_no_score_at_all():
    overall = confusion([255, 255], [0, 1]).scores(CLASSES).overall
    assert overall.accuracy is None
    assert overall.n_truth == 0


def test_scores_become_plain_values():
    scores = confusion([0, 1], [0, 1]).scores(CLASSES).to_dict()
    assert [row["name"] for row in scores["classes"]] == [
        "background",
        "myelin",
        "axon",
    ]
    assert scores["overall"]["iou"] == 1.0


def test_most_classes_possible():
    indices = np.arange(254, dtype=np.uint8)
    assert confusion(indices, indices, 254).counts.trace() == 254


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        (np.zeros(3, np.uint8), np.zeros(4, np.uint8), "differ in shape"),
        (np.zeros(3, np.int64), np.zeros(3, np.uint8), "must be uint8"),
        (np.full(3, 7, np.uint8), np.zeros(3, np.uint8), "below 3 or 255"),
        (np.zeros(3, np.uint8), np.full(3, 7, np.uint8), "below 3 or 255"),
    ],
)
def test_wrong_blocks_are_refused(truth, predicted, message):
    with pytest.raises(ValueError, match=message):
        ConfusionMatrix(N_CLASSES).add(truth, predicted)


@pytest.mark.parametrize("n_classes", [0, 255])
def test_number_of_classes_is_limited(n_classes):
    with pytest.raises(ValueError, match="1 to 254"):
        ConfusionMatrix(n_classes)


def test_matrices_and_tables_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match="2 and 3 classes"):
        ConfusionMatrix(2) + ConfusionMatrix(3)
    with pytest.raises(ValueError, match="3 classes, the matrix 2"):
        ConfusionMatrix(2).scores(CLASSES)
