"""Predictions at the voxel size of the training."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import zoom
from tests.inference.helpers import class_table, finish, tiny_model

from napari_segtrain.boxes import box_shape
from napari_segtrain.config import DistancesTarget, InferenceConfig
from napari_segtrain.control import RunControl
from napari_segtrain.data.object_recipe import ObjectRecipe
from napari_segtrain.errors import ConfigError, DataError
from napari_segtrain.image import Image
from napari_segtrain.inference import iter_prediction, rescaled_predictor
from napari_segtrain.inference.decision import chosen_decision, clean, decide
from napari_segtrain.inference.events import TileDone
from napari_segtrain.inference.fit import chosen_recipe
from napari_segtrain.inference.regions import Region, RegionBlock, iter_regions
from napari_segtrain.inference.rescaling import Rescaling, rescaling_of
from napari_segtrain.models import Decision

PLAIN = InferenceConfig(
    device="cpu", engine="torch", halo="exact", probabilities="float32"
)
RESCALED = PLAIN.model_copy(update={"rescale": True})


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def predicted(model, image, config=RESCALED):
    return finish(iter_prediction(model, image, config))[1]


def maps_of(model, image, config=RESCALED):
    return predicted(model, image, config).probabilities.array


def enlarged(maps, *factors):
    """Maps (K, axes) with more voxels, by SciPy."""
    plan = {"order": 1, "mode": "nearest", "grid_mode": True}
    return np.stack([zoom(each, factors, **plan) for each in maps])


def test_large_pixels_of_the_training():
    """A picture of which each pixel was made four is seen as it was."""
    model = tiny_model(2, voxel_size=(0.4, 0.2))
    image = noise(24, 36)
    fine = Image(image.repeat(4, 0).repeat(2, 1), "YX", (0.1, 0.1))
    expected = maps_of(model, Image(image, "YX"), PLAIN)
    np.testing.assert_allclose(
        maps_of(model, fine), enlarged(expected, 4, 2), atol=1e-5
    )
    assert not np.allclose(maps_of(model, fine, PLAIN), maps_of(model, fine), atol=0.01)


def test_result_is_in_pixels_of_the_image():
    model = tiny_model(2, voxel_size=(0.4, 0.4))
    found = predicted(model, Image(noise(31, 45), "YX", (0.1, 0.1)))
    assert found.labels.array.shape == (31, 45)
    assert found.labels.voxel_size == found.probabilities.voxel_size == (0.1, 0.1)
    best = np.array([0, 7, 300])[found.probabilities.array.argmax(0)]
    np.testing.assert_array_equal(found.labels.array, best)
    np.testing.assert_allclose(found.probabilities.array.sum(0), 1, atol=1e-5)


def test_small_pixels_of_the_training():
    """The network is given twice as many pixels, and their means come back."""
    model = tiny_model(2, voxel_size=(0.1, 0.1))
    image = noise(20, 20)
    seen = Image(enlarged(image[None], 2, 2)[0], "YX")
    expected = maps_of(model, seen, PLAIN).reshape(3, 20, 2, 20, 2).mean((2, 4))
    found = maps_of(model, Image(image, "YX", (0.2, 0.2)))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_slices_of_a_volume_keep_their_number():
    model = tiny_model(2, voxel_size=(0.2, 0.2))
    image = noise(5, 12, 14)
    fine = Image(image.repeat(2, 1).repeat(2, 2), "ZYX", (3.0, 0.1, 0.1))
    expected = maps_of(model, Image(image, "ZYX"), PLAIN)
    np.testing.assert_allclose(
        maps_of(model, fine), enlarged(expected, 1, 2, 2), atol=1e-5
    )


def test_volumes_with_channels_and_items():
    model = tiny_model(3, n_channels=2, voxel_size=(0.3, 0.2, 0.2))
    image = noise(2, 6, 8, 2, 12)  # T, Z, Y, C, X
    fine = image.repeat(3, 1).repeat(2, 2).repeat(2, 4)
    expected = maps_of(model, Image(image, "TZYCX"), PLAIN)
    found = maps_of(model, Image(fine, "TZYCX", (0.1, 0.1, 0.1)))
    assert found.shape == (2, 3, 18, 16, 24)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, enlarged(other, 3, 2, 2), atol=1e-5)


SIZES = st.sampled_from([0.5, 0.7, 0.95, 1.0, 1.4, 2.0, 3.3])
MODELS = {dims: tiny_model(dims) for dims in (2, 3)}


@settings(deadline=None, max_examples=25)
@given(
    data=st.data(),
    dims=st.sampled_from([2, 3]),
    sizes=st.tuples(SIZES, SIZES, SIZES),
    limit=st.sampled_from([1 << 25, 3000]),
)
def test_boxes_are_as_in_the_whole(data, dims, sizes, limit):
    model = MODELS[dims]
    model.spec.voxel_size = sizes
    image = Image(noise(9, 21, 26), "ZYX", (1.0, 1.0, 1.0))
    whole = maps_of(model, image)
    boxes = []
    for _ in range(2):
        box = []
        for n in image.array.shape:
            start = data.draw(st.integers(0, n - 1))
            box.append(slice(start, data.draw(st.integers(start + 1, n))))
        boxes.append(Region({}, tuple(box)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rescaled_predictor, "affordable_numbers", lambda _: limit)
        events, _ = finish(iter_regions(model, image, boxes, RESCALED))
    blocks = [event for event in events if isinstance(event, RegionBlock)]
    n_covered = sum(np.prod(box_shape(block.box)) for block in blocks)
    assert n_covered == sum(np.prod(box_shape(region.box)) for region in boxes)
    for block in blocks:
        expected = whole[(slice(None), *block.box)]
        np.testing.assert_allclose(block.probabilities, expected, atol=1e-5)


@pytest.mark.parametrize("dims", [2, 3])
def test_parts_do_not_show_and_progress_rises(monkeypatch, dims):
    model = tiny_model(dims, voxel_size=(0.2, 0.15, 0.25))
    image = Image(noise(12, 30, 40), "ZYX", (0.1, 0.1, 0.1))
    whole = maps_of(model, image)
    monkeypatch.setattr(rescaled_predictor, "affordable_numbers", lambda _: 9000)
    events, result = finish(iter_prediction(model, image, RESCALED))
    assert result.is_complete
    np.testing.assert_allclose(result.probabilities.array, whole, atol=1e-5)
    shares = [e.n_done / e.n_total for e in events if isinstance(e, TileDone)]
    assert len(shares) > 2
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.parametrize("kind", ["deviation", "agreement"])
def test_spread_of_orientations(kind):
    model = tiny_model(2, voxel_size=(0.2, 0.2))
    image = 20 * noise(16, 16)
    fine = Image(image.repeat(2, 0).repeat(2, 1), "YX", (0.1, 0.1))
    changes = {"orientations": 4, "uncertainty": kind}
    plain, config = (c.model_copy(update=changes) for c in (PLAIN, RESCALED))
    expected = predicted(model, Image(image, "YX"), plain).uncertainty.array
    found = predicted(model, fine, config).uncertainty.array
    assert np.ptp(expected) > 0.001
    np.testing.assert_allclose(found, enlarged(expected[None], 2, 2)[0], atol=1e-5)


def test_each_of_several_models_has_its_own_voxels():
    models = [
        tiny_model(2, voxel_size=(0.2, 0.2)),
        tiny_model(2, seed=1, voxel_size=(0.1, 0.1)),
        tiny_model(2, seed=2, voxel_size=(0.3, 0.1)),
    ]
    image = Image(noise(24, 24), "YX", (0.1, 0.1))
    alone = [maps_of(model, image) for model in models]
    config = RESCALED.model_copy(
        update={"weights": (1.0, 2.0, 1.0), "uncertainty": "deviation"}
    )
    found = predicted(models, image, config)
    expected = np.average(alone, axis=0, weights=[1, 2, 1])
    np.testing.assert_allclose(found.probabilities.array, expected, atol=1e-5)
    variance = np.average((alone - expected) ** 2, axis=0, weights=[1, 2, 1])
    deviation = np.sqrt(variance.max(0))
    np.testing.assert_allclose(found.uncertainty.array, deviation, atol=1e-3)


def test_nothing_is_resampled_where_sizes_are_nearly_the_same():
    model = tiny_model(2, voxel_size=(0.101, 0.0995))
    image = Image(noise(24, 24), "YX", (0.1, 0.1))
    np.testing.assert_array_equal(maps_of(model, image), maps_of(model, image, PLAIN))


def test_an_axis_that_fits_stays_as_it_is():
    model = tiny_model(2, voxel_size=(0.1, 0.2))
    image = Image(noise(24, 24), "YX", (0.101, 0.1))
    found = rescaling_of(model, image, RESCALED)
    assert found.ratios == (1, 1, 2)


def test_stop():
    model = tiny_model(2, voxel_size=(0.2, 0.2))
    image = Image(noise(3, 24, 24), "ZYX", (1, 0.1, 0.1))
    control = RunControl()
    work = iter_prediction(model, image, RESCALED, control=control)
    next(work)
    control.stop()
    _, result = finish(work)
    assert not result.is_complete
    assert not result.done.all()


@pytest.mark.parametrize("sizes", [None, (0.2, 0.2)])
def test_voxel_size_of_the_training_is_unknown(sizes):
    model = tiny_model(3, voxel_size=sizes)
    image = Image(noise(8, 8, 8), "ZYX", (1, 1, 1), name="cells")
    with pytest.raises(ConfigError, match=r"cells cannot .* set rescale to false"):
        predicted(model, image)


def test_voxel_size_of_the_image_is_unknown():
    model = tiny_model(2, voxel_size=(0.2, 0.2))
    with pytest.raises(DataError, match=r"voxel size of cells is unknown.*0.2 × 0.2"):
        predicted(model, Image(noise(8, 8), "YX", name="cells"))
    predicted(model, Image(noise(8, 8), "YX"), PLAIN)


@pytest.mark.parametrize("size", [(0.004, 0.004), (4.0, 4.0), (0.04, 0.004)])
def test_a_unit_that_was_taken_for_another(size):
    model = tiny_model(2, voxel_size=(4.0, 4.0) if size[0] < 1 else (0.004, 0.004))
    image = Image(noise(8, 8), "YX", size, name="cells")
    with pytest.raises(DataError, match=r"voxels of cells are .*check the unit"):
        predicted(model, image)


def test_more_voxels_than_can_be_afforded():
    model = tiny_model(3, voxel_size=(1.0, 1.0, 1.0))
    image = Image(noise(8, 8, 8), "ZYX", (3.0, 3.0, 3.0))
    with pytest.raises(DataError, match="27 times as many voxels; up to 16 times"):
        predicted(model, image)


def test_voxels_that_are_no_numbers_are_found_in_the_image():
    array = noise(30, 40)
    array[21, 33] = np.inf
    model = tiny_model(2, voxel_size=(0.2, 0.2))
    with pytest.raises(DataError, match="first at y=21, x=33"):
        predicted(model, Image(array, "YX", (0.1, 0.1)))


def test_sizes_of_a_decision_are_those_of_the_training():
    """Four pixels for one: a part of 40 of these has 10 of the training."""
    decision = Decision((0.3, 0.4, 0.3), (1, 3, 3), (0, 9, 9))
    model = tiny_model(2, voxel_size=(0.2, 0.2), decision=decision)
    image = Image(noise(24, 24).repeat(2, 0).repeat(2, 1), "YX", (0.1, 0.1))
    found = chosen_decision(model, RESCALED, image)
    assert (found.window, found.min_voxels) == ((1, 5, 5), (0, 36, 36))
    assert found.thresholds == decision.thresholds
    assert chosen_decision(model, PLAIN, image) == decision
    labels = predicted(model, image).labels.array
    wanted = replace(model, spec=replace(model.spec, decision=found))
    probabilities = maps_of(model, image)
    expected = clean(decide(probabilities[:, None], wanted.spec.decision), found)
    np.testing.assert_array_equal(labels, np.array([0, 7, 300])[expected[0]])


def test_sizes_of_objects_are_those_of_the_training():
    recipe = ObjectRecipe(
        DistancesTarget(), (2.0, 1.0, 1.0), 0.02, (0.5, 1.0, 1.0), 40, radius=6.0
    )
    found = Rescaling((1.0, 2.0, 2.0)).recipe(recipe)
    assert found.smoothing == (0.5, 2.0, 2.0)
    assert found.min_voxels == 160
    assert found.spacing == (4.0, 1.0, 1.0)
    assert found.radius == 12.0
    assert found.smoothing_in_radii == recipe.smoothing_in_radii
    back = Rescaling((1.0, 0.5, 0.5)).recipe(found)
    assert back == recipe


def test_sizes_that_were_asked_for_are_those_of_the_image():
    objects = class_table(0, 1, is_objects=True)
    model = tiny_model(
        2,
        classes=objects,
        objects=ObjectRecipe(min_voxels=30),
        voxel_size=(0.2, 0.2),
    )
    image = Image(noise(24, 24), "YX", (0.1, 0.1))
    assert chosen_recipe(model, RESCALED, image).min_voxels == 120
    asked = InferenceConfig(rescale=True, objects={"min_voxels": 50})
    assert chosen_recipe(model, asked, image).min_voxels == 50
