from dataclasses import replace

import numpy as np
import pytest
from tests.inference.test_likeness import blobs, fluorescence, items_of

from napari_segtrain.config import NormalizationConfig
from napari_segtrain.data.normalize import plan_normalization
from napari_segtrain.data.seen_intensities import (
    LEVELS,
    distance,
    normalized,
    quantiles,
    sample_slices,
    see_intensities,
)
from napari_segtrain.image import Item


def seen_of(arrays, used=None, **config):
    items = items_of(arrays)
    used = used or [(True,) * item.shape[0] for item in items]
    rule, maps = plan_normalization(items, NormalizationConfig(**config), used=used)
    return rule, see_intensities(rule, items, used, maps)


def far(rule, seen, array):
    (item,) = items_of([array])
    return distance(seen, quantiles(normalized(rule, sample_slices(item)))).max()


@pytest.mark.parametrize(
    ("method", "scope"),
    [
        ("zscore", "slice"),
        ("zscore", "training-set"),
        ("percentile", "image"),
        ("local-contrast", "training-set"),
        ("none", "image"),
    ],
)
def test_what_was_trained_on_is_as_it_was(method, scope):
    arrays = [fluorescence(6, seed=seed) for seed in range(3)]
    rule, seen = seen_of(arrays, method=method, scope=scope)
    assert np.shape(seen.low) == np.shape(seen.high) == (1, len(LEVELS))
    assert seen.n_slices == 18
    for array in arrays:
        assert far(rule, seen, array) == 0
        assert far(rule, seen, array[2]) < seen.tolerance


def test_a_scale_counts_where_normalization_leaves_it():
    arrays = [fluorescence(3, seed=seed) for seed in range(3)]
    wide = arrays[0].astype(np.uint16) * 257
    rule, seen = seen_of(arrays, method="percentile", scope="image")
    assert far(rule, seen, wide) < 0.01
    rule, seen = seen_of(arrays, method="zscore", scope="training-set")
    assert far(rule, seen, wide) > 2 * seen.tolerance
    rule, seen = seen_of(arrays, method="none", scope="image")
    assert far(rule, seen, wide) > 2 * seen.tolerance


def test_only_used_slices_count():
    stack = fluorescence(6)
    stack[3:] = 255 - stack[3:]
    used = [(True,) * 3 + (False,) * 3]
    rule, seen = seen_of([stack], used, method="zscore", scope="training-set")
    assert seen.n_slices == 3
    assert far(rule, seen, stack[0]) < seen.tolerance < far(rule, seen, stack[4])


def test_the_more_was_seen_the_less_is_tolerated():
    _, one = seen_of([fluorescence(1)])
    _, many = seen_of([fluorescence(16)])
    assert one.tolerance == pytest.approx(0.25)
    assert many.tolerance < 0.12


def test_bands_of_one_large_slice_are_no_slices():
    large = np.tile(blobs(512, 0), (4, 4))
    _, seen = seen_of([large])
    assert seen.n_slices == 1


def test_channels_are_seen_one_by_one():
    both = np.stack([blobs(64, 0), 255 - blobs(64, 1)])
    item = Item(both, "CYX")
    rule, maps = plan_normalization([item], NormalizationConfig())
    seen = see_intensities(rule, [item], [(True,)], maps)
    turned = quantiles(normalized(rule, both[::-1, None]))
    assert (distance(seen, turned) > seen.tolerance).all()
    assert (distance(seen, quantiles(normalized(rule, both[:, None]))) == 0).all()


def test_images_with_voxels_that_are_no_numbers_are_left_out():
    good, bad = fluorescence(2).astype(np.float32), fluorescence(2).astype(np.float32)
    items = items_of([good, bad])
    rule, maps = plan_normalization(items, NormalizationConfig())
    bad[0, 0, 0] = np.nan
    used = [(True, True)] * 2
    assert see_intensities(rule, items, used, maps).n_slices == 2
    assert see_intensities(rule, items[1:], used[1:], maps[1:]) is None


@pytest.mark.parametrize(
    "change",
    [
        {"low": ()},
        {"high": ((0.0, 1.0),)},
        {"spread": (1.0, 1.0)},
        {"spread": (float("nan"),)},
        {"n_slices": 0},
    ],
)
def test_what_no_training_measures(change):
    _, seen = seen_of([fluorescence(2)])
    assert not list(seen.problems(1))
    assert list(seen.problems(2))
    assert list(replace(seen, **change).problems(1))
