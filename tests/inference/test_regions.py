import numpy as np
import pytest
from tests.inference.helpers import finish, tiny_model

from napari_segtrain.config import InferenceConfig
from napari_segtrain.control import RunControl
from napari_segtrain.errors import ModelError
from napari_segtrain.image import Image
from napari_segtrain.inference import iter_prediction
from napari_segtrain.inference.regions import (
    Region,
    RegionBlock,
    RegionsProgress,
    iter_regions,
)

CPU = InferenceConfig(device="cpu")
MODEL = tiny_model(2)
IMAGE = Image(np.random.default_rng(0).normal(size=(2, 5, 24, 20)), "TZYX")
WHOLE = (slice(0, 24), slice(0, 20))


def box(start, stop):
    return (slice(start, stop), *WHOLE)


def blocks_of(events):
    return [event for event in events if isinstance(event, RegionBlock)]


def test_regions_are_as_in_the_whole_and_in_the_order_asked_for() -> None:
    config = CPU.model_copy(update={"probabilities": "float32"})
    whole = finish(iter_prediction(MODEL, IMAGE, config))[1].probabilities.array
    regions = [Region({"T": 1}, box(3, 4)), Region({"T": 1}, box(0, 3))]
    events, is_complete = finish(iter_regions(MODEL, IMAGE, regions, CPU))
    assert is_complete
    blocks = blocks_of(events)
    assert blocks[0].box == box(3, 4)
    assert {block.index["T"] for block in blocks} == {1}
    assert sum(b.box[0].stop - b.box[0].start for b in blocks) == 4
    for block in blocks:
        expected = whole[1][(slice(None), *block.box)]
        np.testing.assert_allclose(block.probabilities, expected, atol=1e-5)


def test_progress_rises_to_one() -> None:
    regions = [Region({"T": t}, box(0, 5)) for t in range(2)]
    events, _ = finish(iter_regions(MODEL, IMAGE, regions, CPU))
    shares = [e.share for e in events if isinstance(e, RegionsProgress)]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


def test_stop() -> None:
    control = RunControl()
    regions = [Region({"T": t}, box(0, 5)) for t in range(2)]
    events = iter_regions(MODEL, IMAGE, regions, CPU, control=control)
    next(events)
    control.stop()
    rest, is_complete = finish(events)
    assert not is_complete
    assert {block.index["T"] for block in blocks_of(rest)} <= {0}


def test_a_model_that_does_not_fit() -> None:
    with pytest.raises(ModelError, match="2 channels"):
        next(iter_regions(tiny_model(2, n_channels=2), IMAGE, [], CPU))
