from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path

from napari_segtrain.objects.filling import contains, fill_polygon, fill_rings


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.floats(-5, 25), st.floats(-5, 25)), min_size=3, max_size=9)
)
def test_polygons_hold_the_centers_inside(corners) -> None:
    points = np.array(corners)
    filled = fill_polygon(points, (17, 21))
    centers = np.argwhere(np.ones((17, 21)))
    edges = list(zip(points, np.roll(points, 1, axis=0), strict=True))
    rays = [sum(_crosses(center, *edge) for edge in edges) for center in centers]
    off = [min(_distance(center, *edge) for edge in edges) > 1e-6 for center in centers]
    np.testing.assert_array_equal(filled.ravel()[off], (np.array(rays) % 2 == 1)[off])


def _distance(center, a, b) -> float:
    """Distance of a center from an edge, on which rounding decides the side."""
    length = np.sum((b - a) ** 2)
    share = 0.0 if length == 0 else np.clip((center - a) @ (b - a) / length, 0, 1)
    return float(np.hypot(*(center - a - share * (b - a))))


def _crosses(center, a, b) -> bool:
    """Whether a ray from a center to smaller X crosses an edge."""
    if (a[0] <= center[0]) == (b[0] <= center[0]):
        return False
    x = a[1] + (center[0] - a[0]) * (b[1] - a[1]) / (b[0] - a[0])
    return x <= center[1]


def test_a_circle() -> None:
    angles = np.linspace(0, 2 * np.pi, 100)
    points = 10.2 + 7 * np.column_stack([np.sin(angles), np.cos(angles)])
    centers = np.argwhere(np.ones((20, 20)))
    expected = Path(points).contains_points(centers).reshape(20, 20)
    np.testing.assert_array_equal(fill_polygon(points, (20, 20)), expected)


def test_holes() -> None:
    outer = np.array([[0, 0], [0, 7], [6, 7], [6, 0]]) - 0.5
    hole = np.array([[2, 2], [2, 5], [4, 5], [4, 2]]) - 0.5
    expected = np.ones((6, 7), bool)
    expected[2:4, 2:5] = False
    np.testing.assert_array_equal(fill_rings([outer, hole], (6, 7)), expected)


@settings(max_examples=60)
@given(
    st.lists(
        st.lists(
            st.tuples(st.floats(-5, 15), st.floats(-5, 15)), min_size=3, max_size=6
        ),
        min_size=1,
        max_size=3,
    )
)
def test_points_are_inside_where_voxels_are_filled(corners) -> None:
    rings = [np.array(ring) for ring in corners]
    centers = np.argwhere(np.ones((9, 11))).astype(float)
    edges = [
        edge
        for ring in rings
        for edge in zip(ring, np.roll(ring, -1, axis=0), strict=True)
    ]
    off = [min(_distance(center, *edge) for edge in edges) > 1e-6 for center in centers]
    filled = fill_rings(rings, (9, 11)).ravel()
    np.testing.assert_array_equal(contains(rings, centers)[off], filled[off])
