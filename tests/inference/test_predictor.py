import numpy as np
import pytest
from tests.inference.helpers import class_table, finish, tiny_model, whole_image

from napari_segtrain.config import InferenceConfig
from napari_segtrain.control import RunControl
from napari_segtrain.errors import DataError, ModelError
from napari_segtrain.image import Image
from napari_segtrain.inference import (
    ItemPredicted,
    TileDone,
    TorchRuntime,
    iter_prediction,
)
from napari_segtrain.inference import items as items_module

CPU = InferenceConfig(device="cpu")
MODEL = tiny_model(2)
VOLUMES = tiny_model(3)
VALUES = np.array([0, 7, 300])


def predict(model, image, config=CPU, **settings):
    return finish(iter_prediction(model, image, config, **settings))[1]


def array_of(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def expected_labels(model, block):
    """Label values (Z, Y, X) of a block (C, Z, Y, X)."""
    return VALUES[whole_image(model, block).argmax(axis=0)]


def test_original_values_come_back_with_axes_voxel_size_and_classes():
    array = array_of(30, 41)
    image = Image(array, "YX", (0.2, 0.3), name="cells")
    labels = predict(MODEL, image).labels
    assert (labels.axes, labels.voxel_size, labels.name) == ("YX", (0.2, 0.3), "cells")
    assert labels.classes == MODEL.spec.classes
    assert labels.array.dtype == np.uint16
    expected = expected_labels(MODEL, array[None, None])[0]
    np.testing.assert_array_equal(labels.array, expected)


def test_a_flat_model_segments_a_volume_slice_by_slice():
    array = array_of(4, 20, 24)
    labels = predict(MODEL, Image(array, "ZYX")).labels
    for z, plane in enumerate(array):
        single = predict(MODEL, Image(plane, "YX")).labels
        np.testing.assert_array_equal(labels.array[z], single.array)


def test_time_points_are_images_by_themselves_and_keep_their_order():
    array = array_of(3, 2, 18, 20)
    events, result = finish(iter_prediction(MODEL, Image(array, "TZYX"), CPU))
    assert result.labels.axes == "TZYX"
    for t, volume in enumerate(array):
        expected = expected_labels(MODEL, volume[None])
        np.testing.assert_array_equal(result.labels.array[t], expected)
    done = [event.index for event in events if isinstance(event, ItemPredicted)]
    assert done == [{"T": 0}, {"T": 1}, {"T": 2}]
    tiles = [event for event in events if isinstance(event, TileDone)]
    assert tiles[-1].n_done == tiles[-1].n_total


def test_axes_in_any_order_come_back_in_that_order():
    array = array_of(2, 1, 18, 20, 3)  # Z T Y X C
    model = tiny_model(2, n_channels=3)
    config = CPU.model_copy(update={"probabilities": "float32"})
    result = predict(model, Image(array, "ZTYXC"), config)
    assert result.labels.axes == "ZTYX"
    block = array[:, 0].transpose(3, 0, 1, 2)
    np.testing.assert_array_equal(
        result.labels.array[:, 0], expected_labels(model, block)
    )
    assert result.probabilities.axes == "TCZYX"
    np.testing.assert_allclose(
        result.probabilities.array[0], whole_image(model, block), atol=1e-5
    )


def test_probabilities_as_bytes_add_up_to_255():
    config = CPU.model_copy(update={"probabilities": "uint8"})
    image = Image(array_of(21, 33), "YX", (1.0, 1.0))
    maps = predict(MODEL, image, config).probabilities
    assert (maps.axes, maps.array.dtype) == ("CYX", np.uint8)
    assert maps.channel_names == MODEL.spec.classes.names
    assert maps.voxel_size == (1.0, 1.0)
    sums = maps.array.astype(int).sum(axis=0)
    assert np.abs(sums - 255).max() <= 1


def test_without_a_wish_there_are_no_probabilities():
    assert predict(MODEL, Image(array_of(16, 16), "YX")).probabilities is None


@pytest.mark.parametrize("model", [MODEL, VOLUMES], ids=["2D", "3D"])
def test_a_range_of_slices_is_predicted_with_its_context(model):
    image = Image(array_of(12, 16, 20), "ZYX")
    whole = predict(model, image)
    part = predict(model, image, slices=(5, 7))
    np.testing.assert_array_equal(part.labels.array, whole.labels.array[5:7])
    assert (whole.first_slice, part.first_slice) == (0, 5)


def test_slices_that_are_not_there_are_refused():
    with pytest.raises(DataError, match="has 4; choose from 0 to 4"):
        predict(MODEL, Image(array_of(4, 16, 16), "ZYX"), slices=(2, 6))


def test_a_volume_model_refuses_a_plane():
    with pytest.raises(ModelError, match=r"volumes.*axes YX"):
        predict(VOLUMES, Image(array_of(16, 16), "YX"))


def test_another_number_of_channels_is_refused_with_both_numbers():
    model = tiny_model(2, n_channels=2, channel_names=("DAPI", "GFP"))
    with pytest.raises(ModelError, match=r"2 channels \(DAPI, GFP\).* has 1 channel"):
        predict(model, Image(array_of(16, 16), "YX"))


def test_stop_keeps_what_is_done_and_says_so():
    control = RunControl()
    config = CPU.model_copy(update={"batch_size": 1})
    events = iter_prediction(
        MODEL, Image(array_of(5, 16, 16), "ZYX"), config, control=control
    )
    next(events)
    control.stop()
    _, result = finish(events)
    assert not result.is_complete
    whole = predict(MODEL, Image(array_of(5, 16, 16), "ZYX")).labels.array
    np.testing.assert_array_equal(result.labels.array[0], whole[0])
    assert not result.labels.array[1:].any()


def test_a_model_of_objects_gives_ids():
    model = tiny_model(2, classes=class_table(0, 1, is_objects=True))
    array = array_of(2, 24, 24)
    result = predict(model, Image(array, "TYX"))
    foreground = np.stack(
        [whole_image(model, plane[None, None]).argmax(axis=0)[0] for plane in array]
    )
    np.testing.assert_array_equal(result.labels.array > 0, foreground == 1)
    for ids in result.labels.array:
        assert set(np.unique(ids)) == set(range(ids.max() + 1))


def test_a_network_that_is_not_local_uses_tiles_of_its_patches():
    model = tiny_model(2, norm="instance", patch_size=(1, 16, 16))
    events, result = finish(iter_prediction(model, Image(array_of(40, 40), "YX"), CPU))
    tiles = [event for event in events if isinstance(event, TileDone)]
    assert tiles[-1].n_total >= 9
    assert result.is_complete


def test_the_network_of_the_model_stays_as_it_was():
    model = tiny_model(2)
    model.network.train()
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    predict(model, Image(array_of(16, 16), "YX"))
    assert model.network.training
    for name, value in model.network.state_dict().items():
        assert (value == before[name]).all(), name


def test_one_time_point_is_predicted_without_the_others():
    array = array_of(3, 2, 18, 20)
    whole = predict(MODEL, Image(array, "TZYX")).labels
    config = InferenceConfig(device="cpu", probabilities="float32")
    part = predict(MODEL, Image(array, "TZYX"), config, items={"T": 1})
    assert (part.labels.axes, part.probabilities.axes) == ("ZYX", "CZYX")
    assert part.item == {"T": 1}
    np.testing.assert_array_equal(part.labels.array, whole.array[1])
    assert part.probabilities.channel_names == MODEL.spec.classes.names
    assert part.labels.classes == MODEL.spec.classes


def test_one_slice_of_one_time_point_and_the_other_item_axes():
    array = array_of(2, 3, 4, 16, 16)
    image = Image(array, "STZYX")
    whole = predict(MODEL, image).labels
    part = predict(MODEL, image, items={"T": 2}, slices=(1, 2))
    assert part.labels.axes == "SZYX"
    assert part.first_slice == 1
    np.testing.assert_array_equal(part.labels.array, whole.array[:, 2, 1:2])
    assert part.done.shape == (2, 1)
    assert part.done.all()


def test_only_the_asked_item_is_read():
    class Guarded:
        shape, dtype = (3, 16, 16), np.dtype(np.float32)

        def __getitem__(self, key):
            assert key[0] == 1
            return np.zeros(self.shape, self.dtype)[key]

    labels = predict(MODEL, Image(Guarded(), "TYX"), items={"T": 1}).labels
    assert labels.array.shape == (16, 16)


@pytest.mark.parametrize(
    ("items", "words"),
    [({"Q": 0}, "no item axis Q"), ({"Z": 0}, "no item axis Z"), ({"T": 3}, "0 to 2")],
)
def test_items_that_are_not_there_are_refused(items, words):
    with pytest.raises(DataError, match=words):
        predict(MODEL, Image(array_of(3, 2, 18, 20), "TZYX"), items=items)


def test_a_stopped_prediction_says_which_slices_are_done():
    control = RunControl()
    config = InferenceConfig(device="cpu", tile_size=(1, 64, 64), batch_size=1)
    image = Image(array_of(2, 3, 20, 20), "TZYX")
    work = iter_prediction(MODEL, image, config, control=control)
    n_tiles = 0
    for event in work:
        n_tiles += isinstance(event, TileDone)
        if n_tiles == 4:
            control.stop()
            break
    with pytest.raises(StopIteration) as stop:
        next(work)
    result = stop.value.value
    assert not result.is_complete
    assert result.done.tolist() == [[True, True, True], [True, False, False]]
    whole = predict(MODEL, image).labels.array
    np.testing.assert_array_equal(result.labels.array[result.done], whole[result.done])
    assert not result.labels.array[~result.done].any()


def test_slices_are_done_when_all_columns_are(monkeypatch):
    monkeypatch.setattr(items_module, "MAX_ACCUMULATED", 3 * 16 * 8)
    result = predict(MODEL, Image(array_of(2, 32, 32), "ZYX"))
    assert result.done.tolist() == [True, True]


def test_a_lazy_crop_is_read_no_further_than_it_reaches():
    dask_array = pytest.importorskip("dask.array")
    array = array_of(6, 40, 40)
    lazy = dask_array.from_array(array, chunks=(1, 20, 20))[2:4, :20, 10:30]
    labels = predict(MODEL, Image(lazy, "ZYX")).labels
    expected = predict(MODEL, Image(array[2:4, :20, 10:30], "ZYX")).labels
    np.testing.assert_array_equal(labels.array, expected.array)


def test_a_memory_limit_makes_smaller_tiles():
    runtimes = [
        TorchRuntime.of_model(MODEL, InferenceConfig(device="cpu", memory_limit=limit))
        for limit in ("auto", 1e6, 0.5, 0.001)
    ]
    free, huge, half, little = (runtime.max_voxels for runtime in runtimes)
    assert huge == free
    assert half == int(0.5e9 * 0.8 / MODEL.info.bytes_per_voxel)
    assert little < half < free
    image = Image(array_of(300, 300), "YX")
    config = InferenceConfig(device="cpu", memory_limit=0.001)
    events, small = finish(iter_prediction(MODEL, image, config))
    assert max(e.n_total for e in events if isinstance(e, TileDone)) > 1
    same = (small.labels.array == predict(MODEL, image).labels.array).mean()
    assert same > 0.999
