from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.inference.helpers import Spec, finish, tiny_model, whole_image

from napari_segtrain.boxes import full_box, grown_box, relative
from napari_segtrain.config import InferenceConfig
from napari_segtrain.control import RunControl
from napari_segtrain.image import Image
from napari_segtrain.inference import BlockPredicted, iter_prediction
from napari_segtrain.inference.canvas import Canvas
from napari_segtrain.inference.decision import clean, decide, sees_enough
from napari_segtrain.models import Decision

CPU = InferenceConfig(device="cpu", memory_limit=1)
SMOOTH = Decision((0.3, 0.4, 0.3), (1, 3, 3), (0, 6, 9))
"""With thresholds that `model_with` replaces by such that mix all classes."""
VALUES = np.array([0, 7, 300])


def model_with(decision):
    """A model whose decision takes each class for about as many voxels."""
    model = tiny_model(2)
    if decision is not None:
        shares = whole_image(model, image_of(1, 64, 64).array[None]).mean(
            axis=(1, 2, 3)
        )
        thresholds = tuple((shares / shares.sum()).tolist())
        model.spec.decision = replace(decision, thresholds=thresholds)
    return model


def image_of(*shape, seed=0):
    array = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return Image(array, "ZYX"[-len(shape) :])


def labels_of(model, image, config=CPU, **options):
    return finish(iter_prediction(model, image, config, **options))[1].labels.array


def random_probabilities(n_classes, seed=0):
    noise = np.random.default_rng(seed).random((n_classes, 2, 7, 8), np.float32)
    return noise / noise.sum(0)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.7])
def test_of_two_classes_the_second_begins_at_its_threshold(threshold):
    probabilities = random_probabilities(2)
    found = decide(probabilities, Decision((1 - threshold, threshold)))
    np.testing.assert_array_equal(found == 1, probabilities[1] > threshold)


def test_the_class_that_is_greatest_for_its_threshold_is_taken():
    probabilities = random_probabilities(3)
    thresholds = np.array([0.5, 0.3, 0.2])
    found = decide(probabilities, Decision(tuple(thresholds)))
    expected = (probabilities / thresholds[:, None, None, None]).argmax(0)
    np.testing.assert_array_equal(found, expected)
    equal = decide(probabilities, Decision((1 / 3,) * 3))
    np.testing.assert_array_equal(equal, probabilities.argmax(0))


def test_a_prediction_follows_the_decision_of_its_model_unless_told_otherwise():
    image = image_of(30, 41)
    model = model_with(SMOOTH)
    probabilities = whole_image(model, image.array[None, None])
    decision = model.spec.decision
    tuned = VALUES[clean(decide(probabilities, decision), decision)][0]
    np.testing.assert_array_equal(labels_of(model, image), tuned)
    plain = CPU.model_copy(update={"decision": "argmax"})
    argmax = VALUES[probabilities.argmax(0)][0]
    np.testing.assert_array_equal(labels_of(model, image, plain), argmax)
    np.testing.assert_array_equal(labels_of(model_with(None), image), argmax)
    assert set(np.unique(tuned)) == set(VALUES)
    assert (tuned != argmax).any()


@settings(max_examples=20, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(5, 20), st.integers(5, 20)),
    block=st.tuples(st.integers(1, 9), st.integers(2, 9), st.integers(2, 9)),
    least=st.integers(2, 9),
    per_slice=st.booleans(),
)
def test_the_result_does_not_depend_on_blocks(shape, block, least, per_slice):
    noise = np.random.default_rng(least).random((3, *shape), np.float32)
    window = (1, 3, 3) if per_slice else (3, 3, 3)
    decision = Decision((0.3, 0.4, 0.3), window, (0, least, 2), per_slice=per_slice)
    image = Image(np.zeros(shape, np.uint8), "ZYX")
    whole = full_box(shape)
    canvas = Canvas(image, Spec(), whole, InferenceConfig(), decision=decision)
    for corner in np.ndindex(*(-(-n // m) for n, m in zip(shape, block, strict=True))):
        box = tuple(
            slice(c * m, min((c + 1) * m, n))
            for c, m, n in zip(corner, block, shape, strict=True)
        )
        canvas.paint(image.items()[0], BlockPredicted(box, noise[:, *box]))
    expected = VALUES[clean(decide(noise, decision), decision)]
    np.testing.assert_array_equal(canvas.labels().array, expected)


@given(
    seed=st.integers(0, 999),
    depth=st.integers(1, 30),
    least=st.integers(2, 7),
    per_slice=st.booleans(),
    slab=st.integers(1, 200),
)
def test_the_result_does_not_depend_on_slabs(seed, depth, least, per_slice, slab):
    noise = np.random.default_rng(seed).random((depth, 4, 5))
    indices = np.searchsorted([0.6, 0.85], noise).astype(np.uint8)
    sizes = (least, 2, least + 1)
    decision = Decision((1 / 3,) * 3, (3, 1, 3), sizes, per_slice=per_slice)
    whole = clean(indices, decision)
    np.testing.assert_array_equal(clean(indices, decision, slab_voxels=slab), whole)


def test_time_points_are_cleaned_one_by_one_and_maps_stay_as_they_are():
    model = model_with(SMOOTH)
    stack = np.stack([image_of(18, 20, seed=n).array for n in (1, 2)])
    config = CPU.model_copy(update={"probabilities": "float32"})
    result = finish(iter_prediction(model, Image(stack, "TYX"), config))[1]
    for plane, labels in zip(stack, result.labels.array, strict=True):
        single = labels_of(model, Image(plane, "YX"))
        np.testing.assert_array_equal(labels, single)
    expected = whole_image(model, stack[:1, None])
    np.testing.assert_allclose(result.probabilities.array[0], expected[:, 0], atol=1e-5)


def test_what_was_not_predicted_stays_empty_and_touches_nothing():
    control = RunControl()
    model = model_with(SMOOTH)
    image = image_of(4, 18, 20)
    config = CPU.model_copy(update={"batch_size": 1})
    events = iter_prediction(model, image, config, control=control)
    _, result = finish(events, lambda _: control.stop())
    assert not result.is_complete
    done = result.done
    whole = labels_of(model, image)
    np.testing.assert_array_equal(result.labels.array[done], whole[done])
    assert not result.labels.array[~done].any()


def test_the_reach_is_that_of_window_and_parts():
    assert SMOOTH.reach == 0
    assert replace(SMOOTH, window=(5, 3, 3), per_slice=False).reach == 2 + 2 * 9


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 1000),
    margin=st.integers(1, 8),
    grain=st.integers(1, 4),
    least=st.integers(2, 30),
    width=st.sampled_from([1, 3]),
    per_slice=st.booleans(),
)
def test_what_sees_enough_is_as_in_the_whole(
    seed, margin, grain, least, width, per_slice
):
    rng = np.random.default_rng(seed)
    shape = (5, 18, 21)
    whole = rng.integers(0, 3, [-(-n // grain) for n in shape]).astype(np.uint8)
    for axis, n in enumerate(shape):
        whole = whole.repeat(grain, axis).take(range(n), axis)
    whole[rng.random(shape) < 0.02] = 255
    window = (1 if per_slice else width, width, width)
    decision = Decision((0.3, 0.4, 0.3), window, (0, least, least), per_slice=per_slice)
    block = slice(2, 4), slice(6, 12), slice(8, 14)
    # windows need their voxels whatever is seen
    z, y, x = (margin + n // 2 for n in window)
    piece = grown_box(block, (z, y, x), shape)
    core = relative(block, piece)
    if sees_enough(whole[piece], core, decision):
        found = clean(whole[piece], decision)[core]
        np.testing.assert_array_equal(found, clean(whole, decision)[block])
