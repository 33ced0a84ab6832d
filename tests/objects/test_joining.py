from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from tests.objects.touching import PARTED, f1, perfect, touching_balls

from napari_segtrain.boxes import Box, box_shape, grown_box, relative, shared_box
from napari_segtrain.config import BoundariesTarget, DistancesTarget
from napari_segtrain.data.object_recipe import ObjectRecipe
from napari_segtrain.objects import joining
from napari_segtrain.objects.instances import label_objects
from napari_segtrain.objects.joining import (
    LocalObjects,
    join,
    local_objects,
    neighbors,
    same_objects,
)
from napari_segtrain.objects.seeded import evidence_of, make_objects

PIECES = ObjectRecipe()
SIZES = st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(1, 9))
SHAPES = st.one_of(
    SIZES,
    st.tuples(st.just(1), st.integers(1, 12), st.integers(1, 12)),
    st.tuples(st.just(1), st.just(1), st.integers(1, 40)),
)
MARGINS = st.tuples(*[st.integers(1, 4)] * 3)


def blocks_of(shape):
    """Sizes of blocks, of which there are not many along an axis."""
    sides = [st.integers(-(-size // 4), size + 1) for size in shape]
    return st.tuples(*sides)


def masks(shapes):
    """A mask, and the size of blocks that it is cut into."""
    return shapes.flatmap(
        lambda shape: st.tuples(arrays(np.bool_, shape), blocks_of(shape))
    )


@dataclass(frozen=True)
class Block:
    """A block of a grid, and its objects."""

    core: Box
    piece: Box
    objects: LocalObjects

    def seen(self, box):
        return self.objects.ids[relative(box, self.piece)]


def cut(shape, block):
    """Boxes that cover a volume row by row, and how many there are of each axis."""
    grid = tuple(-(-size // step) for size, step in zip(shape, block, strict=True))
    cores = [
        tuple(
            slice(i * step, min((i + 1) * step, size))
            for i, step, size in zip(place, block, shape, strict=True)
        )
        for place in np.ndindex(*grid)
    ]
    return grid, cores


def matched(first, second, *, is_parted):
    region = shared_box(first.piece, second.piece)
    cores = relative(first.core, region), relative(second.core, region)
    ids = first.seen(region), second.seen(region)
    return same_objects(*ids, cores, is_parted=is_parted)


def joined(label, shape, block, margin, *, is_parted=False, min_voxels=0):
    """Objects of a volume that ``label`` makes of one grown block after another."""
    grid, cores = cut(shape, block)
    blocks = []
    for core in cores:
        piece = grown_box(core, margin, shape)
        objects = local_objects(label(piece), relative(core, piece))
        blocks.append(Block(core, piece, objects))
    matches = [
        (i, j, matched(blocks[i], blocks[j], is_parted=is_parted))
        for i, j in neighbors(grid)
    ]
    sizes = [b.objects.sizes for b in blocks]
    tables = join(sizes, matches, min_voxels=min_voxels).tables
    result = np.zeros(shape, np.uint64)
    for b, table in zip(blocks, tables, strict=True):
        result[b.core] = table[b.seen(b.core)]
    return result


def joined_objects(evidence, recipe, block, margin):
    whole = replace(recipe, min_voxels=0)
    return joined(
        lambda box: make_objects(evidence[(slice(None), *box)], whole),
        evidence.shape[1:],
        block,
        margin,
        is_parted=bool(recipe.parts),
        min_voxels=recipe.min_voxels,
    )


def solid(mask):
    """Evidence of a network that is sure of a foreground."""
    return np.stack([mask, mask]).astype(np.uint8) * 255


def flat(rows):
    """Ids of one slice, a digit per voxel."""
    return np.array([[[int(c) for c in row] for row in rows.split()]], np.uint32)


def row_part(start, stop):
    return slice(0, 1), slice(0, 1), slice(start, stop)


def assert_same_partition(found, expected):
    """Same objects by any ids."""
    ids = [found.ravel(), expected.ravel().astype(np.uint64)]
    pairs = np.unique(np.stack(ids), axis=1)
    for side in pairs:
        assert len(np.unique(side)) == pairs.shape[1], "split or merged"
    np.testing.assert_array_equal(found > 0, expected > 0)


class TestConnectedPieces:
    @given(masks(SHAPES), MARGINS, st.integers(0, 12))
    def test_objects_of_blocks_are_those_of_the_whole(self, case, margin, min_voxels):
        mask, block = case
        recipe = replace(PIECES, min_voxels=min_voxels)
        found = joined_objects(solid(mask), recipe, block, margin)
        assert_same_partition(found, make_objects(solid(mask), recipe))
        assert np.unique(found[found > 0]).tolist() == list(range(1, found.max() + 1))

    @given(masks(SHAPES), MARGINS)
    def test_whether_a_hole_is_seen_or_not_they_stay_one(self, case, margin):
        mask, block = case
        recipe = ObjectRecipe(fill_holes=True)
        found = joined_objects(solid(mask), recipe, block, margin)
        whole = make_objects(solid(mask), recipe)
        assert_same_partition(np.where(mask, found, 0), np.where(mask, whole, 0))
        np.testing.assert_array_equal(found[whole == 0], 0)

    @given(masks(SIZES), MARGINS)
    def test_corners_may_connect_them(self, case, margin):
        mask, block = case
        found = joined(
            lambda box: label_objects(mask[box], connectivity=3).astype(np.uint32),
            mask.shape,
            block,
            margin,
        )
        assert_same_partition(found, label_objects(mask, connectivity=3))

    @pytest.mark.parametrize("block", [(2, 2, 2), (3, 1, 4), (1, 3, 3)])
    def test_a_diagonal_runs_through_corners_of_blocks(self, block):
        shape = (6, 6, 6)
        lines = np.zeros(shape, bool)
        lines[range(6), range(6), range(6)] = True
        lines[range(6), range(5, -1, -1), 0] = True
        found = joined(
            lambda box: label_objects(lines[box], connectivity=3).astype(np.uint32),
            shape,
            block,
            (1, 1, 1),
        )
        assert_same_partition(found, label_objects(lines, connectivity=3))

    def test_nothing_is_missed_of_a_long_winding_tube(self):
        mask = np.zeros((1, 40, 60), bool)
        mask[0, 1::4] = True
        mask[0, 3::8, -1] = mask[0, 7::8, 0] = True
        mask[0, 2::8, -1] = mask[0, 4::8, -1] = True
        mask[0, 6::8, 0] = mask[0, 8::8, 0] = True
        assert make_objects(solid(mask), PIECES).max() == 1
        recipe = replace(PIECES, min_voxels=int(mask.sum()))
        assert joined_objects(solid(mask), recipe, (1, 7, 9), (0, 1, 1)).max() == 1
        recipe = replace(PIECES, min_voxels=int(mask.sum()) + 1)
        assert joined_objects(solid(mask), recipe, (1, 7, 9), (0, 1, 1)).max() == 0

    @pytest.mark.parametrize("value", [0, 1])
    def test_a_volume_may_hold_nothing_or_one_object(self, value):
        mask = np.full((3, 5, 7), value, bool)
        found = joined_objects(solid(mask), PIECES, (2, 2, 2), (1, 1, 1))
        assert (found == value).all()

    def test_without_a_margin_blocks_stay_apart(self):
        mask = np.ones((2, 4, 4), bool)
        found = joined_objects(solid(mask), PIECES, (1, 4, 4), (0, 1, 1))
        assert found[:, 0, 0].tolist() == [1, 2]


@st.composite
def blobs(draw, *, hollow=False):
    """Ids of balls that are apart, and smaller than a margin; and a size of blocks."""
    shape = draw(st.sampled_from([(1, 40, 52), (1, 1, 90), (19, 21, 24)]))
    grid = [range(4, size, 9) if size > 1 else [0] for size in shape]
    centers = np.stack(np.meshgrid(*grid, indexing="ij"), -1).reshape(-1, 3)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    ids = np.zeros(shape, np.int32)
    place = np.indices(shape).transpose(1, 2, 3, 0)
    for number, center in enumerate(centers[rng.random(len(centers)) < 0.7], 1):
        shift = rng.uniform(-0.5, 0.5, 3) * (np.array(shape) > 1)
        away = np.linalg.norm(place - center - shift, axis=-1)
        radius = rng.uniform(1, 3.4)
        ids[(away < radius) & (away >= hollow * (radius - 1.8))] = number
    return ids, draw(blocks_of(shape))


class TestBlobs:
    """Smaller than the margin."""

    @settings(max_examples=25)
    @given(blobs(), st.sampled_from(PARTED))
    def test_parted_objects_are_those_of_the_whole(self, case, target):
        ids, block = case
        recipe = ObjectRecipe(target, min_voxels=20)
        parts = perfect(ids, recipe, is_2d=len(ids) == 1)
        evidence = evidence_of(parts, recipe)
        found = joined_objects(evidence, recipe, block, (12, 12, 12))
        assert_same_partition(found, make_objects(evidence, recipe))

    @settings(max_examples=25)
    @given(blobs(hollow=True))
    def test_their_holes_are_closed(self, case):
        ids, block = case
        evidence = solid(ids > 0)
        recipe = ObjectRecipe(fill_holes=True, min_voxels=20)
        found = joined_objects(evidence, recipe, block, (8, 8, 8))
        assert_same_partition(found, make_objects(evidence, recipe))


class TestCrowds:
    @pytest.mark.parametrize("target", PARTED, ids=str)
    @pytest.mark.parametrize(
        ("shape", "n", "radius", "block"),
        [
            ((1, 100, 110), 40, 9, (1, 30, 30)),
            ((24, 40, 40), 25, 8, (9, 17, 17)),
            ((6, 60, 60), 20, 8, (1, 25, 60)),
            ((6, 60, 60), 20, 8, (2, 60, 25)),
        ],
    )
    def test_crowded_cells_are_neither_split_nor_merged(
        self, target, shape, n, radius, block
    ):
        ids = touching_balls(shape, n=n, radius=radius)
        recipe = ObjectRecipe(target, min_voxels=30)
        evidence = evidence_of(perfect(ids, recipe, is_2d=shape[0] == 1), recipe)
        whole = make_objects(evidence, recipe)
        margin = 2 * radius
        found = joined_objects(evidence, recipe, block, (margin,) * 3)
        assert found.max() == whole.max()
        assert f1(whole, found, 0.95) == 1
        assert f1(ids, found, 0.75) == 1

    def test_cells_that_noise_breaks_up_are_so_in_blocks_too(self):
        ids = touching_balls((24, 40, 40), n=25, radius=8)
        recipe = ObjectRecipe(DistancesTarget())
        noise = np.random.default_rng(0).normal(0, 0.15, (6, *ids.shape))
        parts = ndimage.gaussian_filter(perfect(ids, recipe, is_2d=False), (0, 1, 1, 1))
        parts = (parts + noise).clip(1e-3)
        evidence = evidence_of((parts / parts.sum(0)).astype(np.float32), recipe)
        whole = make_objects(evidence, recipe)
        found = joined_objects(evidence, recipe, (12, 20, 20), (9, 9, 9))
        assert whole.max() > 25
        assert abs(int(found.max()) - int(whole.max())) <= 1
        assert f1(whole, found, 0.75) > 0.97

    def test_a_bend_that_one_block_does_not_see_is_joined(self):
        ids = np.zeros((1, 30, 80), np.int32)
        ids[0, 5:10, 5:] = ids[0, 18:23, 5:] = 1
        ids[0, 5:23, 5:10] = 1
        recipe = ObjectRecipe(BoundariesTarget(width=1), prominence=0.2)
        evidence = evidence_of(perfect(ids, recipe, is_2d=True), recipe)
        assert make_objects(evidence, recipe).max() == 1
        found = joined_objects(evidence, recipe, (1, 30, 20), (0, 6, 6))
        assert_same_partition(found, ids)


class TestSameObjects:
    """Of a region of 8 voxels, whose first half is one block, the second the other."""

    def pairs(self, first, second, *, half=4):
        first, second = flat(first), flat(second)
        _, n_y, n_x = first.shape
        cores = [
            (slice(-1, 2), slice(-1, n_y + 1), slice(-3, half)),
            (slice(0, 1), slice(0, n_y), slice(half, n_x + 30)),
        ]
        there = same_objects(first, second, tuple(cores), is_parted=True).tolist()
        back = same_objects(second, first, tuple(cores), is_parted=True).tolist()
        assert sorted(there) == sorted([a, b] for b, a in back)
        return there

    def test_ids_need_not_be_equal(self):
        assert self.pairs("01220300", "03110400") == [[1, 3], [2, 1], [3, 4]]

    def test_a_sliver_between_cells_that_touch_joins_nothing(self):
        assert self.pairs("11111222", "33344444") == [[1, 3], [2, 4]]

    def test_a_cell_that_only_the_margin_holds_takes_part(self):
        assert self.pairs("00111000", "00221110") == [[1, 2]]
        assert self.pairs("00111000", "00001110") == []

    def test_of_two_parts_the_larger_is_joined(self):
        assert self.pairs("11111111", "33344444") == [[1, 4]]
        assert self.pairs("11111111", "33334444") == [[1, 3]]

    def test_of_parts_that_share_as_much_the_one_with_less_besides_is_joined(self):
        assert self.pairs("00111111", "33333444") == [[1, 4]]

    def test_ends_that_are_linked_elsewhere_are_joined(self):
        first = "11111111 00000000 11111111 00000000 22222222"
        second = "22222222 00000000 33333333 00000000 11111111"
        assert self.pairs(first, second) == [[1, 2], [1, 3], [2, 1]]

    def test_ends_that_only_a_corner_connects_are_two(self):
        first, second = "11110000 00001111", "22220000 00003333"
        assert self.pairs(first, second) == [[1, 2], [1, 3]]

    def test_half_of_the_smaller_is_not_enough(self):
        assert self.pairs("00011100", "02200000") == []
        assert self.pairs("00110000", "02222000") == [[1, 2]]
        assert self.pairs("00011000", "00221111") == []

    def test_a_closed_hole_is_no_hindrance(self):
        ring = " ".join(["11111111", *["10000001"] * 5, "11111111"])
        disk = " ".join(["22222222"] * 7)
        assert self.pairs(ring, disk) == [[1, 2]]

    def test_what_meets_in_a_third_block_only_is_left_to_it(self):
        ids = flat("01100000")
        left, right, over = row_part(0, 1), row_part(4, 8), row_part(2, 9)
        for cores, expected in (
            ((left, right), []),
            ((right, left), []),
            ((over, right), [[1, 1]]),
            ((right, over), [[1, 1]]),
        ):
            assert same_objects(ids, ids, cores, is_parted=True).tolist() == expected

    def test_without_seeds_a_voxel_in_common_is_enough(self):
        first, second = flat("11111033 20200030"), flat("11022011 00200010")
        cores = row_part(0, 4), row_part(4, 8)
        pairs = same_objects(first, second, cores, is_parted=False)
        assert pairs.tolist() == [[1, 1], [1, 2], [2, 2], [3, 1]]
        assert pairs.dtype == np.int64

    @pytest.mark.parametrize("is_parted", [False, True])
    @pytest.mark.parametrize("shape", [(0, 3, 3), (1, 3, 3)])
    def test_without_objects_there_are_none_that_match(self, shape, is_parted):
        ids = np.zeros(shape, np.uint32)
        cores = row_part(0, 2), row_part(2, 3)
        pairs = same_objects(ids, ids + 1, cores, is_parted=is_parted)
        assert pairs.shape == (0, 2)
        assert pairs.dtype == np.int64


class TestLocalObjects:
    IDS = flat("1122033 1140033 5500033")
    CORE = (slice(0, 1), slice(1, 3), slice(2, 6))

    @pytest.mark.parametrize("counted", [1, 1 << 20])
    def test_those_of_the_block_come_first_and_are_counted_inside_it(
        self, counted, monkeypatch
    ):
        monkeypatch.setattr(joining, "_COUNTED_VOXELS", counted)
        found = local_objects(self.IDS, self.CORE)
        expected = flat("3344011 3320011 5500011")
        np.testing.assert_array_equal(found.ids, expected, strict=True)
        np.testing.assert_array_equal(found.sizes, np.array([2, 1]), strict=True)

    def test_a_block_may_be_empty(self):
        found = local_objects(np.zeros((2, 3, 4), np.uint32), self.CORE)
        assert not found.ids.any()
        assert found.sizes.shape == (0,)


@st.composite
def graphs(draw):
    """Sizes of objects of some blocks, and matches in any order and direction."""
    sizes = draw(st.lists(st.lists(st.integers(1, 9), max_size=5), max_size=6))
    sizes = [np.array(part, np.int64) for part in sizes]
    matches = []
    for i, j in combinations(range(len(sizes)), 2):
        if len(sizes[i]) and len(sizes[j]):
            ends = st.tuples(
                st.integers(1, len(sizes[i])), st.integers(1, len(sizes[j]))
            )
            pairs = draw(st.lists(ends, max_size=3))
            matches.append((i, j, np.array(pairs, np.int64).reshape(-1, 2)))
    return sizes, matches


def slow_join(sizes, matches, min_voxels):
    """Objects as sets of (block, local id), in the order of their first members."""
    groups = {
        (k, i + 1): {(k, i + 1)} for k, s in enumerate(sizes) for i in range(len(s))
    }
    for i, j, pairs in matches:
        for a, b in pairs.tolist():
            both = groups[i, a] | groups[j, b]
            groups.update(dict.fromkeys(both, both))
    distinct = sorted({tuple(sorted(group)) for group in groups.values()})
    return [g for g in distinct if sum(sizes[k][i - 1] for k, i in g) >= min_voxels]


class TestJoin:
    @given(graphs(), st.integers(0, 15), st.randoms(use_true_random=False))
    def test_new_ids_follow_the_first_members_in_any_order_of_matches(
        self, graph, min_voxels, random
    ):
        sizes, matches = graph
        expected = slow_join(sizes, matches, min_voxels)
        turned = [
            (j, i, pairs[::-1, ::-1]) if random.random() < 0.5 else (i, j, pairs)
            for i, j, pairs in matches
        ]
        random.shuffle(turned)
        found = join(sizes, iter(turned), min_voxels=min_voxels)
        new_ids = {m: n for n, group in enumerate(expected, 1) for m in group}
        assert [table.tolist() for table in found.tables] == [
            [new_ids.get((k, i), 0) for i in range(len(part) + 1)]
            for k, part in enumerate(sizes)
        ]
        assert found.sizes.tolist() == [
            sum(sizes[k][i - 1] for k, i in group) for group in expected
        ]

    def test_small_objects_are_left_out_when_all_their_parts_are_known(self):
        sizes = [np.array([3, 4]), np.array([5]), np.array([3])]
        chain = [(0, 1, np.array([[1, 1]])), (1, 2, np.array([[1, 1]]))]
        for min_voxels, expected in (
            (4, [[0, 1, 2], [0, 1], [0, 1]]),
            (5, [[0, 1, 0], [0, 1], [0, 1]]),
            (11, [[0, 1, 0], [0, 1], [0, 1]]),
            (12, [[0, 0, 0], [0, 0], [0, 0]]),
        ):
            tables = join(sizes, chain, min_voxels=min_voxels).tables
            assert [table.tolist() for table in tables] == expected

    def test_objects_of_a_margin_join_nothing(self):
        sizes = [np.array([2]), np.array([2]), np.array([2])]
        over_a_margin = [(0, 1, np.array([[1, 2]])), (1, 2, np.array([[2, 1]]))]
        found = join(sizes, over_a_margin)
        assert [table.tolist() for table in found.tables] == [[0, 1], [0, 2], [0, 3]]

    @pytest.mark.parametrize(
        ("first_id", "dtype"),
        [
            (1, np.uint32),
            (2**32 - 2, np.uint32),
            (2**32 - 1, np.uint64),
            (2**63, np.uint64),
            (2**64 - 2, np.uint64),
        ],
    )
    def test_ids_go_beyond_what_32_bits_hold(self, first_id, dtype):
        sizes = [np.array([1, 1]), np.array([1])]
        matches = [(0, 1, np.array([[1, 1]]))]
        first, second = join(sizes, matches, first_id=first_id).tables
        assert first.dtype == second.dtype == dtype
        assert first.tolist() == [0, first_id, first_id + 1]
        assert second.tolist() == [0, first_id]

    def test_voxels_are_counted_exactly(self):
        n = 2**60 + 1
        sizes = [np.array([n]), np.array([n]), np.array([n])]
        chain = [(0, 1, np.array([[1, 1]])), (2, 1, np.array([[1, 1]]))]
        assert join(sizes, chain, min_voxels=3 * n).sizes.tolist() == [3 * n]
        assert join(sizes, chain, min_voxels=3 * n + 1).sizes.tolist() == []

    def test_there_may_be_no_blocks_or_no_objects(self):
        assert join([], []).tables == ()
        nothing = np.zeros(0, np.int64)
        (table,) = join([nothing], []).tables
        np.testing.assert_array_equal(table, np.zeros(1, np.uint32), strict=True)


@given(st.tuples(*[st.integers(1, 4)] * 3))
def test_neighbors_are_blocks_that_a_voxel_more_brings_together(grid):
    _, cores = cut(grid, (1, 1, 1))
    expected = [
        [i, j]
        for (i, first), (j, second) in combinations(enumerate(cores), 2)
        if 0 not in box_shape(shared_box(grown_box(first, (1, 1, 1), grid), second))
    ]
    assert neighbors(grid).tolist() == expected
