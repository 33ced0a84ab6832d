"""The first thing to show of a long prediction."""

import math

import numpy as np
import pytest
from tests.inference.helpers import finish, tiny_model

from napari_segtrain.boxes import box_shape, full_box, nearest_first
from napari_segtrain.config import InferenceConfig
from napari_segtrain.image import Image
from napari_segtrain.inference import preview as preview_module
from napari_segtrain.inference.preview import MAX_VOXELS, preview_box
from napari_segtrain.inference.regions import (
    Region,
    RegionBlock,
    RegionsProgress,
    iter_regions,
)

CPU = InferenceConfig(device="cpu")
LARGE = (400, 3000, 4000)


def inside(part, whole):
    return all(
        w.start <= p.start < p.stop <= w.stop for p, w in zip(part, whole, strict=True)
    )


@pytest.mark.parametrize("dims", [2, 3])
def test_a_preview_is_a_small_part_of_one_slice_in_the_view(dims) -> None:
    view = (slice(50, 51), slice(1000, 2000), slice(100, 1500))
    part = preview_box(LARGE, full_box(LARGE), view, tiny_model(dims).info, CPU)
    assert inside(part, view)
    assert part[0] == slice(50, 51)
    middle = [(p.start + p.stop) // 2 for p in part[1:]]
    assert middle == [1500, 800]
    assert 64**2 <= math.prod(box_shape(part)) <= MAX_VOXELS[dims]


def test_no_preview_of_what_is_quick_or_not_seen() -> None:
    info = tiny_model(2).info
    view = (slice(0, 1), slice(0, 100), slice(0, 100))
    assert preview_box((1, 800, 800), full_box((1, 800, 800)), view, info, CPU) is None
    elsewhere = (slice(60, 61), *view[1:])
    box = (slice(0, 50), slice(0, 3000), slice(0, 4000))
    assert preview_box(LARGE, box, elsewhere, info, CPU) is None


@pytest.mark.parametrize("dims", [2, 3])
def test_the_preview_comes_before_the_engine_and_is_right(dims, monkeypatch) -> None:
    monkeypatch.setattr(preview_module, "MAX_VOXELS", {2: 40**2, 3: 40**3})
    monkeypatch.setattr(preview_module, "_SIDES", (16, 8))
    image = Image(np.random.default_rng(0).normal(size=(6, 120, 130)), "ZYX")
    view = (slice(2, 3), slice(60, 100), slice(50, 90))
    config = CPU.model_copy(update={"tile_size": (6, 64, 64), "halo": "exact"})
    region = Region({}, full_box((6, 120, 130)), view)
    work = iter_regions(tiny_model(dims), image, [region], config, has_preview=True)
    events, is_complete = finish(work)
    assert is_complete
    first = events[0]
    assert isinstance(first, RegionBlock)
    assert inside(first.box, view)
    rest = [event for event in events[1:] if isinstance(event, RegionBlock)]
    found = np.zeros((first.probabilities.shape[0], 6, 120, 130), np.float32)
    for block in rest:
        found[(slice(None), *block.box)] = block.probabilities
    expected = found[(slice(None), *first.box)]
    np.testing.assert_allclose(first.probabilities, expected, atol=1e-5)
    shares = [event.share for event in events if isinstance(event, RegionsProgress)]
    assert shares == sorted(shares)


@pytest.mark.parametrize("dims", [2, 3])
def test_tiles_of_the_view_come_first_and_all_come(dims) -> None:
    shape = (4, 200, 200)
    image = Image(np.random.default_rng(0).normal(size=shape), "ZYX")
    tiles = {"tile_size": (4, 64, 64), "halo": (0, 8, 8), "overlap": 0}
    config = CPU.model_copy(update=tiles | {"batch_size": 1})
    view = (slice(3, 4), slice(150, 170), slice(20, 40))
    region = Region({}, full_box(shape), view)
    model = tiny_model(dims)
    events, _ = finish(iter_regions(model, image, [region], config))
    boxes = [event.box for event in events if isinstance(event, RegionBlock)]
    assert nearest_first(boxes, view) == list(range(len(boxes)))
    covered = np.zeros(shape, int)
    for box in boxes:
        covered[box] += 1
    assert (covered == 1).all()
    plain, _ = finish(iter_regions(model, image, [Region({}, full_box(shape))], config))
    first = next(event for event in plain if isinstance(event, RegionBlock))
    assert boxes[0] != first.box


def test_the_nearest_first() -> None:
    boxes = [(slice(0, 1), slice(y, y + 10), slice(0, 10)) for y in range(0, 50, 10)]
    view = (slice(0, 1), slice(29, 32), slice(0, 10))
    assert nearest_first(boxes, view) == [3, 2, 4, 1, 0]
