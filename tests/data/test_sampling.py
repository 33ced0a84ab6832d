from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.helpers import (
    RecordingArray,
    class_table,
    index_dataset,
    label_item,
    make_dataset,
)

from napari_segtrain.boxes import box_shape
from napari_segtrain.config import DataConfig
from napari_segtrain.data.intensity_map import IntensityMap
from napari_segtrain.data.label_index import index_labels
from napari_segtrain.data.sampling import PatchReader, PatchSampler
from napari_segtrain.data.split import Region
from napari_segtrain.data.targets import TargetItem
from napari_segtrain.errors import DataError
from napari_segtrain.image import IGNORE_INDEX, Image

SAME = IntensityMap((0.0,), (1.0,))
UNLABELLED = DataConfig(zero="unlabelled", target="semantic")


def corner_labels(shape=(1, 60, 60)):
    """A large background painted as 1, a small class 2, a tiny class 3."""
    labels = np.zeros(shape, np.uint8)
    labels[:, :40] = 1
    labels[:, 44:50, 10:20] = 2
    labels[:, 55:58, 50:53] = 3
    return labels


def sampler_of(dataset, patch_size, *, share=0.5, regions=None, data=UNLABELLED):
    pairs, table, targets, indices = index_dataset(dataset, data)
    regions = regions or [Region(n, (0, 0, 0), p.shape) for n, p in enumerate(pairs)]
    sampler = PatchSampler(
        regions, indices, patch_size,
        foreground=table.foreground, foreground_share=share,
    )  # fmt: skip
    return sampler, targets


def reader_of(dataset, targets, cache_bytes=1 << 30, maps=None):
    images = [pair.image for pair in dataset.pairs()]
    maps = maps or [SAME] * len(images)
    return PatchReader(images, targets, maps, cache_bytes=cache_bytes)


def draws(sampler, n=200, seed=0):
    rng = np.random.default_rng(seed)
    return [sampler.draw(rng) for _ in range(n)]


@settings(max_examples=50)
@given(
    st.tuples(st.integers(1, 5), st.integers(10, 40), st.integers(10, 40)),
    st.tuples(st.integers(1, 7), st.integers(1, 50), st.integers(1, 50)),
    st.integers(0, 5),
)
def test_every_patch_has_its_size_lies_in_its_region_and_holds_a_label(
    shape, patch_size, seed
):
    labels = np.zeros(shape, np.uint8)
    rng = np.random.default_rng(seed)
    labels[rng.random(shape) < 0.02] = 1
    labels[-1, -1, -2:] = 2
    labels[0, 0, 0] = 1
    dataset = make_dataset(labels, axes="ZYX")
    sampler, targets = sampler_of(dataset, patch_size)
    reader = reader_of(dataset, targets)
    for patch in draws(sampler, 20, seed):
        padding = [sum(pad) for pad in patch.padding]
        size = [n + p for n, p in zip(box_shape(patch.box), padding, strict=True)]
        assert tuple(size) == patch_size
        assert all(
            0 <= b.start < b.stop <= n for b, n in zip(patch.box, shape, strict=True)
        )
        image, target = reader.read(patch)
        assert image.shape == (1, *patch_size)
        assert target.shape == patch_size
        assert (target != IGNORE_INDEX).any()


def test_patches_of_the_foreground_share_hold_their_class_and_classes_take_turns():
    dataset = make_dataset(corner_labels())
    sampler, targets = sampler_of(dataset, (1, 8, 8), share=1.0)
    reader = reader_of(dataset, targets)
    held = [
        set(np.unique(reader.read(p)[1])) - {0, IGNORE_INDEX} for p in draws(sampler)
    ]
    assert all(held)
    tiny = np.mean([2 in classes for classes in held])
    assert 0.4 < tiny < 0.6


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_the_share_of_foreground_patches_is_as_asked_for(share):
    labels = np.ones((1, 400, 400), np.uint8)
    labels[0, 200, 200] = 2
    dataset = make_dataset(labels)
    sampler, targets = sampler_of(dataset, (1, 4, 4), share=share)
    reader = reader_of(dataset, targets)
    found = [(reader.read(patch)[1] == 1).any() for patch in draws(sampler, 400)]
    assert np.mean(found) == pytest.approx(share, abs=0.08)


def test_other_patches_are_spread_over_all_labelled_voxels_of_all_images():
    small, large = np.ones((1, 50, 50), np.uint8), np.ones((1, 50, 150), np.uint8)
    small[..., :2] = large[..., :2] = 2
    sampler, _ = sampler_of(make_dataset(small, large), (1, 8, 8), share=0)
    patches = draws(sampler, 400)
    assert np.mean([p.pair for p in patches]) == pytest.approx(0.75, abs=0.07)
    starts = [p.box[2].start for p in patches if p.pair == 1]
    assert np.mean(starts) == pytest.approx((150 - 8) / 2, abs=10)


def test_labels_outside_of_the_regions_are_not_drawn():
    region = Region(0, (0, 0, 0), (1, 42, 60))
    dataset = make_dataset(corner_labels())
    sampler, _ = sampler_of(dataset, (1, 16, 16), regions=[region])
    assert all(patch.box[1].stop <= 42 for patch in draws(sampler))


def test_regions_without_labels_are_refused():
    region = Region(0, (0, 58, 0), (1, 60, 40))
    with pytest.raises(DataError, match="no labelled voxel"):
        sampler_of(make_dataset(corner_labels()), (1, 8, 8), regions=[region])


def test_the_same_seed_draws_the_same_patches():
    sampler, _ = sampler_of(make_dataset(corner_labels()), (1, 8, 8))
    assert draws(sampler, seed=3) == draws(sampler, seed=3) != draws(sampler, seed=4)


def test_images_smaller_than_the_patch_are_reflected():
    labels = np.array([[[1, 2, 2], [1, 1, 2]]], np.uint8)
    dataset = make_dataset(labels)
    sampler, targets = sampler_of(dataset, (1, 4, 8))
    patch = draws(sampler, 1)[0]
    image, target = reader_of(dataset, targets).read(patch)
    assert patch.padding == ((0, 0), (1, 1), (2, 3))
    expected = np.pad(labels - 1, patch.padding, mode="symmetric")
    np.testing.assert_array_equal(target, expected)
    whole = dataset.samples[0].image.array.astype(np.float32)
    np.testing.assert_array_equal(
        image[0], np.pad(whole, patch.padding, mode="symmetric")
    )


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64]
)
def test_cached_and_uncached_patches_are_the_same_normalized_crop(dtype):
    rng = np.random.default_rng(1)
    voxels = rng.normal(1000, 200, (3, 2, 50, 50)).clip(0, 250).astype(dtype)
    labels = rng.integers(0, 4, (3, 50, 50)).astype(np.uint8)
    dataset = make_dataset(labels, axes="ZYX")
    image = Image(voxels, "ZCYX", name="image")
    dataset = replace(dataset, samples=(replace(dataset.samples[0], image=image),))
    sampler, targets = sampler_of(dataset, (2, 16, 16))
    maps = [IntensityMap((3.0, 4.0), (0.5, 0.25))]
    cached = reader_of(dataset, targets, maps=maps)
    uncached = reader_of(dataset, targets, cache_bytes=0, maps=maps)
    for patch in draws(sampler, 20):
        (a, b), (c, d) = cached.read(patch), uncached.read(patch)
        assert a.dtype == c.dtype == np.float32
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)
        crop = voxels[patch.box[0], :, patch.box[1], patch.box[2]].transpose(1, 0, 2, 3)
        expected = (crop - np.array([3, 4]).reshape(2, 1, 1, 1)) * np.array(
            [0.5, 0.25]
        ).reshape(2, 1, 1, 1)
        np.testing.assert_allclose(a, expected, rtol=1e-5)


@pytest.mark.parametrize("context", [(0, 0, 0), (0, 6, 6)])
@pytest.mark.parametrize("size", [(60, 60), (20, 70)])
def test_a_grown_patch_holds_the_patch_and_what_the_region_has_around_it(context, size):
    labels = np.random.default_rng(0).integers(1, 3, (1, *size)).astype(np.uint8)
    dataset = make_dataset(labels)
    _, table, targets, indices = index_dataset(dataset, UNLABELLED)
    region = Region(0, (0, 0, 0), (1, size[0] - 4, size[1]))
    sampler = PatchSampler(
        [region], indices, (1, 24, 24), foreground=table.foreground,
        foreground_share=0, margin=context,
    )  # fmt: skip
    reader = reader_of(dataset, targets)
    known = np.full((1, *size), IGNORE_INDEX, np.uint8)
    known[:, : size[0] - 4] = labels[:, : size[0] - 4] - 1
    for patch in draws(sampler, 30):
        image, target = reader.read(patch)
        wide_image, wide = reader.read(patch.grown((0, 10, 7)))
        inner = (slice(None), slice(10, -10), slice(7, -7))
        assert wide.shape == (1, 44, 38)
        np.testing.assert_array_equal(wide[inner], target)
        np.testing.assert_array_equal(wide_image[:, *inner], image)
        if any(map(sum, patch.padding)):
            continue
        start = [patch.box[1].start - 10, patch.box[2].start - 7]
        padded = np.pad(known, ((0, 0), (10, 10), (7, 7)), constant_values=IGNORE_INDEX)
        y, x = start[0] + 10, start[1] + 7
        np.testing.assert_array_equal(wide, padded[:, y : y + 44, x : x + 38])


def test_voxels_that_are_unlabelled_stay_so():
    labels = corner_labels()
    dataset = make_dataset(labels)
    sampler, targets = sampler_of(dataset, (1, 24, 24))
    reader = reader_of(dataset, targets)
    for patch in draws(sampler, 30):
        _, target = reader.read(patch)
        crop = labels[patch.box]
        np.testing.assert_array_equal(target == IGNORE_INDEX, crop == 0)
        np.testing.assert_array_equal(target[crop > 0], crop[crop > 0] - 1)


def huge_dataset():
    """A store of 4 TB with a labelled corner of 1000 voxels."""
    shape = (2000, 40_000, 40_000)
    array = RecordingArray(shape=shape, dtype=np.uint16)
    return array, Image(array, "ZYX").items()[0]


def test_of_a_huge_store_only_patches_are_read():
    array, item = huge_dataset()
    labels = np.ones((1, 10, 100), np.uint8)
    table = class_table(0, 1)
    index = index_labels(
        TargetItem(label_item(labels), table, (True,)), np.random.default_rng(0)
    )
    region = Region(0, (0, 0, 0), item.shape)
    sampler = PatchSampler(
        [region], [index], (4, 32, 32), foreground=[1], foreground_share=1.0
    )
    target_array = RecordingArray(shape=item.shape)
    target = TargetItem(label_item(target_array, "ZYX"), table, (True,) * 2000)
    reader = PatchReader([item], [target], [SAME], cache_bytes=1 << 30)
    for patch in draws(sampler, 5):
        reader.read(patch)
    assert array.reads == target_array.reads == [4 * 32 * 32] * 5


def test_small_images_are_read_once():
    labels = corner_labels()
    dataset = make_dataset(labels)
    array = RecordingArray(dataset.samples[0].image.array)
    image = Image(array, "ZYX", name="recorded")
    dataset = replace(dataset, samples=(replace(dataset.samples[0], image=image),))
    sampler, targets = sampler_of(dataset, (1, 8, 8))
    reader = reader_of(dataset, targets)
    for patch in draws(sampler, 20):
        reader.read(patch)
    assert array.reads == [labels.size]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("cache_bytes", [0, 1 << 30])
def test_voxels_that_are_not_finite_are_refused(bad, cache_bytes):
    labels = np.ones((1, 20, 20), np.uint8)
    labels[..., 10:] = 2
    dataset = make_dataset(labels)
    voxels = np.zeros((1, 20, 20), np.float32)
    voxels[0, 5, 5] = bad
    image = Image(voxels, "ZYX")
    dataset = replace(dataset, samples=(replace(dataset.samples[0], image=image),))
    sampler, targets = sampler_of(dataset, (1, 20, 20))
    with pytest.raises(DataError, match="NaN or infinite"):
        reader_of(dataset, targets, cache_bytes).read(draws(sampler, 1)[0])
