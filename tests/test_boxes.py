from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_segtrain.boxes import (
    absolute,
    box_shape,
    full_box,
    grown_box,
    iter_blocks,
    relative,
    shared_box,
)

SHAPES = st.tuples(*[st.integers(1, 12)] * 3)


def draw_box(draw, shape):
    starts = [draw(st.integers(0, n - 1)) for n in shape]
    stops = [draw(st.integers(a + 1, n)) for a, n in zip(starts, shape, strict=True)]
    return tuple(slice(a, b) for a, b in zip(starts, stops, strict=True))


@st.composite
def parts(draw, n_boxes=1):
    """An item of numbered voxels, and boxes inside of it."""
    shape = draw(SHAPES)
    boxes = [draw_box(draw, shape) for _ in range(n_boxes)]
    return np.arange(np.prod(shape)).reshape(shape), *boxes


@given(SHAPES, st.integers(1, 200))
def test_blocks_cover_an_item_once_and_are_small(shape, max_voxels):
    covered = np.zeros(shape, int)
    for box in iter_blocks(shape, max_voxels):
        covered[box] += 1
        assert np.prod(box_shape(box)) <= max(max_voxels, shape[2])
    assert (covered == 1).all()


@given(SHAPES)
def test_the_full_box_has_the_shape_of_the_item(shape):
    assert box_shape(full_box(shape)) == shape


@given(parts(), st.tuples(*[st.integers(0, 5)] * 3))
def test_a_part_is_found_again_in_a_grown_box(case, width):
    item, box = case
    wide = grown_box(box, width, item.shape)
    inner = relative(box, wide)
    np.testing.assert_array_equal(item[wide][inner], item[box])
    assert absolute(inner, wide) == box
    for part, grown, more, size in zip(box, wide, width, item.shape, strict=True):
        assert grown.start == max(0, part.start - more)
        assert grown.stop == min(size, part.stop + more)


@given(parts(n_boxes=2))
def test_a_shared_box_holds_the_voxels_that_are_in_both(case):
    item, first, second = case
    common = np.intersect1d(item[first], item[second])
    np.testing.assert_array_equal(
        np.sort(item[shared_box(first, second)].ravel()), common
    )
