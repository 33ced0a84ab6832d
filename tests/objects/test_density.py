"""Counts in a sliding slab against their definition."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segtrain.objects.density import density_profile


def test_counts_are_those_within_the_slab() -> None:
    centers = np.random.default_rng(0).uniform(0, (100, 50, 30), (400, 3))
    profile = density_profile(centers, (100, 50, 30), "z", slab=20)
    assert profile.positions[0] == 0
    assert profile.positions[-1] == 100
    for at, count, density in zip(
        profile.positions, profile.counts, profile.densities, strict=True
    ):
        inside = abs(centers[:, 0] - at) < 10
        thickness = min(at + 10, 100) - max(at - 10, 0)
        assert count == inside.sum()
        assert density == pytest.approx(count / (thickness * 1500))


def test_an_even_density_is_even_to_the_ends() -> None:
    along = np.arange(0.5, 100)
    centers = np.stack([along, np.full(100, 5.0), np.full(100, 5.0)], axis=1)
    profile = density_profile(centers, (100, 10, 10), "z", slab=20)
    np.testing.assert_allclose(profile.densities, 0.01)


def test_flat_images_have_densities_per_area() -> None:
    centers = np.array([[0.0, 5.0, 5.0]])
    profile = density_profile(centers, (1, 10, 10), "x", slab=40, is_flat=True)
    np.testing.assert_allclose(profile.densities, 0.01)


def test_a_slab_thicker_than_the_image_holds_all() -> None:
    centers = np.random.default_rng(0).uniform(0, 10, (7, 3))
    profile = density_profile(centers, (10, 10, 10), "y", slab=500)
    assert set(profile.counts) == {7}


@pytest.mark.parametrize(("axis", "slab"), [("z", 0), ("t", 20), ("z", float("inf"))])
def test_what_makes_no_sense_is_refused(axis: str, slab: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        density_profile(np.zeros((1, 3)), (10, 10, 10), axis, slab=slab)
