"""Blocks: their numbers, places and order."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segtrain.inference.volume.grid import BlockGrid, part_of, view_first

sizes = st.tuples(*[st.integers(1, 20)] * 3)
grids = st.builds(
    BlockGrid, st.lists(st.integers(1, 3), max_size=2).map(tuple), sizes, sizes
)


@given(grids)
def test_blocks_cover_every_item_once(grid):
    covered = np.zeros((*grid.counts, *grid.shape), int)
    for number in range(grid.n_blocks):
        block = grid[number]
        assert block.number == number == grid.number(block.position, block.place)
        covered[(*block.position, *block.box)] += 1
    assert (covered == 1).all()


@given(grids, st.data())
def test_blocks_of_a_box_are_those_with_voxels_of_it(grid, data):
    starts = [data.draw(st.integers(0, n - 1)) for n in grid.shape]
    stops = [
        data.draw(st.integers(start + 1, n))
        for start, n in zip(starts, grid.shape, strict=True)
    ]
    box = tuple(map(slice, starts, stops))
    wanted = np.zeros(grid.shape, bool)
    wanted[box] = True
    found = set(grid.touching(box))
    for number in range(grid.n_blocks):
        assert (number in found) == wanted[grid[number].box].any()


@given(st.lists(st.integers(), unique=True), st.integers(1, 7))
def test_parts_are_all_blocks_and_equal(numbers, n_parts):
    parts = [part_of(numbers, n + 1, n_parts) for n in range(n_parts)]
    assert list(itertools.chain(*parts)) == numbers
    lengths = [len(part) for part in parts]
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("middle", [0, 3, 7])
def test_the_nearest_blocks_come_first(middle):
    grid = BlockGrid((), (1, 8, 8), (1, 1, 1))
    view = (slice(0, 1), slice(middle, middle + 1), slice(2, 4))
    order = view_first(grid, range(64), view)
    assert sorted(order) == list(range(64))
    assert {grid[number].place for number in order[:2]} == {
        (0, middle, 2),
        (0, middle, 3),
    }
    _, y, x = grid[order[-1]].place
    assert abs(y - middle) == max(middle, 7 - middle)
    assert x == 7
