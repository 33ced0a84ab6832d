from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_segtrain.objects.counting import (
    RegionCount,
    counts_by_outline,
    counts_by_region,
)
from napari_segtrain.objects.outlines import Outline, trace_outlines

SQUARE = np.array([[0, 0], [0, 4], [4, 4], [4, 0]], float)


def test_regions_of_a_label_image():
    regions = np.zeros((2, 4, 5), int)
    regions[0, :2] = 3
    regions[1, 2:] = 8
    regions[1, 0, 0] = -1
    points = np.array(
        [[0, 0, 0], [0, 1.4, 4.4], [0, 1.6, 4], [1, 2, 2], [1, 9, 9], [-1, 0, 0]]
    )
    assert counts_by_region(points, regions) == [
        RegionCount(0, 3, 20),
        RegionCount(3, 2, 10),
        RegionCount(8, 1, 10),
    ]


def test_regions_of_all_slices_and_empty_ones():
    regions = np.array([[1, 1, 2]], np.uint8)
    points = np.array([[0, 0, 0], [7, 0, 1]], float)
    counts = counts_by_region(points, regions)
    assert counts == [
        RegionCount(0, 0, 0),
        RegionCount(1, 2, 2),
        RegionCount(2, 0, 1),
    ]
    assert counts[1].to_row() == {"region": 1, "objects": 2, "voxels": 2}


def test_overlapping_outlines():
    outlines = [
        Outline(1, 0, SQUARE),
        Outline(2, 0, SQUARE + 2),
        Outline(1, 0, SQUARE + np.array([1, 0])),
        Outline(5, 1, SQUARE),
    ]
    points = np.array([[0, 1, 1], [0, 3, 3], [0, 9, 9], [1, 1, 1]], float)
    counts = counts_by_outline(points, outlines)
    assert [(c.region, c.n_objects) for c in counts] == [(0, 1), (1, 2), (2, 1), (5, 1)]
    counts = counts_by_outline(points, outlines, through_all=True)
    assert [(c.region, c.n_objects) for c in counts] == [(0, 1), (1, 3), (2, 1), (5, 3)]


def test_no_points_and_no_regions():
    nothing = np.zeros((0, 3))
    assert counts_by_outline(nothing, []) == [RegionCount(0, 0)]
    assert counts_by_region(nothing, np.ones((2, 2), int)) == [
        RegionCount(0, 0, 0),
        RegionCount(1, 0, 4),
    ]


@given(
    arrays(np.int32, (2, 6, 7), elements=st.integers(0, 3)),
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5), st.integers(0, 6))),
)
def test_outlines_and_label_images_agree(regions, places):
    points = np.array(places, float).reshape(-1, 3)
    drawn = counts_by_outline(points, trace_outlines(regions))
    painted = counts_by_region(points, regions)
    found = [(count.region, count.n_objects) for count in drawn]
    assert found == [(count.region, count.n_objects) for count in painted]
