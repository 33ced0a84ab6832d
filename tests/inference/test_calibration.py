"""How much context tiles need."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter
from tests.inference.helpers import Halved, runtime_of, tiny_model
from tests.inference.test_items import image_of, predict

from napari_segtrain.boxes import box_shape, full_box
from napari_segtrain.config import InferenceConfig
from napari_segtrain.image import Item
from napari_segtrain.inference.calibration import (
    MAX_ERROR,
    HaloErrors,
    Window,
    blended_error,
    full_context,
    missing_context,
    plan_crop,
    plan_window,
)


def decided_model(*args, **kwargs):
    """A network that tells one voxel from the other, as trained ones do."""
    model = tiny_model(*args, **kwargs)
    image = torch.from_numpy(image_of([32] * model.info.dims)[None]) / 2
    head = model.network.head
    with torch.no_grad():
        logits = model.network(image).transpose(0, 1).flatten(1)
        head.bias -= logits.mean(dim=1)
        head.weight *= 3 / logits.std()
        head.bias *= 3 / logits.std()
    return model


MODELS = {2: decided_model(2, depth=2), 3: decided_model(3)}
NOT_LOCAL = tiny_model(2, norm="instance", patch_size=(1, 32, 32))


class Blurred:
    """An engine that looks less far than it could: a mean over seven voxels."""

    max_voxels = 1 << 20

    def __init__(self, info):
        self.info = info

    def __call__(self, batch):
        sizes = (1, 1, *[7] * (batch.ndim - 2))
        blurred = uniform_filter(batch, sizes, mode="constant")
        return np.concatenate([blurred, 1 - blurred], axis=1)


def measured(runtime, image, max_voxels=1 << 18, **values):
    item = Item(image, "CZYX")
    z, y, x = (n // 2 for n in item.shape)
    window = plan_window(item.shape, (z, y, x), runtime.info, max_voxels)
    errors = HaloErrors(runtime.info)
    errors.add(missing_context(item, Halved(), runtime, window), window)
    return errors.choose(**values)


@given(
    st.sampled_from(sorted(MODELS)),
    st.tuples(*[st.integers(1, 200)] * 3),
    st.tuples(*[st.floats(0, 0.99)] * 3),
    st.integers(1 << 8, 1 << 20),
)
def test_windows_lie_on_the_grid_and_keep_to_their_size(dims, shape, where, limit):
    info = MODELS[dims].info
    center = tuple(int(n * share) for n, share in zip(shape, where, strict=True))
    window = plan_window(shape, center, info, limit)
    if window is None:
        return
    assert math.prod(box_shape(window.whole)) <= limit
    assert window.part != window.whole
    sides = zip(
        window.whole, window.part, shape, info.grid, full_context(info), strict=True
    )
    for whole, part, size, grid, reach in sides:
        end = -(-size // grid) * grid
        assert {n % grid for n in (part.start, part.stop, whole.start)} == {0}
        assert 0 <= whole.start <= part.start < part.stop <= whole.stop <= end
        assert part.start - whole.start == reach or whole.start == 0
        assert whole.stop - part.stop == reach or whole.stop == end


@pytest.mark.parametrize("dims", [2, 3])
def test_the_halo_is_as_wide_as_what_is_looked_at(dims):
    runtime = Blurred(MODELS[dims].info)
    image = image_of((1, 90, 90) if dims == 2 else (40, 40, 40))
    found = measured(runtime, image)
    assert found.halo == ((0, 4, 4) if dims == 2 else (3, 3, 3))
    assert found.error <= MAX_ERROR
    assert measured(runtime, image, max_error=1.0).halo == (0, 0, 0)


@pytest.mark.parametrize("dims", [2, 3])
def test_tiles_with_the_measured_halo_hardly_differ_from_the_whole_image(dims):
    model = MODELS[dims]
    image = image_of((1, 128, 128) if dims == 2 else (48, 48, 48))
    found = measured(runtime_of(model), image)
    info = replace(model.info, halo=found.halo)
    runtime = runtime_of(replace(model, info=info))
    tile = 64 if dims == 2 else 24
    config = InferenceConfig(tile_size=(tile, tile, tile), overlap=0)
    whole = predict(model, image, config=InferenceConfig(halo="exact"))
    tiled = predict(model, image, config=config, runtime=runtime)
    cut = predict(model, image, config=config.model_copy(update={"halo": (0, 0, 0)}))
    assert 0 < np.abs(tiled - whole).max() <= 2 * MAX_ERROR
    assert np.abs(cut - whole).max() > 10 * MAX_ERROR


def test_the_whole_receptive_field_is_taken_where_less_is_not_enough():
    info = MODELS[2].info
    errors = HaloErrors(info)
    assert errors.choose() is None
    window = Window(
        full_box((1, 200, 200)), (slice(0, 1), slice(20, 200), slice(0, 200))
    )
    errors.add(np.ones((1, 180, 200), np.float32), window)
    found = errors.choose()
    assert found.halo == full_context(info)
    assert found.n_voxels == 180 * 200


def test_an_image_that_is_never_cut_tells_nothing():
    assert plan_window((1, 4, 4), (0, 2, 2), MODELS[2].info, 1 << 20) is None


def test_networks_without_padding_have_nothing_to_measure():
    info = tiny_model(2, padding="valid").info
    assert plan_window((9, 300, 300), (4, 150, 150), info, 1 << 20) is None


def test_blended_tiles_of_a_network_that_is_not_local_are_compared():
    image = image_of((1, 200, 200))
    item, runtime = Item(image, "CZYX"), runtime_of(NOT_LOCAL)
    config = InferenceConfig(tile_size=(1, 32, 32))
    crop = plan_crop(item.shape, (0, 100, 100), NOT_LOCAL.info, 128 * 128)
    assert box_shape(crop) == (1, 128, 128)
    found = blended_error(item, Halved(), runtime, config, crop)
    assert 0.001 < found.error < 1
    assert found.halo is None
    assert found.n_voxels == 128 * 128
    large = config.model_copy(update={"tile_size": (1, 128, 128)})
    assert blended_error(item, Halved(), runtime, large, crop) is None
