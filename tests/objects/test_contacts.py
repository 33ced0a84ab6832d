"""Surfaces and contacts against balls, boxes and scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage import measure

from napari_segtrain.objects.contacts import measure_contacts


def ball(radius: float, spacing: tuple[float, float, float]) -> np.ndarray:
    axes = [np.arange(-n, n + 1) * s for s in spacing for n in [int(radius / s) + 2]]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return (z**2 + y**2 + x**2 <= radius**2).astype(np.uint16)


@pytest.mark.parametrize("z", [1.0, 2.0, 3.0, 5.0, 10.0])
def test_the_surface_of_a_ball(z: float) -> None:
    found = measure_contacts(ball(25, (z, 1.0, 1.0)), (z, 1.0, 1.0))
    assert found.areas.sum() == pytest.approx(4 * math.pi * 25**2, rel=0.025)


def test_lengths_scale_with_the_voxels() -> None:
    mask = ball(8, (2.0, 1.0, 1.0))
    one = measure_contacts(mask, (2.0, 1.0, 1.0)).areas.sum()
    assert measure_contacts(mask, (0.2, 0.1, 0.1)).areas.sum() == pytest.approx(
        one / 100
    )


def test_outlines_are_those_of_scikit_image() -> None:
    mask = ball(12, (1.0, 1.0, 1.0))[13:14]
    expected = measure.perimeter_crofton(mask[0], directions=4)
    assert measure_contacts(mask).areas.sum() == pytest.approx(expected)


def test_two_halves_share_their_cut() -> None:
    ids = ball(20, (1.0, 1.0, 1.0))
    middle = ids.shape[0] // 2
    ids[middle:] *= 2
    found = measure_contacts(ids)
    touching = found.touching()
    assert list(zip(touching.first, touching.second, strict=True)) == [(1, 2)]
    assert touching.areas[0] == pytest.approx(math.pi * 20**2, rel=0.12)
    both = found.surfaces(np.array([1, 2]))
    whole = 4 * math.pi * 20**2
    assert both.sum() - 2 * touching.areas[0] == pytest.approx(whole, rel=0.02)


def test_the_edge_of_the_image_is_no_surface() -> None:
    assert len(measure_contacts(np.ones((3, 4, 5), np.uint8)).areas) == 0


def test_surfaces_of_ids_that_do_not_occur_are_zero() -> None:
    found = measure_contacts(
        np.pad(np.full((1, 2, 2), 7, np.uint8), ((0, 0), (1, 1), (1, 1)))
    )
    areas = found.surfaces(np.array([3, 7, 9]))
    assert areas[0] == areas[2] == 0 < areas[1]
    assert found.surfaces(np.array([], int)).shape == (0,)


@settings(max_examples=30, deadline=None)
@given(
    hnp.arrays(
        np.uint8,
        hnp.array_shapes(min_dims=3, max_dims=3, max_side=6),
        elements=st.integers(0, 3),
    )
)
def test_blocks_do_not_matter(ids: np.ndarray) -> None:
    whole = measure_contacts(ids)
    parts = measure_contacts(ids, block_voxels=7)
    np.testing.assert_array_equal(parts.first, whole.first)
    np.testing.assert_array_equal(parts.second, whole.second)
    np.testing.assert_allclose(parts.areas, whole.areas)


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.uint8, (1, 6, 7), elements=st.integers(0, 3)))
def test_each_contact_belongs_to_both(ids: np.ndarray) -> None:
    found = measure_contacts(ids)
    total = found.surfaces(np.arange(4)).sum()
    assert total == pytest.approx(2 * found.areas.sum())
