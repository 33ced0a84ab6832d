import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segtrain.boxes import full_box
from napari_segtrain.inference.tiling import (
    AxisTiling,
    blend_weights,
    plan_axis,
    plan_tiles,
    reflect_indices,
)


@st.composite
def axes(draw):
    """A size, a way to cut it and a region of it."""
    grid = draw(st.sampled_from([1, 2, 4, 8]))
    halo = draw(st.integers(0, 20))
    overlap = draw(st.integers(0, 10))
    room = 2 * halo + overlap + grid
    tile = -(-room // grid) * grid + grid * draw(st.integers(0, 4))
    size = draw(st.integers(1, 150))
    start = draw(st.integers(0, size - 1))
    stop = draw(st.integers(start + 1, size))
    region = draw(st.sampled_from([slice(0, size), slice(start, stop)]))
    return size, AxisTiling(tile, halo, overlap, grid), region


@given(axes())
def test_spans_lie_on_the_grid_inside_the_rounded_image(case):
    size, axis, region = case
    end = -(-size // axis.grid) * axis.grid
    spans = plan_axis(size, axis, region)
    assert len({span.read.stop - span.read.start for span in spans}) == 1
    for span in spans:
        assert span.read.start % axis.grid == 0
        assert 0 <= span.read.start < span.read.stop <= end
        assert span.read.stop - span.read.start <= axis.tile


@given(axes())
def test_kept_parts_have_their_halo_except_at_the_border_of_the_image(case):
    size, axis, region = case
    end = -(-size // axis.grid) * axis.grid
    for span in plan_axis(size, axis, region):
        before = span.keep.start - span.read.start
        behind = span.read.stop - span.keep.stop
        assert span.keep.start < span.keep.stop
        assert span.read.start == 0 or before >= axis.halo
        assert span.read.stop == end or behind >= axis.halo


@given(axes())
def test_neighbours_share_at_least_the_overlap(case):
    size, axis, region = case
    spans = plan_axis(size, axis, region)
    for left, right in itertools.pairwise(spans):
        shared = left.keep.stop - right.keep.start
        is_cut = region.stop in (left.keep.stop,) or right.keep.start == region.start
        assert shared >= axis.overlap or is_cut


@given(axes())
def test_without_an_overlap_each_voxel_is_kept_once(case):
    size, axis, region = case
    spans = plan_axis(size, replace(axis, overlap=0), region)
    kept = [n for span in spans for n in range(span.keep.start, span.keep.stop)]
    assert kept == list(range(region.start, region.stop))


@given(axes())
def test_weights_are_positive_and_add_up_to_one_everywhere(case):
    size, axis, region = case
    spans = plan_axis(size, axis, region)
    total = np.zeros(size)
    for span, weights in zip(spans, blend_weights(spans), strict=True):
        assert (weights > 0).all()
        total[span.keep] += weights
    np.testing.assert_allclose(total[region], 1, rtol=1e-6)
    assert total.sum() == pytest.approx(region.stop - region.start)


@given(st.tuples(axes(), axes(), axes()))
@settings(deadline=None, max_examples=20)
def test_tiles_are_all_combinations_of_the_spans(cases):
    shape = tuple(size for size, _, _ in cases)
    cuts = [(axis.tile, axis.halo, axis.overlap, axis.grid) for _, axis, _ in cases]
    box = tuple(region for _, _, region in cases)
    tiles = plan_tiles(shape, *zip(*cuts, strict=True), box=box)
    expected = itertools.product(*(plan_axis(*case) for case in cases))
    assert [tile.keep for tile in tiles] == [
        tuple(span.keep for span in spans) for spans in expected
    ]


def test_one_tile_has_weights_of_exactly_one():
    (tile,) = plan_tiles((1, 40, 50), (1, 64, 64), (0, 8, 8), (0, 4, 4), (1, 8, 8))
    assert tile.read == full_box((1, 40, 56))
    assert tile.keep == full_box((1, 40, 50))
    assert all((weights == 1).all() for weights in tile.weights)


def test_tiles_come_slice_by_slice():
    tiles = plan_tiles((3, 40, 40), (1, 24, 24), (0, 0, 0), (0, 0, 0), (1, 8, 8))
    starts = [tile.read[0].start for tile in tiles]
    assert starts == sorted(starts)
    assert len(tiles) == 3 * 2 * 2


def test_a_halo_without_room_is_refused():
    with pytest.raises(ValueError, match="no room for a halo of 16"):
        plan_axis(100, AxisTiling(32, 16, 0, 8), slice(0, 100))
    with pytest.raises(ValueError, match="not a multiple of the grid 8"):
        plan_axis(100, AxisTiling(30, 0, 0, 8), slice(0, 100))


@given(size=st.integers(1, 12), before=st.integers(0, 30), after=st.integers(0, 30))
def test_reflection_is_that_of_numpy(size, before, after):
    values = np.arange(size)
    expected = np.pad(values, (before, after), mode="reflect")
    indices = reflect_indices(slice(-before, size + after), size)
    np.testing.assert_array_equal(values[indices], expected)
