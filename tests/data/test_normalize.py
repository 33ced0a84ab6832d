from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.data.helpers import RecordingArray

from napari_segtrain.boxes import full_box
from napari_segtrain.config import NormalizationConfig
from napari_segtrain.data.intensity_map import IntensityMap, measure
from napari_segtrain.data.normalize import MEAN_SHIFT, Normalization, plan_normalization
from napari_segtrain.data.voxel_samples import MAX_SAMPLED_VOXELS
from napari_segtrain.errors import DataError
from napari_segtrain.image import Image

METHODS = ("percentile", "zscore", "zero-center", "rescale", "local-contrast", "none")
OF_SLICES = METHODS[:4]
WAYS = [
    *((method, scope) for method in METHODS for scope in ("image", "training-set")),
    *((method, "slice") for method in OF_SLICES),
]
"""Methods and scopes that go together."""
DTYPES = (np.bool_, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.float32)


def item_of(voxels, axes=None):
    return Image(voxels, axes or "ZYX"[-voxels.ndim :]).items()[0]


def noise(shape=(40, 50), mean=100.0, spread=10.0, seed=0):
    return np.random.default_rng(seed).normal(mean, spread, shape)


def plan(*images, axes=None, **config):
    items = [item_of(image, axes) for image in images]
    return plan_normalization(items, NormalizationConfig(**config))


def normalized(rule, voxels, axes=None):
    item = item_of(voxels, axes)
    return rule.prepare(item)[1].apply(item.read(), full_box(item.shape))


class TestMethods:
    voxels = noise()

    def one(self, method, **config):
        rule, maps = plan(self.voxels, method=method, **config)
        result = normalized(rule, self.voxels)
        np.testing.assert_array_equal(
            result, maps[0].apply(item_of(self.voxels).read())
        )
        return result

    def test_percentile(self):
        result = self.one("percentile", percentiles=(10, 90))
        np.testing.assert_allclose(np.percentile(result, (10, 90)), (0, 1), atol=1e-5)

    def test_zscore(self):
        result = self.one("zscore")
        assert result.mean() == pytest.approx(0, abs=1e-5)
        assert result.std() == pytest.approx(1, abs=1e-5)

    def test_zero_center(self):
        result = self.one("zero-center")
        assert result.mean() == pytest.approx(0, abs=1e-4)
        assert result.std() == pytest.approx(self.voxels.std(), rel=1e-4)

    def test_rescale(self):
        result = self.one("rescale")
        assert (result.min(), result.max()) == pytest.approx((0, 1), abs=1e-6)

    def test_none(self):
        result = self.one("none")
        np.testing.assert_array_equal(result[0, 0], self.voxels.astype(np.float32))


@pytest.mark.parametrize(("method", "scope"), WAYS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_crop_is_normalized_as_the_whole(dtype, method, scope):
    voxels = noise((2, 3, 40, 50)).astype(dtype)
    voxels.flat[0] = 0
    rule, _ = plan(voxels, axes="CZYX", method=method, scope=scope)
    item = item_of(voxels, "CZYX")
    whole = rule.prepare(item)[1].apply(item.read(), full_box(item.shape))
    box = (slice(1, 2), slice(5, 20), slice(30, 50))
    crop = rule.prepare(item)[1].apply(item.read(box), box)
    assert whole.dtype == crop.dtype == np.float32
    np.testing.assert_array_equal(crop, whole[(slice(None), *box)])


def test_per_image_statistics_are_those_of_the_image_at_hand():
    rule, _ = plan(noise(), noise(mean=500, spread=90), method="zscore", scope="image")
    assert rule.training_set is None
    other = normalized(rule, noise(mean=-40, spread=3, seed=7))
    assert other.mean() == pytest.approx(0, abs=1e-4)
    assert other.std() == pytest.approx(1, rel=1e-4)


def test_statistics_of_the_training_set_are_kept_for_every_image():
    rule, maps = plan(noise(), noise(seed=1), method="zscore", scope="training-set")
    assert maps == (rule.training_set,) * 2
    brighter = normalized(rule, noise(mean=200))
    assert brighter.mean() == pytest.approx(10, rel=0.02)


def test_channels_are_measured_one_by_one():
    voxels = np.stack([noise(), noise(mean=9000, spread=500)])
    rule, _ = plan(voxels, axes="CYX", method="zscore")
    result = normalized(rule, voxels, "CYX")
    np.testing.assert_allclose(result.mean(axis=(1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(result.std(axis=(1, 2, 3)), 1, rtol=1e-4)


def test_channels_may_share_one_map():
    voxels = np.stack([noise(), noise(mean=9000, spread=500)])
    for scope in ("image", "training-set"):
        rule, [shared] = plan(
            voxels, axes="CYX", method="rescale", scope=scope, per_channel=False
        )
        assert len(set(shared.offset)) == len(set(shared.scale)) == 1
        result = normalized(rule, voxels, "CYX")
        assert (result.min(), result.max()) == pytest.approx((0, 1), abs=1e-6)
        assert result[0].max() < 0.05


class TestChoice:
    def test_images_that_are_alike_are_measured_together(self):
        rule, _ = plan(*[noise(seed=seed) for seed in range(3)])
        assert (rule.scope, rule.method) == ("training-set", "zscore")

    @pytest.mark.parametrize(
        "other", [noise(spread=30), noise(mean=160), noise() * 0 + 3]
    )
    def test_images_that_differ_are_measured_one_by_one(self, other):
        rule, _ = plan(noise(), other)
        assert (rule.scope, rule.method) == ("image", "percentile")

    def test_means_that_differ_within_one_range_are_measured_one_by_one(self):
        first, second = (np.clip(noise(mean=m, spread=40), 0, 255) for m in (100, 150))
        rule, _ = plan(first, second)
        assert (rule.scope, rule.method) == ("image", "zscore")

    def test_more_objects_on_a_dark_background_are_not_brighter(self):
        few, many = noise(mean=10, spread=1), noise(mean=10, spread=1)
        few[:, :2], many[:, :20] = 250, 250
        assert many.mean() - few.mean() > MEAN_SHIFT * many.std()
        rule, _ = plan(few, many)
        assert (rule.scope, rule.method) == ("training-set", "zscore")

    def test_one_channel_that_differs_is_enough(self):
        first = np.stack([noise(), noise()])
        second = np.stack([noise(), noise(mean=200)])
        assert plan(first, second, axes="CYX")[0].scope == "image"

    def test_what_is_said_is_done(self):
        rule, _ = plan(noise(), noise(mean=900), method="rescale", scope="training-set")
        assert (rule.scope, rule.method) == ("training-set", "rescale")
        assert plan(noise(), scope="image")[0].method == "percentile"


@given(st.sampled_from(WAYS))
def test_a_constant_channel_becomes_finite(way):
    method, scope = way
    voxels = np.stack([noise(), np.full((40, 50), 7.0)])
    rule, _ = plan(voxels, axes="CYX", method=method, scope=scope)
    result = normalized(rule, voxels, "CYX")
    assert np.isfinite(result).all()
    assert np.ptp(result[1]) == 0


def test_a_mostly_constant_image_keeps_its_contrast():
    voxels = np.zeros((100, 100))
    voxels[50, 50:53] = 5
    rule, _ = plan(voxels, method="percentile")
    assert np.ptp(normalized(rule, voxels)) == pytest.approx(1)


def test_constant_images_are_refused_with_their_value():
    with pytest.raises(DataError, match=r"constant.*value 7.*check"):
        plan(np.full((20, 20), 7), np.full((20, 20), 9))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_voxels_that_are_not_finite_are_refused(bad, dtype):
    voxels = noise().astype(dtype)
    voxels[3, 4] = bad
    items = [item_of(noise()), item_of(voxels)]
    with pytest.raises(DataError, match=r"NaN or infinite voxels in cells_2 \(1 in"):
        plan_normalization(items, NormalizationConfig(), ["cells_1", "cells_2"])
    with pytest.raises(DataError, match="NaN or infinite"):
        Normalization("zscore", "image").prepare(items[1])[1]
    with pytest.raises(DataError, match="NaN or infinite"):
        IntensityMap((0.0,), (1.0,)).apply(items[1].read())


@pytest.mark.parametrize(
    ("dtype", "offset"), [(np.uint32, 4e9), (np.int64, 1e12), (np.float64, 1e12)]
)
def test_small_contrast_on_large_values_survives(dtype, offset):
    voxels = (noise(spread=20) + offset).astype(dtype)
    result = normalized(plan(voxels, method="zscore")[0], voxels)
    assert len(np.unique(result)) > 50
    assert result.std() == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize(
    "shape", [(1, 60_000, 60_000), (5000, 3000, 3000), (3, 100, 2_000_000)]
)
def test_a_huge_image_is_sampled(shape):
    array = RecordingArray(shape=shape)
    measure([item_of(array, "ZYX")], (1, 99))
    assert max(array.reads) <= 4 * MAX_SAMPLED_VOXELS
    assert sum(array.reads) <= 8 * MAX_SAMPLED_VOXELS


class Gradient(RecordingArray):
    """A huge volume whose voxels are their own z."""

    def __getitem__(self, key):
        block = super().__getitem__(key)
        z = np.arange(key[0].start, key[0].stop)
        return block + z[:, None, None].astype(self.dtype)


def test_the_sample_is_spread_over_the_image():
    array = Gradient(shape=(4001, 5000, 5000), dtype=np.float32)
    found = measure([item_of(array, "ZYX")], (1, 99))
    assert found.minimum == (0,)
    assert found.maximum == (4000,)
    assert found.mean[0] == pytest.approx(2000)


def test_a_store_that_is_mostly_empty_is_looked_at_more_closely():
    voxels = np.zeros((300, 64, 64), np.uint8)
    voxels[107:115] = 50
    rule, _ = plan(voxels)
    assert np.ptp(normalized(rule, voxels)) > 0


def test_many_images_are_sampled_less_each():
    arrays = [
        RecordingArray(shape=(1, 3000, 3000), dtype=np.float32) for _ in range(40)
    ]
    measure([item_of(array, "ZYX") for array in arrays], (1, 99))
    assert sum(sum(array.reads) for array in arrays) <= 8 * MAX_SAMPLED_VOXELS


def test_measuring_twice_gives_the_same():
    item = item_of(noise((30, 40, 50)))
    assert measure([item], (1, 99)) == measure([item], (1, 99))


def test_the_training_set_is_measured_where_it_is_labelled():
    array = np.zeros((40, 64, 64), np.uint8)
    array[17:19] = np.random.default_rng(0).integers(50, 150, (2, 64, 64))
    [item] = Image(array, "ZYX").items()
    used = tuple(17 <= z < 19 for z in range(40))
    rule, [whole] = plan_normalization([item], NormalizationConfig(), used=[used])
    assert rule.scope == "training-set"
    part = whole.apply(item.read()[:, 17:19])
    assert abs(part.mean()) < 0.01
    assert abs(part.std() - 1) < 0.01


def stack(means, spread=10.0):
    """A volume with a mean per slice."""
    return np.stack([noise(mean=m, spread=spread, seed=i) for i, m in enumerate(means)])


JUMPS = (100, 115, 92, 104, 88, 110, 97, 106)


class TestSlices:
    def test_slices_whose_brightness_jumps_are_measured_one_by_one(self):
        rule, _ = plan(stack(JUMPS))
        assert (rule.scope, rule.method) == ("slice", "zscore")
        result = normalized(rule, stack((80, 95, 78)))
        np.testing.assert_allclose(result.mean(axis=(0, 2, 3)), 0, atol=1e-4)
        np.testing.assert_allclose(result.std(axis=(0, 2, 3)), 1, rtol=1e-4)

    @pytest.mark.parametrize(
        "means",
        [
            np.linspace(150, 80, 12),  # fades with depth
            100 + 30 * np.sin(np.linspace(0, np.pi, 12)),  # an object ends
            (100, 100.5, 99.7, 100.2, 100.1, 99.9, 100.3),  # about equal
            JUMPS[:5],  # too few to tell
        ],
    )
    def test_slices_that_change_little_by_little_are_measured_together(self, means):
        assert plan(stack(means))[0].scope == "training-set"

    def test_only_neighbors_with_labels_are_compared(self):
        item = item_of(stack(JUMPS * 2))
        for used in [(True, False) * 8, (True,) * 5 + (False,) * 11]:
            rule, _ = plan_normalization([item], NormalizationConfig(), used=[used])
            assert rule.scope != "slice"

    @pytest.mark.parametrize("method", ["local-contrast", "none"])
    def test_methods_without_slices_are_left_at_what_they_have(self, method):
        assert plan(stack(JUMPS), method=method)[0].scope == "training-set"
        with pytest.raises(ValidationError, match=f"other methods than {method}"):
            NormalizationConfig(method=method, scope="slice")

    def test_a_crop_is_measured_as_the_image_since_its_slices_are_no_whole_ones(self):
        crop, whole = item_of(stack(JUMPS)), item_of(stack(JUMPS))
        rule, _ = plan_normalization([crop], NormalizationConfig(), wholes=[whole])
        assert rule.scope != "slice"

    @pytest.mark.parametrize("value", [0.0, 100.0])
    def test_an_empty_slice_keeps_its_noise_low(self, value):
        voxels = stack(JUMPS)
        voxels[3] = value + 1e-3 * noise(mean=0, spread=1)
        result = normalized(plan(voxels, scope="slice")[0], voxels)
        assert result[0, 3].std() < 1e-3
        assert result[0, 2].std() == pytest.approx(1, rel=1e-4)

    def test_a_slice_of_a_huge_image_is_sampled(self):
        array = RecordingArray(shape=(3, 40_000, 40_000), dtype=np.float32)
        rule = Normalization("zscore", "slice")
        intensities = rule.prepare(item_of(array, "ZYX"), IntensityMap((0,), (1,)))[1]
        box = (slice(1, 2), slice(0, 4), slice(0, 4))
        array.reads.clear()
        intensities.apply(np.zeros((1, 1, 4, 4), np.float32), box)
        assert 0 < sum(array.reads) <= MAX_SAMPLED_VOXELS
        array.reads.clear()
        intensities.apply(np.zeros((1, 1, 4, 4), np.float32), box)
        assert not array.reads

    def test_voxels_that_are_not_finite_are_refused(self):
        voxels = stack(JUMPS)
        voxels[2, 3, 4] = np.nan
        rule, item = Normalization("zscore", "slice"), item_of(voxels)
        intensities = rule.prepare(item, IntensityMap((0,), (1,)))[1]
        with pytest.raises(DataError, match="NaN or infinite"):
            intensities.apply(item.read(), full_box(item.shape))
