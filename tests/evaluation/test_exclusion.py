from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from tests.evaluation.helpers import class_table, label_image

from napari_segtrain.config import EvaluationConfig
from napari_segtrain.errors import DataError
from napari_segtrain.evaluation import evaluate
from napari_segtrain.evaluation.evaluate import iter_evaluation
from napari_segtrain.evaluation.exclusion import Band
from napari_segtrain.evaluation.pairs import LabelPair
from napari_segtrain.workflows.running import run

CLASSES = class_table("cell", "other", ignored=255)
MAPS = hnp.arrays(np.uint8, (4, 6, 7), elements=st.sampled_from([0, 1, 2, 255]))
BACKGROUND = frozenset([0])


@given(MAPS, st.integers(1, 3), st.sampled_from([1.0, 2.0]))
def test_band_is_what_is_near_to_another_class(labels, width, thickness):
    spacing = (thickness, 1.0, 1.0)
    band = Band(width, spacing, BACKGROUND).mask(labels)
    known = labels != 255
    expected = np.zeros(labels.shape, bool)
    for value in np.unique(labels[known]):
        other = known & (labels != value)
        if other.any():
            far = ndimage.distance_transform_edt(~other, sampling=spacing)
            expected |= (labels == value) & (far <= width + 1e-9)
    assert (band == expected).all()


@given(MAPS, st.integers(1, 2))
def test_both_sides_are_the_sum_of_either(labels, width):
    spacing = (1.0, 1.0, 1.0)
    both, inside, outside = (
        Band(width, spacing, BACKGROUND, side).mask(labels)
        for side in ("both", "inside", "outside")
    )
    assert (both == (inside | outside)).all()
    assert (labels[outside] == 0).all()
    assert (labels[inside] > 0).all()


def score(truth, predicted, voxel_size=None, **config):
    pair = LabelPair(
        "image", label_image(truth, voxel_size=voxel_size), label_image(predicted)
    )
    chosen = EvaluationConfig(**config)
    return run(iter_evaluation([pair], classes=CLASSES, config=chosen))


def test_voxels_along_boundaries_do_not_count():
    truth = np.array([[0, 0, 0, 0, 1, 1, 1, 1, 1, 0]], np.uint8)
    wider = np.array([[0, 0, 0, 1, 1, 1, 1, 1, 1, 0]], np.uint8)
    assert score(truth, wider).iou == pytest.approx(5 / 6)
    assert score(truth, wider, exclusion_width=1).iou == 1.0
    inside = score(truth, wider, exclusion_width=1, exclusion_side="inside")
    assert inside.iou == pytest.approx(3 / 4)
    outside = score(truth, wider, exclusion_width=1, exclusion_side="outside")
    assert outside.iou == 1.0
    assert outside.total.scores.overall.n_truth == 8


def test_slices_far_apart_do_not_touch():
    truth = np.zeros((2, 4, 4), np.uint8)
    truth[1] = 1
    thick = score(truth, truth, (10.0, 1.0, 1.0), exclusion_width=2)
    assert thick.total.scores.overall.n_truth == 32
    with pytest.raises(DataError, match="leave out less than 2 voxels at boundaries"):
        score(truth, truth, (1.0, 1.0, 1.0), exclusion_width=2)


@given(MAPS, st.integers(1, 40))
def test_scores_do_not_depend_on_the_blocks(labels, n_voxels):
    band = Band(2, (1.0, 1.0, 1.0), BACKGROUND).mask(labels)
    if not (~band & (labels != 255)).any():
        return
    predicted = np.roll(labels, 1, -1)
    whole = score(labels, predicted, exclusion_width=2).total
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "BLOCK_VOXELS", n_voxels)
        assert score(labels, predicted, exclusion_width=2).total == whole
