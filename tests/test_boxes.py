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
)

SHAPES = st.tuples(*[st.integers(1, 12)] * 3)


@st.composite
def parts(draw):
    """An item of numbered voxels, and a box inside of it."""
    shape = draw(SHAPES)
    starts = [draw(st.integers(0, n - 1)) for n in shape]
    stops = [draw(st.integers(a + 1, n)) for a, n in zip(starts, shape, strict=True)]
    box = tuple(slice(a, b) for a, b in zip(starts, stops, strict=True))
    return np.arange(np.prod(shape)).reshape(shape), box


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
