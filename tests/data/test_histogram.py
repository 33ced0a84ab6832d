from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from skimage.exposure import match_histograms
from tests.models.helpers import make_spec

from napari_segtrain.boxes import full_box
from napari_segtrain.config import NormalizationConfig
from napari_segtrain.data.histogram import HistogramMatch, quantiles_of
from napari_segtrain.data.normalize import plan_normalization
from napari_segtrain.errors import ModelError
from napari_segtrain.image import Image
from napari_segtrain.models import ModelSpec, dump_spec, parse_spec


def item_of(voxels, axes=None):
    return Image(voxels, axes or "ZYX"[-voxels.ndim :]).items()[0]


def picture(seed=0, shape=(60, 80)):
    return np.random.default_rng(seed).gamma(2.0, 50.0, shape)


def plan(*images, axes=None, **config):
    items = [item_of(image, axes) for image in images]
    given = {"match_histogram": True, **config}
    return plan_normalization(items, NormalizationConfig(**given))


def normalized(rule, voxels, axes=None):
    item = item_of(voxels, axes)
    return rule.prepare(item)[1].apply(item.read(), full_box(item.shape))


def test_it_is_as_scikit_image_has_it():
    source, reference = picture(0), 900 - 2 * picture(1)
    match = HistogramMatch(quantiles_of(source[None]), quantiles_of(reference[None]))
    theirs = match_histograms(source, reference)
    differences = np.abs(match.apply(source[None])[0] - theirs)
    assert np.quantile(differences, 0.99) < 0.01 * np.ptp(theirs)


@pytest.mark.parametrize("method", ["zscore", "percentile", "local-contrast", "none"])
def test_brightness_contrast_and_gamma_do_not_matter(method):
    rule, maps = plan(picture(), picture(1), method=method)
    assert rule.scope == "training-set"
    plain = normalized(rule, picture(7))
    other = normalized(rule, 30 + 5 * picture(7) ** 1.5)
    np.testing.assert_allclose(other, plain, atol=0.05 * np.ptp(plain))
    unmatched, _ = plan(picture(), picture(1), method=method, match_histogram=False)
    far = normalized(unmatched, 30 + 5 * picture(7) ** 1.5)
    assert abs(far - plain).mean() > 5 * abs(other - plain).mean()
    block = item_of(picture()).read()
    box = full_box((1, 60, 80))
    bound = rule.prepare(item_of(picture()), maps[0])[1]
    np.testing.assert_array_equal(bound.apply(block, box), normalized(rule, picture()))


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int16, np.float32])
def test_a_crop_is_matched_as_the_whole(dtype):
    voxels = (np.stack([picture(0), picture(1)]) // 60).astype(dtype)
    other = (picture(2, (2, 50, 50)) // 50).astype(dtype)
    rule, _ = plan(voxels, other, axes="CYX")
    item = item_of(voxels, "CYX")
    box = (slice(0, 1), slice(10, 30), slice(5, 50))
    crop = rule.prepare(item)[1].apply(item.read(box), box)
    whole = normalized(rule, voxels, "CYX")
    np.testing.assert_array_equal(crop, whole[(slice(None), *box)])


def test_channels_are_matched_one_by_one_or_together():
    voxels = np.stack([picture(0), 100 * picture(1)])
    other = np.stack([100 * picture(2), picture(3)])
    apart, _ = plan(voxels, axes="CYX", method="none")
    swapped = normalized(apart, other, "CYX").mean(axis=(1, 2, 3))
    np.testing.assert_allclose(swapped, voxels.mean(axis=(1, 2)), rtol=0.1)
    together, _ = plan(voxels, axes="CYX", method="none", per_channel=False)
    kept = normalized(together, other, "CYX").mean(axis=(1, 2, 3))
    assert kept[0] > 10 * kept[1]


def test_a_constant_image_becomes_constant():
    rule, _ = plan(picture(), picture(1))
    result = normalized(rule, np.full((20, 30), 7, np.uint8))
    assert np.isfinite(result).all()
    assert np.ptp(result) == 0


def spec_with(rule) -> ModelSpec:
    return replace(make_spec(), normalization=rule)


def test_a_model_keeps_the_histogram_and_a_damaged_one_is_refused():
    rule, _ = plan(picture(), picture(1))
    spec = spec_with(rule)
    assert parse_spec(dump_spec(spec), source="x").normalization == rule
    [row] = rule.histogram
    for bad in ((row, row), (row[:-1],), (row[::-1],)):
        text = dump_spec(spec_with(replace(rule, histogram=bad)))
        with pytest.raises(ModelError, match="histogram of its training set"):
            parse_spec(text, source="x")
