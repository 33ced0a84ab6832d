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
from napari_segtrain.config import InferenceConfig, UNetConfig
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
from napari_segtrain.networks import describe_network


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
    center = tuple(n // 2 for n in item.shape)
    errors = HaloErrors(runtime.info)
    for axis in range(3):
        window = plan_window(item.shape, center, runtime.info, axis, max_voxels)
        if window is not None:
            errors.add(missing_context(item, Halved(), runtime, window), window)
    return errors.choose(**values)


@given(
    st.sampled_from(sorted(MODELS)),
    st.tuples(*[st.integers(1, 200)] * 3),
    st.tuples(*[st.floats(0, 0.99)] * 3),
    st.integers(0, 2),
    st.integers(1 << 8, 1 << 20),
)
def test_windows_lie_on_the_grid_and_keep_to_their_size(
    dims, shape, where, axis, limit
):
    info = MODELS[dims].info
    center = tuple(int(n * share) for n, share in zip(shape, where, strict=True))
    window = plan_window(shape, center, info, axis, limit)
    if window is None:
        return
    assert math.prod(box_shape(window.whole)) <= limit
    sides = zip(
        window.whole, window.part, shape, info.grid, full_context(info), strict=True
    )
    for number, (whole, part, size, grid, reach) in enumerate(sides):
        end = -(-size // grid) * grid
        assert {n % grid for n in (part.start, part.stop, whole.start)} == {0}
        assert 0 <= whole.start <= part.start < part.stop == whole.stop
        assert part.stop <= max(end, info.min_result[number])
        if number != axis:
            assert whole == part
        else:
            assert part.start > whole.start
            assert part.start - whole.start == reach or whole.start == 0


@pytest.mark.parametrize("dims", [2, 3])
def test_the_halo_is_as_wide_as_what_is_looked_at(dims):
    runtime = Blurred(MODELS[dims].info)
    image = image_of((1, 300, 300) if dims == 2 else (40, 40, 40))
    found = measured(runtime, image)
    assert found.halo == ((0, 4, 4) if dims == 2 else (3, 3, 3))
    assert found.error <= MAX_ERROR
    assert measured(runtime, image, max_error=1.0).halo == (0, 0, 0)


@pytest.mark.parametrize("dims", [2, 3])
def test_tiles_with_the_measured_halo_hardly_differ_from_the_whole_image(dims):
    model = MODELS[dims]
    image = image_of((1, 384, 384) if dims == 2 else (48, 48, 48))
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
    window = plan_window((1, 400, 400), (0, 200, 200), info, 1, 1 << 20)
    errors.add(np.ones(box_shape(window.part), np.float32), window)
    found = errors.choose()
    assert found.halo == full_context(info)
    assert found.error == 0


def test_nothing_is_claimed_of_what_was_not_measured():
    info = MODELS[3].info
    errors = HaloErrors(info)
    window = plan_window((64, 64, 64), (32, 32, 32), info, 1, 1 << 20)
    errors.add(np.zeros(box_shape(window.part), np.float32), window)
    assert errors.choose() is None, "along Z nothing was measured"
    shallow = np.zeros((1, 2, 400), np.float32)
    plane = HaloErrors(MODELS[2].info)
    plane.add(shallow, Window(full_box((1, 2, 400)), full_box((1, 2, 400)), 1))
    assert plane.choose() is None, "two voxels deep says nothing of the rest"


def test_the_default_volume_network_is_measured_within_the_budget_of_a_processor():
    config = UNetConfig(dims=3, depth=3, stem=2, first_filters=24)
    info = describe_network(config, in_channels=1, n_classes=2)
    for shape in ((64, 256, 256), (128, 512, 512), (400, 1024, 1024)):
        center = tuple(n // 2 for n in shape)
        for axis in range(3):
            window = plan_window(shape, center, info, axis, 1 << 19)
            depth = box_shape(window.part)[axis]
            assert depth >= min(info.radius[axis], shape[axis] // 2)


def test_an_image_that_is_never_cut_tells_nothing():
    for axis in range(3):
        assert plan_window((1, 4, 4), (0, 2, 2), MODELS[2].info, axis, 1 << 20) is None


def test_networks_without_padding_have_nothing_to_measure():
    info = tiny_model(2, padding="valid").info
    for axis in range(3):
        assert plan_window((9, 300, 300), (4, 150, 150), info, axis, 1 << 20) is None


def test_blended_tiles_of_a_network_that_is_not_local_are_compared():
    image = image_of((1, 200, 200))
    item, runtime = Item(image, "CZYX"), runtime_of(NOT_LOCAL)
    config = InferenceConfig(tile_size=(1, 32, 32))
    crop = plan_crop(item.shape, (0, 100, 100), NOT_LOCAL.info, (1, 32, 32))
    assert box_shape(crop) == (1, 32, 64)
    checks = []
    found = blended_error(
        item, Halved(), runtime, config, crop, lambda: checks.append(1)
    )
    assert 0.001 < found.error < 1
    assert found.halo is None
    assert found.n_voxels == 32 * 64
    assert len(checks) > 1
    assert plan_crop((1, 32, 32), (0, 16, 16), NOT_LOCAL.info, (1, 32, 32)) is None
