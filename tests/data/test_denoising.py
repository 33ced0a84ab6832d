from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.restoration import denoise_tv_chambolle
from tests.data.helpers import RecordingArray

from napari_segtrain.boxes import full_box
from napari_segtrain.config import NormalizationConfig
from napari_segtrain.data.denoising import (
    REACH,
    DenoisedItem,
    denoise,
    measure_noise,
)
from napari_segtrain.data.normalize import Normalization, plan_normalization
from napari_segtrain.errors import DataError
from napari_segtrain.image import Image


def blobs(shape=(120, 150), noise=10.0, seed=0):
    """Bright and dark parts with sharp edges, and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape[-2:])
    clean = 100 + 80 * ((np.sin(y / 9) + np.sin(x / 11)) > 0.3)
    return clean + rng.normal(0, noise, shape), clean


def item_of(voxels, axes=None):
    return Image(voxels, axes or "CZYX"[-voxels.ndim :]).items()[0]


def denoised(voxels, *weights, axes=None):
    item = item_of(voxels, axes)
    return DenoisedItem(item.array, item.axes, item.index, weights)


@pytest.mark.parametrize("strength", [0.25, 0.5, 1, 2])
def test_it_comes_as_close_to_the_minimum_as_scikit_image(strength):
    noisy, _ = blobs()
    weight = 10 * strength
    best = denoise_tv_chambolle(noisy, weight, eps=1e-8, max_num_iter=20_000)
    usual = denoise_tv_chambolle(noisy, weight)

    def distance(found):
        return np.sqrt(np.mean((found - best) ** 2))

    ours = denoise(noisy, weight)
    assert distance(ours) < 0.15 * 10
    assert distance(ours) < distance(usual)


def test_noise_is_removed_and_edges_are_kept():
    noisy, clean = blobs()
    smooth = denoise(noisy, 10.0)
    assert np.abs(smooth - clean).mean() < 0.4 * np.abs(noisy - clean).mean()
    edges = np.diff(clean, axis=1) != 0
    assert np.abs(np.diff(smooth, axis=1))[edges].mean() > 0.8 * 80


@pytest.mark.parametrize("sigma", [2, 10, 30])
def test_the_noise_is_measured(sigma):
    [found] = measure_noise(item_of(blobs(noise=sigma)[0]))
    assert found == pytest.approx(sigma, rel=0.1)


def test_each_channel_has_its_noise_unless_they_go_together():
    voxels = np.stack([blobs(noise=n)[0] for n in (4, 20)])
    item = item_of(voxels, "CYX")
    assert measure_noise(item) == pytest.approx((4, 20), rel=0.1)
    first, second = measure_noise(item, per_channel=False)
    assert first == second
    assert 4 < first < 20


def test_what_was_cut_off_has_no_noise():
    voxels = blobs(noise=5)[0]
    voxels[:, :100] = 0
    assert measure_noise(item_of(voxels))[0] == pytest.approx(5, rel=0.1)
    assert measure_noise(item_of(np.zeros((8, 8)))) == (0,)
    assert measure_noise(item_of(np.ones((1, 7)))) == (0,)


def test_only_the_slices_that_are_looked_at_count():
    voxels = np.stack([blobs(noise=n, seed=n)[0] for n in (3, 30, 3)])
    [found] = measure_noise(item_of(voxels), (True, False, True))
    assert found == pytest.approx(3, rel=0.1)


@given(
    st.tuples(*[st.integers(0, 330)] * 2), st.tuples(*[st.integers(1, 300)] * 2),
)  # fmt: skip
def test_any_box_is_the_same_part_of_the_whole(start, size):
    ends = [min(s + n, 340) for s, n in zip(start, size, strict=True)]
    box = (slice(0, 1), *(slice(s, e) for s, e in zip(start, ends, strict=True)))
    np.testing.assert_array_equal(LARGE.read(box), WHOLE[:, *box])


LARGE = denoised(blobs((340, 340))[0].astype(np.uint8), 8.0)
WHOLE = LARGE.read()


def test_a_part_read_alone_is_that_of_one_plane():
    plane = blobs((340, 340))[0].astype(np.uint8).astype(np.float32)
    np.testing.assert_array_equal(WHOLE[0, 0], denoise(plane, 8.0))


def test_slices_and_channels_do_not_touch():
    voxels = np.stack([blobs(seed=n)[0] for n in range(6)]).reshape(2, 3, 120, 150)
    found = denoised(voxels, 5.0, 0.0, axes="CZYX").read()
    for z in range(3):
        np.testing.assert_array_equal(found[0, z], denoise(voxels[0, z], 5.0))
    np.testing.assert_array_equal(found[1], voxels[1])


def test_of_a_lazy_image_only_the_surroundings_are_read():
    array = RecordingArray(np.zeros((40, 2000, 2000), np.uint8))
    item = denoised(array, 3.0, axes="ZYX")
    assert array.reads == []
    item.read((slice(3, 5), slice(500, 600), slice(0, 50)))
    assert array.reads == [2 * (100 + 2 * REACH) * (50 + REACH)]


def test_a_voxel_that_is_not_finite_stays_where_it_is():
    voxels = blobs()[0].astype(np.float32)
    voxels[60, 70] = np.nan
    rule = Normalization("zscore", "image", denoising=0.5)
    found = denoised(voxels, 5.0).read()
    assert np.argwhere(np.isnan(found[0, 0])).tolist() == [[60, 70]]
    with pytest.raises(DataError, match="NaN"):
        rule.prepare(item_of(voxels))


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.uint16, np.uint32, np.int16])
def test_all_types_of_voxels_are_denoised(dtype):
    voxels = (blobs()[0] > 120 if dtype is np.bool_ else blobs()[0]).astype(dtype)
    item = denoised(voxels, 0.2)
    found = item.read()
    assert found.dtype == item.dtype
    assert np.abs(np.diff(found)).sum() < np.abs(np.diff(voxels.astype(float))).sum()


def test_a_rule_says_what_is_read_around_a_box():
    assert Normalization("zscore", "image", denoising=0.5).reach == (0, REACH, REACH)
    assert Normalization("zscore", "image").reach == (0, 0, 0)


class TestNormalization:
    items = tuple(item_of(blobs(noise=n, seed=n)[0]) for n in (4, 16))

    def plan(self, **config):
        return plan_normalization(self.items, NormalizationConfig(**config))

    @pytest.mark.parametrize("scope", ["image", "training-set"])
    def test_each_image_is_denoised_by_its_own_noise(self, scope):
        rule, maps = self.plan(denoising=0.5, scope=scope)
        assert [m.noise[0] for m in maps] == pytest.approx([4, 16], rel=0.1)
        for item, known in zip(self.items, maps, strict=True):
            there, intensities = rule.prepare(item)
            again, same = rule.prepare(item, known)
            assert intensities == same == known
            assert there.weights == again.weights == (0.5 * known.noise[0],)

    def test_without_it_nothing_is_measured_or_changed(self):
        rule, maps = self.plan()
        assert rule.denoising == 0
        assert maps[0].noise == ()
        assert rule.prepare(self.items[0])[0] is self.items[0]

    def test_local_contrast_is_that_of_the_denoised_image(self):
        rule, _ = self.plan(denoising=1, method="local-contrast", cell_size=32)
        item, intensities = rule.prepare(self.items[1])
        box = full_box(item.shape)
        found = intensities.apply(item.read(), box)
        plain, _ = self.plan(method="local-contrast", cell_size=32)
        smooth = item_of(item.read()[0, 0].astype(np.float64))
        _, expected = plain.prepare(smooth, intensities._intensities)  # noqa: SLF001
        np.testing.assert_allclose(found, expected.apply(smooth.read(), box), atol=1e-6)
