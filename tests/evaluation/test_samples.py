from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evaluation.helpers import class_table, label_image

from napari_segtrain.evaluation import evaluate
from napari_segtrain.evaluation.evaluate import iter_evaluation
from napari_segtrain.evaluation.pairs import LabelPair
from napari_segtrain.evaluation.samples import Samples, compare_samples
from napari_segtrain.workflows.running import run

CLASSES = class_table("cell", "axon", ignored=255)


def score(*pairs, classes=CLASSES):
    named = [
        LabelPair(str(number), *(label_image(side) for side in pair))
        for number, pair in enumerate(pairs)
    ]
    return run(iter_evaluation(named, classes=classes))


def noisy(truth, share, seed):
    rng = np.random.default_rng(seed)
    other = rng.integers(0, 3, truth.shape, np.uint8)
    return np.where(rng.random(truth.shape) < share, other, truth)


def volume(seed=0, shape=(40, 24, 30)):
    return np.random.default_rng(seed).integers(0, 3, shape, np.uint8)


def test_one_volume_is_drawn_in_blocks_and_many_images_as_such():
    truth = volume()
    report = score((truth, truth))
    assert report.samples.kind == "blocks"
    assert len(report.samples.counts) == 2 * 4 * 4
    flat = [volume(seed, (9, 11)) for seed in range(5)]
    assert score(*((side, side) for side in flat)).samples.kind == "images"
    assert len(score(*((side, side) for side in flat)).samples.counts) == 5


@given(st.integers(1, 3000), st.integers(0, 3))
def test_counts_do_not_depend_on_the_blocks_that_are_read(n_voxels, seed):
    truth = volume(seed, (17, 10, 11))
    predicted = noisy(truth, 0.4, seed)
    whole = score((truth, predicted)).samples
    assert whole.counts.sum() == truth.size
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "BLOCK_VOXELS", n_voxels)
        parts = score((truth, predicted)).samples
    order = [np.lexsort(s.counts.reshape(len(s.counts), -1).T) for s in (whole, parts)]
    assert (whole.counts[order[0]] == parts.counts[order[1]]).all()


def test_interval_holds_the_score_and_is_narrow_for_many_alike():
    truth = volume()
    report = score((truth, noisy(truth, 0.3, 1)))
    overall = report.intervals["iou"][-1]
    assert overall.low < report.iou < overall.high
    assert overall.high - overall.low < 0.05
    few = score((truth[:1, :8, :8], noisy(truth, 0.3, 1)[:1, :8, :8]))
    wide = few.intervals["iou"][-1]
    assert wide.high - wide.low > overall.high - overall.low
    row = report.to_rows()[-1]
    assert (row["iou_low"], row["iou_high"]) == (overall.low, overall.high)
    assert report.to_rows()[0]["iou_low"] is None


def test_interval_is_that_of_another_bootstrap():
    counts = np.zeros((30, 2, 3), np.int64)
    rng = np.random.default_rng(3)
    counts[:, 1, 1] = rng.integers(20, 80, 30)
    counts[:, 1, 0] = 100 - counts[:, 1, 1]
    found = Samples(counts, "images", (1,)).intervals()["iou"][-1]
    picks = rng.integers(0, 30, (20_000, 30))
    ious = counts[picks, 1, 1].sum(axis=1) / 3000
    low, high = np.quantile(ious, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.005)
    assert found.high == pytest.approx(high, abs=0.005)


def test_the_better_of_two_is_found_and_equals_are_not_told_apart():
    truth = volume()
    poor, good, other = (
        score((truth, noisy(truth, share, seed)))
        for share, seed in ((0.4, 1), (0.3, 2), (0.3, 3))
    )
    found = poor.compare(good)
    assert found.better == "second"
    assert found.difference == pytest.approx(good.iou - poor.iou)
    assert found.interval.low < found.difference < found.interval.high
    assert found.describe("A", "B").startswith("B is better: the IoU of B is +0.")
    assert good.compare(poor).better == "first"
    assert good.compare(poor).difference == pytest.approx(-found.difference)
    equal = good.compare(other)
    assert equal.better is None
    assert equal.describe("A", "B").startswith("No clear difference")


def test_a_clear_gain_is_found_although_images_differ_much():
    """The same images are drawn for both, so that their spread does not count."""
    rng = np.random.default_rng(0)
    counts = np.zeros((20, 2, 3), np.int64)
    counts[:, 1, 1] = rng.integers(100, 900, 20)
    counts[:, 1, 0] = 1000 - counts[:, 1, 1]
    better = counts.copy()
    better[:, 1, 1] += 10
    better[:, 1, 0] -= 10
    first, second = (Samples(c, "images", (1,)) for c in (counts, better))
    found = compare_samples(first, second)
    assert found.better == "second"
    interval = first.intervals()["iou"][-1]
    assert interval.high - interval.low > 10 * found.difference


def test_too_little_tells_nothing():
    truth = np.zeros((1, 2), np.uint8)
    report = score((truth, truth))
    assert report.intervals["iou"] == [None] * 4
    assert report.compare(report) is None
    absent = score((volume() % 2, volume() % 2)).intervals["iou"]
    assert absent[1] is not None
    assert absent[2] is None


def test_other_images_are_refused():
    one, two = volume(), volume(shape=(80, 24, 30))
    with pytest.raises(ValueError, match="same images"):
        score((one, one)).compare(score((two, two)))


def test_unlabelled_parts_are_not_drawn():
    truth = volume()
    truth[:20] = 255
    assert len(score((truth, truth)).samples.counts) == 16
