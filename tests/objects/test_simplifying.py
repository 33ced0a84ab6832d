from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import approximate_polygon

from napari_segtrain.objects.simplifying import kept_corners


def rings(seed, sizes):
    """Rough circles, one after the other, and where each begins."""
    rng = np.random.default_rng(seed)
    corners = []
    for size in sizes:
        angle = np.linspace(0, 2 * np.pi, size, endpoint=False)
        radius = 20 + rng.normal(0, 1, size)
        corners.append(
            np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
        )
    starts = np.cumsum([0, *sizes])
    return np.concatenate([np.zeros((0, 2)), *corners]), starts


@given(
    st.integers(0, 1000),
    st.lists(st.integers(4, 60), max_size=5),
    st.sampled_from([0.1, 1.0, 3.0]),
)
def test_as_scikit_image_does_it(seed, sizes, tolerance):
    corners, starts = rings(seed, sizes)
    is_kept = kept_corners(corners, starts, tolerance)
    for start, stop in pairwise(starts):
        ring = corners[start:stop]
        closed = np.concatenate([ring, ring[:1]])
        expected = approximate_polygon(closed, tolerance)[:-1]
        np.testing.assert_array_equal(ring[is_kept[start:stop]], expected)


def test_small_lines_stay_whole():
    square = np.array([[0, 0], [0, 1], [1, 1], [1, 0]], float)
    assert kept_corners(square, np.array([0, 4]), 10).all()


def test_straight_parts_lose_their_corners():
    square = np.array([[0, 0], [0, 1], [0, 2], [2, 2], [2, 1], [2, 0]], float)
    is_kept = kept_corners(square, np.array([0, 6]), 0.5)
    assert is_kept.tolist() == [True, False, True, True, False, True]
