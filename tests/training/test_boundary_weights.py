"""The weight map against PyJAMAS's formula, voxel by voxel."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import label

from napari_segtrain.image import IGNORE_INDEX
from napari_segtrain.training.boundary_weights import boundary_weights


def objects_of(target):
    """Masks of the connected components, corners included, of each foreground class."""
    foreground = [k for k in np.unique(target) if k not in {0, IGNORE_INDEX}]
    return [
        labels == index
        for k in foreground
        for labels in [label(target == k, connectivity=target.ndim)]
        for index in range(1, labels.max() + 1)
    ]


def inner_boundary(mask, is_labelled):
    points = []
    for point in map(tuple, np.argwhere(mask)):
        for axis, step in itertools.product(range(mask.ndim), (-1, 1)):
            near = tuple(c + step * (a == axis) for a, c in enumerate(point))
            is_inside = all(0 <= c < n for c, n in zip(near, mask.shape, strict=True))
            if is_inside and is_labelled[near] and not mask[near]:
                points.append(point)
                break
    return points


def by_definition(target, w0, sigma):
    is_labelled = target != IGNORE_INDEX
    foreground = is_labelled & (target != 0)
    share = foreground.sum() / max(1, is_labelled.sum())
    boundaries = [inner_boundary(mask, is_labelled) for mask in objects_of(target)]
    boundaries = [points for points in boundaries if points]
    weights = np.zeros(target.shape)
    for point in np.ndindex(target.shape):
        own = 1 - share if foreground[point] else share
        weights[point] = own if 0 < share < 1 else 1
        away = sorted(
            min(np.linalg.norm(np.subtract(point, other)) for other in points)
            for points in boundaries
        )[:2]
        if away:
            weights[point] += w0 * np.exp(-(sum(away) ** 2) / (2 * sigma**2))
    return weights


def disks(shape, seed, n_classes=2, unlabelled=0.0):
    rng = np.random.default_rng(seed)
    grid = np.indices(shape)
    target = np.zeros(shape, np.uint8)
    for number in range(6):
        center = rng.integers(0, shape).reshape(-1, *[1] * len(shape))
        radius = rng.integers(2, 5)
        target[((grid - center) ** 2).sum(0) < radius**2] = 1 + number % (n_classes - 1)
    target[rng.random(shape) < unlabelled] = IGNORE_INDEX
    return target


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(32, 28), (9, 14, 12)])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("unlabelled", [0.0, 0.05])
def test_it_is_the_formula(shape, n_classes, unlabelled):
    target = disks(shape, 0, n_classes, unlabelled)
    found = boundary_weights(target, border_weight=7.0, sigma=3.0)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_definition(target, 7.0, 3.0), atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 8))
def test_it_is_the_formula_for_any_objects(seed, sigma):
    rng = np.random.default_rng(seed)
    target = rng.choice([0, 0, 0, 0, 1, 2, IGNORE_INDEX], size=(7, 11)).astype(np.uint8)
    found = boundary_weights(target, sigma=sigma)
    np.testing.assert_allclose(found, by_definition(target, 10.0, sigma), atol=1e-4)


def test_one_object_counts_by_its_own_distance():
    target = np.zeros((1, 12), np.uint8)
    target[0, 3] = 1
    away = np.abs(np.arange(12) - 3)
    own = np.where(away == 0, 11 / 12, 1 / 12)
    expected = own + 10 * np.exp(-(away**2) / 50)
    np.testing.assert_allclose(boundary_weights(target)[0], expected, rtol=1e-5)


def test_the_gap_between_two_objects_weighs_most():
    target = np.zeros((40, 40), np.uint8)
    target[10:30, 5:19] = target[10:30, 21:35] = 1
    weights = boundary_weights(target)
    assert weights[20, 20] > 8 > weights[20, 3] > weights[0, 0]


@pytest.mark.parametrize("value", [0, 1, IGNORE_INDEX])
def test_without_borders_all_voxels_weigh_1(value):
    weights = boundary_weights(np.full((5, 6), value, np.uint8))
    assert (weights == 1).all()


def test_where_no_class_is_background_every_class_has_objects():
    target = np.zeros((20, 20), np.uint8)
    target[:, 10:] = 1
    weights = boundary_weights(target, background=None)
    assert weights[5, 9] == pytest.approx(1 + 10 * np.exp(-1 / 50), rel=1e-5)
    assert weights[5, 0] == pytest.approx(1 + 10 * np.exp(-(19**2) / 50), rel=1e-3)
