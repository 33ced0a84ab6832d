from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.inference.helpers import runtime_of, tiny_model, whole_image
from tests.inference.test_items import MODELS, VALID, exact_config, image_of, predict

from napari_segtrain.config import InferenceConfig
from napari_segtrain.errors import ConfigError
from napari_segtrain.image import Image
from napari_segtrain.inference import OutOfMemory, iter_prediction
from napari_segtrain.inference.orientations import Orientation, choose_orientations
from napari_segtrain.inference.views import ViewsRuntime
from napari_segtrain.workflows.running import run

COUNTS = {2: (1, 2, 4, 8), 3: (1, 2, 4, 8, 16)}
CASES = [(dims, n) for dims, counts in COUNTS.items() for n in counts]


def padded(image, grid):
    pads = [(0, -n % step) for n, step in zip(image.shape[1:], grid, strict=True)]
    return np.pad(image, [(0, 0), *pads], mode="reflect")


def views_of(runtime, n):
    return ViewsRuntime([(runtime, o) for o in choose_orientations(n, runtime.info)])


def mean_of_whole_images(model, image, n):
    """The definition: pad to the grid, turn, predict, turn back, average."""
    whole = padded(image, model.info.grid)
    results = []
    for orientation in choose_orientations(n, model.info):
        turned = np.ascontiguousarray(orientation.apply(whole))
        results.append(orientation.undo(whole_image(model, turned)))
    place = tuple(map(slice, image.shape[1:]))
    return np.mean(results, axis=0)[(slice(None), *place)]


def predicted(model, image, **values):
    config = InferenceConfig(**values)
    return run(iter_prediction(model, image, config), None).probabilities.array


@pytest.mark.parametrize(("dims", "n"), CASES)
def test_orientations_are_all_different_and_come_back(dims, n):
    chosen = choose_orientations(n, MODELS[dims].info)
    assert len(chosen) == n
    assert chosen[0] == Orientation()
    batch = image_of((2, 5, 4, 4))
    seen = [orientation.apply(batch) for orientation in chosen]
    assert len({view.tobytes() for view in seen}) == n
    for orientation, view in zip(chosen, seen, strict=True):
        np.testing.assert_array_equal(orientation.undo(view), batch)
        assert np.array_equal(np.sort(view, None), np.sort(batch, None))


@settings(deadline=None, max_examples=15)
@given(
    case=st.sampled_from(CASES),
    shape=st.tuples(st.integers(1, 12), *[st.integers(1, 40)] * 2),
    extra=st.tuples(*[st.integers(0, 12)] * 3),
)
def test_tiles_equal_the_mean_of_whole_images(case, shape, extra):
    dims, n = case
    model, image = MODELS[dims], image_of(shape)
    runtime = views_of(runtime_of(model), n)
    config = exact_config(model, extra, 0)
    result = predict(model, image, config=config, runtime=runtime)
    expected = mean_of_whole_images(model, image, n)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    np.testing.assert_allclose(result.sum(axis=0), 1, atol=1e-5)


def test_networks_without_padding_are_turned_too():
    model, image = VALID[2], image_of((1, 32, 48))
    chosen = choose_orientations(8, model.info)
    result = predict(model, image, runtime=views_of(runtime_of(model), 8))
    seen = [
        each.undo(predict(model, np.ascontiguousarray(each.apply(image))))
        for each in chosen
    ]
    assert not np.allclose(result, seen[0], atol=1e-4)
    np.testing.assert_allclose(result, np.mean(seen, axis=0), atol=1e-5)


def test_a_prediction_averages_as_its_settings_say():
    model, image = tiny_model(), Image(image_of((1, 32, 32))[0, 0], "YX")
    one, eight = (
        predicted(model, image, orientations=n, probabilities="float32") for n in (1, 8)
    )
    assert not np.allclose(one, eight, atol=1e-3)
    turned = predicted(
        model,
        Image(np.ascontiguousarray(np.rot90(image.array)), "YX"),
        orientations=8,
        probabilities="float32",
    )
    np.testing.assert_allclose(np.rot90(eight, axes=(1, 2)), turned, atol=1e-5)


def test_short_memory_is_passed_on():
    class Short:
        info = MODELS[2].info
        max_voxels = 100

        def __call__(self, batch):
            raise OutOfMemory(f"{batch.size} voxels are too many")

    runtime = views_of(Short(), 2)
    assert (runtime.info, runtime.max_voxels) == (Short.info, 100)
    with pytest.raises(OutOfMemory, match="too many"):
        runtime(image_of((1, 16, 16))[None, :, 0])


@pytest.mark.parametrize(("dims", "n"), [(2, 8), (3, 16)])
def test_all_orientations_are_those_of_slices_or_volumes(dims, n):
    info = MODELS[dims].info
    assert choose_orientations("all", info) == choose_orientations(n, info)


def test_slices_have_no_other_side():
    with pytest.raises(ConfigError, match=r"upside down.*8 or fewer"):
        choose_orientations(16, MODELS[2].info)
    with pytest.raises(ConfigError, match="upside down"):
        predicted(tiny_model(), Image(np.zeros((32, 32)), "YX"), orientations=16)


def test_rows_that_are_not_as_columns_stay_rows():
    info = replace(MODELS[3].info, grid=(2, 2, 4))
    assert len(choose_orientations(4, info)) == 4
    for n in (8, 16):
        with pytest.raises(ConfigError, match=f"{n} orientations.*4 or fewer"):
            choose_orientations(n, info)
