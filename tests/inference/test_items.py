import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.inference.helpers import (
    Halved,
    finish,
    runtime_of,
    tiny_model,
    whole_image,
)

from napari_segtrain.boxes import full_box
from napari_segtrain.config import InferenceConfig
from napari_segtrain.control import RunControl
from napari_segtrain.errors import ConfigError, DataError, PredictionError
from napari_segtrain.image import Item
from napari_segtrain.inference import (
    BlockPredicted,
    OutOfMemory,
    TileDone,
    predict_classes,
    predict_item,
)
from napari_segtrain.inference import items as items_module

MODELS = {2: tiny_model(2), 3: tiny_model(3)}
VALID = {dims: tiny_model(dims, padding="valid") for dims in (2, 3)}
patient = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow]
)


def predict(model, image, *, config=None, box=None, runtime=None):
    """Probabilities (K, Z, Y, X) of a box, put together from the blocks."""
    item = Item(image, "CZYX")
    box = box or full_box(item.shape)
    events, is_complete = finish(
        predict_item(
            item,
            runtime=runtime or runtime_of(model),
            intensities=Halved(),
            config=config or InferenceConfig(),
            box=box,
        )
    )
    assert is_complete
    return assembled(events, image.shape, model.info.n_classes)[(slice(None), *box)]


def assembled(events, shape, n_classes):
    result = np.full((n_classes, *shape[1:]), np.nan, np.float32)
    for event in events:
        if isinstance(event, BlockPredicted):
            place = (slice(None), *event.box)
            assert np.isnan(result[place]).all(), "a voxel was predicted twice"
            result[place] = event.probabilities
    return result


def image_of(shape, n_channels=1, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n_channels, *shape)).astype(np.float32)


def exact_config(model, extra, overlap, *, is_named=False):
    """All that the network sees, in numbers or by its name."""
    grid, radius = model.info.grid, model.info.radius
    tile = [
        (2 * -(-r // g) + 1 + -(-int(n * 0.6) // g)) * g
        for r, g, n in zip(radius, grid, extra, strict=True)
    ]
    halo = "exact" if is_named else radius
    return InferenceConfig(tile_size=tuple(tile), halo=halo, overlap=overlap)


@patient
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 70), st.integers(1, 70)),
    extra=st.tuples(*[st.integers(0, 30)] * 3),
    overlap=st.sampled_from([0, 0.3]),
    is_named=st.booleans(),
)
def test_tiles_equal_the_whole_image_in_two_dimensions(shape, extra, overlap, is_named):
    model = MODELS[2]
    image = image_of(shape)
    config = exact_config(model, extra, overlap, is_named=is_named)
    result = predict(model, image, config=config)
    np.testing.assert_allclose(result, whole_image(model, image), atol=1e-5)


@patient
@given(
    shape=st.tuples(*[st.integers(1, 36)] * 3),
    extra=st.tuples(*[st.integers(0, 12)] * 3),
    is_named=st.booleans(),
)
def test_tiles_equal_the_whole_image_in_three_dimensions(shape, extra, is_named):
    model = MODELS[3]
    image = image_of(shape)
    config = exact_config(model, extra, 0, is_named=is_named)
    result = predict(model, image, config=config)
    np.testing.assert_allclose(result, whole_image(model, image), atol=1e-5)


@patient
@given(shape=st.tuples(*[st.integers(1, 40)] * 3), data=st.data())
def test_tiles_equal_the_whole_image_without_padding(shape, data):
    model = VALID[data.draw(st.sampled_from([2, 3]))]
    margin, least = model.info.prediction_margin, model.info.min_size
    extra = data.draw(st.tuples(*[st.integers(0, 12)] * 3))
    tile = tuple(n + more for n, more in zip(least, extra, strict=True))
    overlap = data.draw(st.sampled_from(["auto", 0, 0.4]))
    config = InferenceConfig(tile_size=tile, overlap=overlap)
    assert margin[1] > 0
    image = image_of(shape)
    result = predict(model, image, config=config)
    np.testing.assert_allclose(result, whole_image(model, image), atol=1e-5)


def test_tiles_without_padding_need_room_for_the_margin_and_no_halo():
    model = VALID[2]
    image = image_of((1, 30, 30))
    config = InferenceConfig(tile_size=(1, 16, 32))
    with pytest.raises(ConfigError, match=r"16 voxels along Y .* margin of 8 .*18"):
        predict(model, image, config=config)
    with pytest.raises(ConfigError, match=r"reads 8 voxels .* halo of 4"):
        predict(model, image, config=InferenceConfig(halo=(0, 4, 4)))


@patient
@given(st.data(), st.sampled_from([2, 3]))
def test_a_region_is_predicted_as_in_the_whole_image(data, dims):
    model = MODELS[dims]
    shape = data.draw(st.tuples(*[st.integers(1, 40)] * 3))
    starts = [data.draw(st.integers(0, size - 1)) for size in shape]
    stops = [
        data.draw(st.integers(start + 1, size))
        for start, size in zip(starts, shape, strict=True)
    ]
    box = tuple(map(slice, starts, stops))
    image = image_of(shape)
    expected = whole_image(model, image)[(slice(None), *box)]
    config = InferenceConfig(halo=model.info.radius)
    result = predict(model, image, box=box, config=config)
    np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("dims", [2, 3])
def test_columns_of_a_bounded_window_equal_the_whole_image(dims, monkeypatch):
    monkeypatch.setattr(items_module, "MAX_ACCUMULATED", 3000)
    model = MODELS[dims]
    image = image_of((20, 37, 29))
    config = exact_config(model, (4, 4, 4), 0)
    result = predict(model, image, config=config)
    np.testing.assert_allclose(result, whole_image(model, image), atol=1e-5)


def test_blended_tiles_of_a_network_that_is_not_local_add_up_to_one():
    model = tiny_model(2, norm="instance")
    config = InferenceConfig(tile_size=(1, 16, 16), halo=(0, 2, 2), overlap=0.4)
    result = predict(model, image_of((2, 45, 33)), config=config)
    np.testing.assert_allclose(result.sum(axis=0), 1, atol=1e-5)


def test_the_smallest_image_passes_a_network_with_instance_norm():
    for dims in (2, 3):
        result = predict(tiny_model(dims, norm="instance"), image_of((1, 1, 1)))
        assert np.isfinite(result).all()


def test_class_indices_are_the_most_likely_ones():
    model = MODELS[2]
    image = image_of((2, 20, 30))
    indices = predict_classes(
        Item(image, "CZYX"),
        runtime=runtime_of(model),
        intensities=Halved(),
        config=InferenceConfig(),
    )
    np.testing.assert_array_equal(indices, whole_image(model, image).argmax(axis=0))


class Small:
    """A runtime that takes few voxels at a time."""

    def __init__(self, model, limit):
        self._runtime = runtime_of(model)
        self.limit = limit
        self.info = model.info
        self.max_voxels = 1 << 20
        self.sizes = []

    def __call__(self, batch):
        voxels = batch.shape[0] * int(np.prod(batch.shape[2:]))
        if voxels > self.limit:
            raise OutOfMemory(f"{voxels} voxels")
        self.sizes.append(voxels)
        return self._runtime(batch)


@pytest.mark.parametrize("limit", [48 * 48, 48 * 48 * 3])
def test_short_memory_shrinks_the_batch_and_goes_on(limit):
    model = MODELS[2]
    image = image_of((5, 48, 48))
    runtime = Small(model, limit)
    result = predict(model, image, runtime=runtime)
    np.testing.assert_allclose(result, whole_image(model, image), atol=1e-5)
    assert max(runtime.sizes) <= limit


def test_short_memory_shrinks_the_tile_when_the_batch_is_one():
    runtime = Small(MODELS[2], 40 * 40)
    result = predict(MODELS[2], image_of((2, 48, 48)), runtime=runtime)
    np.testing.assert_allclose(result.sum(axis=0), 1, atol=1e-5)
    assert max(runtime.sizes) <= 40 * 40


def test_short_memory_in_the_midst_keeps_what_is_done():
    model = MODELS[3]
    image = image_of((60, 24, 24))
    runtime = Small(model, 1 << 20)
    events = predict_item(
        Item(image, "CZYX"),
        runtime=runtime,
        intensities=Halved(),
        config=InferenceConfig(tile_size=(32, 24, 24)),
    )

    def shorten(event):
        if isinstance(event, TileDone):
            runtime.limit = 20 * 24 * 24

    seen, _ = finish(events, shorten)
    result = assembled(seen, image.shape, model.info.n_classes)
    assert np.isfinite(result).all()
    totals = [event for event in seen if isinstance(event, TileDone)]
    assert totals[-1].n_done == totals[-1].n_total


def test_tiles_that_do_not_blend_come_one_by_one_also_when_memory_gets_short():
    model = MODELS[2]
    image = image_of((2, 90, 90))
    runtime = Small(model, 1 << 20)
    halo = -(-model.info.radius[1] // model.info.grid[1]) * model.info.grid[1]
    events = predict_item(
        Item(image, "CZYX"),
        runtime=runtime,
        intensities=Halved(),
        config=InferenceConfig(
            halo="exact", tile_size=(1, 2 * halo + 24, 2 * halo + 24), batch_size=1
        ),
    )
    n_tiles = 0

    def shorten(event):
        nonlocal n_tiles
        n_tiles += isinstance(event, TileDone)
        if n_tiles == 5:
            runtime.limit = (2 * halo + 12) ** 2

    seen, _ = finish(events, shorten)
    blocks = [event.box for event in seen if isinstance(event, BlockPredicted)]
    assert blocks[0][2].stop < 90
    result = assembled(seen, image.shape, model.info.n_classes)
    np.testing.assert_allclose(result, whole_image(model, image), atol=1e-5)


def test_what_is_left_is_planned_once_when_memory_gets_short(monkeypatch):
    """However many tiles wait to be cut into smaller ones."""
    n_planned = 0
    plan = items_module.plan_tiles

    def counted(*given, **options):
        nonlocal n_planned
        n_planned += 1
        return plan(*given, **options)

    monkeypatch.setattr(items_module, "plan_tiles", counted)
    config = InferenceConfig(tile_size=(1, 32, 32), halo=(0, 8, 8), overlap=0.0)
    item = Item(image_of((1, 128, 128)), "CZYX")
    events, is_complete = finish(
        predict_item(
            item,
            runtime=Small(MODELS[2], 24 * 24),
            intensities=Halved(),
            config=config,
        )
    )
    assert is_complete
    counts = [event for event in events if isinstance(event, TileDone)]
    n_tiles = 8 * 8
    assert counts[-1].n_done == counts[-1].n_total > 2 * n_tiles
    assert n_planned < 5 * n_tiles


def test_too_little_memory_is_said_in_a_sentence():
    with pytest.raises(PredictionError, match=r"Not even a tile of .* fits in memory"):
        predict(MODELS[2], image_of((1, 40, 40)), runtime=Small(MODELS[2], 3))


def test_stop_is_effective_after_the_present_batch():
    control = RunControl()
    events = predict_item(
        Item(image_of((6, 16, 16)), "CZYX"),
        runtime=runtime_of(MODELS[2]),
        intensities=Halved(),
        config=InferenceConfig(batch_size=1),
        control=control,
    )

    def stop_at_two(event):
        if isinstance(event, TileDone) and event.n_done == 2:
            control.stop()

    seen, is_complete = finish(events, stop_at_two)
    assert not is_complete
    assert sum(isinstance(event, BlockPredicted) for event in seen) == 2


def test_progress_counts_tiles_and_ends_at_the_total():
    config = InferenceConfig(tile_size=(1, 16, 16), halo=(0, 4, 4), batch_size=3)
    events, _ = finish(
        predict_item(
            Item(image_of((2, 40, 40)), "CZYX"),
            runtime=runtime_of(MODELS[2]),
            intensities=Halved(),
            config=config,
        )
    )
    tiles = [event for event in events if isinstance(event, TileDone)]
    assert [event.n_done for event in tiles] == sorted(event.n_done for event in tiles)
    assert {event.n_total for event in tiles} == {tiles[-1].n_done}
    assert all(event.voxels_per_second > 0 for event in tiles)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_voxels_without_a_value_are_located(value):
    image = image_of((2, 40, 40))
    image[0, 1, 30, 5] = value
    with pytest.raises(DataError, match="z=1, y=30, x=5"):
        predict(MODELS[2], image)


def test_a_tile_without_room_for_its_halo_is_refused():
    config = InferenceConfig(tile_size=(1, 32, 32), halo=(0, 20, 20))
    with pytest.raises(ConfigError, match=r"32 voxels along Y .* halo of 20"):
        predict(MODELS[2], image_of((1, 100, 100)), config=config)


class Watched:
    """An array that remembers the largest part that was read."""

    def __init__(self, array):
        self._array = array
        self.shape, self.dtype = array.shape, array.dtype
        self.largest = 0

    def __getitem__(self, key):
        part = self._array[key]
        self.largest = max(self.largest, part.size)
        return part


def test_no_more_than_a_tile_is_read_at_once():
    watched = Watched(image_of((40, 64, 64)))
    config = InferenceConfig(tile_size=(16, 32, 32), halo=(4, 4, 4))
    predict(MODELS[3], watched, config=config)
    assert watched.largest <= 16 * 32 * 32


def test_an_exact_halo_is_refused_where_all_voxels_depend_on_all_others():
    model = tiny_model(2, norm="instance")
    with pytest.raises(ConfigError, match=r"no exact halo .* batch norm"):
        predict(model, image_of((1, 40, 40)), config=InferenceConfig(halo="exact"))


def test_an_exact_halo_stays_when_memory_is_short():
    model = MODELS[2]

    class Small:
        """A device that holds little."""

        info, max_voxels = model.info, 1 << 20
        inner = runtime_of(model)

        def __call__(self, batch):
            if batch[0].size > 40 * 40:
                raise OutOfMemory
            return self.inner(batch)

    image = image_of((1, 90, 90))
    config = InferenceConfig(halo="exact")
    result = predict(model, image, config=config, runtime=Small())
    np.testing.assert_allclose(result, whole_image(model, image), atol=1e-5)


def test_memory_that_does_not_hold_an_exact_halo_is_an_error():
    class Full:
        """A device that holds nothing."""

        info, max_voxels = MODELS[2].info, 1 << 20

        def __call__(self, _batch):
            raise OutOfMemory

    config = InferenceConfig(halo="exact")
    with pytest.raises(PredictionError, match="halo to auto"):
        predict(MODELS[2], image_of((1, 90, 90)), config=config, runtime=Full())
