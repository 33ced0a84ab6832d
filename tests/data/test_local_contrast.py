from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.exposure import equalize_adapthist
from tests.data.helpers import RecordingArray

from napari_segtrain.boxes import full_box
from napari_segtrain.data.intensity_map import IntensityMap
from napari_segtrain.data.normalize import Normalization
from napari_segtrain.errors import DataError
from napari_segtrain.image import Image

RULE = Normalization("local-contrast", "image", cell_size=16)


def item_of(voxels, axes=None):
    return Image(voxels, axes or "ZYX"[-voxels.ndim :]).items()[0]


def texture(shape=(3, 70, 90), seed=0, dtype=np.uint16):
    rng = np.random.default_rng(seed)
    light = np.linspace(50, 4000, shape[-1])
    return (light * (1 + 0.3 * rng.standard_normal(shape))).clip(0).astype(dtype)


def whole(item, rule=RULE):
    box = full_box(item.shape)
    return rule.prepare(item)[1].apply(item.read(box), box)


@st.composite
def boxes(draw, shape=(3, 70, 90)):
    parts = []
    for size in shape:
        start = draw(st.integers(0, size - 1))
        parts.append(slice(start, draw(st.integers(start + 1, size))))
    return tuple(parts)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(boxes(), min_size=1, max_size=4),
    st.integers(8, 200),
    st.sampled_from([np.uint8, np.int16, np.uint16, np.float32, np.float64]),
)
def test_a_voxel_is_the_same_in_every_box_whatever_was_read_before(
    asked, cell_size, dtype
):
    rule = Normalization("local-contrast", "image", cell_size=cell_size)
    item = item_of(texture(dtype=dtype))
    expected = whole(item, rule)
    fresh = rule.prepare(item)[1]
    for box in asked:
        np.testing.assert_array_equal(
            fresh.apply(item.read(box), box), expected[(slice(None), *box)]
        )


def test_threads_that_read_at_once_get_the_same():
    item = item_of(texture((8, 200, 200)))
    expected, shared = whole(item), RULE.prepare(item)[1]
    asked = [
        (slice(z, z + 1), slice(y, y + 50), slice(x, x + 50))
        for z in range(8)
        for y in range(0, 150, 30)
        for x in range(0, 150, 30)
    ]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda box: shared.apply(item.read(box), box), asked))
    for box, block in zip(asked, got, strict=True):
        np.testing.assert_array_equal(block, expected[(slice(None), *box)])


def test_it_is_much_as_scikit_image_has_it():
    voxels = texture((128, 160))
    ours = whole(item_of(voxels), Normalization("local-contrast", "image", (0, 100)))
    theirs = equalize_adapthist(voxels, kernel_size=128, clip_limit=0.01)
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.97


def test_dark_and_bright_parts_come_nearer_in_contrast():
    item = item_of(texture((64, 256)))
    rule = Normalization("local-contrast", "image", cell_size=16, clip_limit=0.2)
    result = whole(item, rule)[0, 0]
    raw = item.read()[0, 0].astype(float)
    ratio = raw[:, -64:].std() / raw[:, :64].std()
    assert ratio > 3
    assert result[:, -64:].std() / result[:, :64].std() < 0.5 * ratio
    assert 0 <= result.min() < result.max() <= 1


def test_channels_and_slices_have_their_own_histograms():
    first, second = texture((2, 64, 64), 1), texture((2, 64, 64), 2)
    item = item_of(np.stack([first, second]), "CZYX")
    both = whole(item)
    np.testing.assert_array_equal(both[1], whole(item_of(second))[0])
    changed = second.copy()
    changed[1, 30:, :] = changed[1, 30:, :][::-1]
    again = whole(item_of(np.stack([first, changed]), "CZYX"))
    np.testing.assert_array_equal(again[:, 0], both[:, 0])
    np.testing.assert_array_equal(again[0], both[0])


def test_a_lower_limit_keeps_noise_down():
    voxels = np.full((64, 64), 1000.0)
    voxels += np.random.default_rng(0).normal(0, 2, voxels.shape)
    voxels[:4] = np.linspace(0, 4000, 64)
    spreads = [
        whole(
            item_of(voxels),
            Normalization("local-contrast", "image", cell_size=16, clip_limit=limit),
        )[0, 0, 40:].std()
        for limit in (0.005, 0.02, 1.0)
    ]
    assert spreads == sorted(spreads)
    assert spreads[0] < 0.2 * spreads[-1]


def test_the_width_of_the_cells_matters():
    item = item_of(texture())
    wide = Normalization("local-contrast", "image", cell_size=64)
    assert not np.array_equal(whole(item), whole(item, wide))


def test_a_constant_image_becomes_constant():
    result = whole(item_of(np.full((40, 50), 7, np.uint8)))
    assert np.isfinite(result).all()
    assert np.ptp(result) == 0


def test_only_the_cells_around_a_box_are_read_and_once():
    array = RecordingArray(shape=(50, 30_000, 30_000), dtype=np.uint16)
    item = item_of(array, "ZYX")
    shared = RULE.prepare(item, IntensityMap((0.0,), (1.0,)))[1]
    box = (slice(7, 8), slice(1000, 1064), slice(2000, 2064))
    block = item.read(box)
    array.reads.clear()
    shared.apply(block, box)
    assert len(array.reads) == 1
    assert sum(array.reads) <= (64 + 4 * 16) ** 2
    shared.apply(block, box)
    assert len(array.reads) == 1


def test_a_nan_in_a_cell_beside_the_box_is_refused():
    voxels = texture((64, 64), dtype=np.float32)
    shared = RULE.prepare(item_of(voxels), IntensityMap((0.0,), (1e-3,)))[1]
    voxels[20, 20] = np.nan
    box = (slice(0, 1), slice(0, 10), slice(0, 10))
    block = np.zeros((1, 1, 10, 10), np.float32)
    with pytest.raises(DataError, match="NaN or infinite"):
        shared.apply(block, box)
