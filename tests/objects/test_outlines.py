from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage
from tests.objects.touching import touching_balls

from napari_segtrain.errors import DataError
from napari_segtrain.objects.outlines import (
    Outline,
    fill_outlines,
    iter_outlines,
    trace_outlines,
)

volumes = arrays(
    np.int32,
    array_shapes(min_dims=3, max_dims=3, max_side=9),
    elements=st.integers(-1, 3),
)


def area(ring):
    y, x = ring.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2


@given(volumes)
def test_filled_outlines_are_the_objects(ids):
    outlines = trace_outlines(ids)
    found = fill_outlines(outlines, ids.shape)
    np.testing.assert_array_equal(found, np.where(ids > 0, ids, 0))


@given(volumes)
def test_each_piece_is_a_valid_polygon_with_its_holes(ids):
    """Rings are simple, run around as they should, and bound pieces through edges."""
    outlines = trace_outlines(ids)
    for outline in outlines:
        assert area(outline.points) > 0
        assert all(area(hole) < 0 for hole in outline.holes)
        for ring in outline.rings:
            assert len({tuple(point) for point in ring.tolist()}) == len(ring)
            steps = np.roll(ring, -1, axis=0) - ring
            assert np.all((steps == 0).sum(axis=1) == 1)  # along one axis
            assert np.all(np.sum(steps * np.roll(steps, -1, axis=0), axis=1) == 0)
        alone = fill_outlines([outline], ids.shape)
        _, n_pieces = ndimage.label(alone)
        assert n_pieces == 1
        n_voxels = area(outline.points) + sum(map(area, outline.holes))
        assert np.count_nonzero(alone) == n_voxels


@given(volumes)
def test_keyholes_hold_the_same(ids):
    outlines = trace_outlines(ids)
    lines = [Outline(each.id, each.z, each.keyhole) for each in outlines]
    found = fill_outlines(lines, ids.shape)
    np.testing.assert_array_equal(found, np.where(ids > 0, ids, 0))


@given(volumes)
def test_there_are_as_many_as_pieces(ids):
    n_pieces = sum(ndimage.label(s == i)[1] for s in ids for i in (1, 2, 3))
    assert len(trace_outlines(ids)) == n_pieces


def test_a_voxel():
    (outline,) = trace_outlines(np.pad(np.full((1, 1, 1), 7), ((2, 0), (1, 1), (3, 1))))
    assert (outline.id, outline.z, outline.holes) == (7, 2, ())
    corners = {tuple(point) for point in outline.points.tolist()}
    assert corners == {(0.5, 2.5), (0.5, 3.5), (1.5, 2.5), (1.5, 3.5)}


def test_a_hole_that_touches_the_outer_ring_at_a_corner_is_a_hole():
    ring = np.ones((1, 4, 4), int)
    ring[0, 1:3, 1:3] = 0
    ring[0, 0, 0] = 0
    ring[0, 0, 1:] = 1
    (outline,) = trace_outlines(ring)
    assert len(outline.holes) == 1
    assert area(outline.holes[0]) == -4


def test_objects_in_holes():
    ids = np.zeros((1, 9, 9), int)
    ids[0, 1:8, 1:8] = 5
    ids[0, 2:7, 2:7] = 0
    ids[0, 3:6, 3:6] = 5
    ids[0, 4, 4] = 9
    outlines = trace_outlines(ids)
    assert [(each.id, len(each.holes)) for each in outlines] == [(5, 1), (5, 1), (9, 0)]
    np.testing.assert_array_equal(fill_outlines(outlines[::-1], ids.shape), ids)


@pytest.mark.parametrize("largest", [2**31, 2**40, 2**64 - 1])
def test_large_ids(largest):
    ids = np.zeros((1, 4, 5), np.uint64)
    ids[0, 1:3, 1:4] = largest
    ids[0, 2, 2] = largest - 1
    outlines = trace_outlines(ids)
    assert [outline.id for outline in outlines] == [largest - 1, largest]
    np.testing.assert_array_equal(fill_outlines(outlines, ids.shape), ids)


def test_slices_are_read_one_by_one():
    class Slices:
        shape = (3, 4, 4)
        dtype = np.dtype(np.uint8)

        def __getitem__(self, z):
            assert isinstance(z, int)
            return np.full((4, 4), z)

    found = [[(each.id, each.z) for each in part] for part in iter_outlines(Slices())]
    assert found == [[], [(1, 1)], [(2, 2)]]


def test_simplified_outlines_have_few_corners_and_stay_near():
    ids = touching_balls(shape=(1, 120, 120), radius=16, n=8)
    exact, simple = trace_outlines(ids), trace_outlines(ids, tolerance=0.8)
    n_exact, n_simple = (sum(len(o.points) for o in each) for each in (exact, simple))
    assert n_simple < n_exact / 2
    wrong = fill_outlines(simple, ids.shape) != ids
    near_edge = ndimage.grey_dilation(ids, 5) != ndimage.grey_erosion(ids, 5)
    assert not (wrong & ~near_edge).any()
    assert wrong.sum() < 0.05 * np.count_nonzero(ids)


@given(volumes, st.floats(0, 5))
def test_every_piece_stays_however_it_is_simplified(ids, tolerance):
    exact, simple = trace_outlines(ids), trace_outlines(ids, tolerance=tolerance)
    assert [(o.id, o.z) for o in simple] == [(o.id, o.z) for o in exact]
    assert all(len(ring) >= 3 for outline in simple for ring in outline.rings)


def test_what_lies_beyond_the_border_is_cut_off():
    square = np.array([[-3, 2], [-3, 90], [2, 90], [2, 2]], float)
    away = square + np.array([0, 200])
    ids = fill_outlines([Outline(4, 0, square), Outline(5, 0, away)], (1, 5, 6))
    expected = np.zeros((1, 5, 6), int)
    expected[0, :2, 2:] = 4
    np.testing.assert_array_equal(ids, expected)


def test_a_slice_that_is_not_there():
    square = np.array([[0, 0], [0, 2], [2, 2]], float)
    with pytest.raises(DataError, match="slice 3, but the image has slices 0 to 1"):
        fill_outlines([Outline(1, 3, square)], (2, 5, 5))
