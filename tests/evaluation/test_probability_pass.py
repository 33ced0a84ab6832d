from __future__ import annotations

import numpy as np
import pytest
from tests.evaluation.helpers import class_table, label_image

from napari_segtrain.control import RunControl
from napari_segtrain.errors import DataError
from napari_segtrain.evaluation import probability_pass
from napari_segtrain.evaluation.evaluate import iter_evaluation
from napari_segtrain.evaluation.pairs import LabelPair
from napari_segtrain.evaluation.probability_pass import channels_of
from napari_segtrain.image import Image
from napari_segtrain.workflows.running import run

CLASSES = class_table("myelin", "axon", ignored=255)


def maps(array, names=(), axes="CYX"):
    return Image(np.asarray(array), axes, channel_names=names)


@pytest.mark.parametrize(
    ("n", "names", "expected"),
    [
        (3, ("background", "axon", "Myelin "), {1: 2, 2: 1}),
        (3, (), {1: 1, 2: 2}),
        (2, (), {1: 0, 2: 1}),
        (1, ("axon",), {2: 0}),
        (3, ("a", "b", "c"), {1: 1, 2: 2}),
    ],
)
def test_channels_are_found_by_name_or_order(n, names, expected):
    assert channels_of(maps(np.zeros((n, 4, 4)), names), CLASSES) == expected


def test_channels_that_fit_no_class_are_refused():
    with pytest.raises(DataError, match=r"4 channels, .* classes background, myelin"):
        channels_of(maps(np.zeros((4, 3, 3))), CLASSES)


def perfect(truth):
    return np.stack([truth == c for c in range(3)]).astype(np.float32)


def score(truth, array, axes="CZYX", control=None):
    pair = LabelPair("x", *[label_image(truth)] * 2, maps(array, axes=axes))
    return run(iter_evaluation([pair], classes=CLASSES, control=control))


def test_scores_do_not_depend_on_the_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    truth = rng.choice(np.array([0, 1, 2, 255], np.uint8), (5, 8, 9))
    array = rng.random((3, 5, 8, 9))
    whole = score(truth, array).total.probabilities
    assert [scores.class_name for scores in whole] == ["myelin", "axon"]
    monkeypatch.setattr(probability_pass, "BLOCK_VOXELS", 20)
    parts = score(truth, array).total.probabilities
    for a, b in zip(whole, parts, strict=True):
        assert (a.inside == b.inside).all()
        assert (a.outside == b.outside).all()
        assert a.to_dict() == pytest.approx(b.to_dict())


def test_perfect_maps():
    truth = np.random.default_rng(0).integers(0, 3, (2, 8, 9), np.uint8)
    scores = score(truth, perfect(truth)).total.probabilities[0]
    assert scores.average_precision == 1.0
    assert scores.iou_at(0.5) == 1.0
    assert scores.calibration().error == 0.0


def test_maps_of_other_sizes_and_values_are_refused():
    truth = np.zeros((2, 8, 9), np.uint8)
    with pytest.raises(DataError, match="not of the size of its ground truth"):
        score(truth, np.zeros((3, 2, 8, 8)))
    with pytest.raises(DataError, match="values from 0 to 7"):
        score(truth, np.full((3, 2, 8, 9), 7) * (np.arange(9) > 3))


def test_stop_leaves_the_image_out():
    control = RunControl()
    truth = np.zeros((2, 8, 9), np.uint8)
    pair = LabelPair("x", *[label_image(truth)] * 2, maps(perfect(truth), axes="CZYX"))
    work = iter_evaluation([pair], classes=CLASSES, control=control)
    next(work)
    control.stop()
    assert run(work).images == ()
