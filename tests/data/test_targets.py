from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.data.helpers import class_table, label_item

from napari_segtrain.boxes import full_box
from napari_segtrain.data import label_index
from napari_segtrain.data.label_index import MAX_POSITIONS, index_labels
from napari_segtrain.data.targets import TargetItem, used_slices
from napari_segtrain.errors import DataError
from napari_segtrain.image import IGNORE_INDEX

TABLE = class_table(0, 1, 5, unlabelled=[255])
VOLUMES = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=3, max_dims=3, max_side=6),
    elements=st.sampled_from([0, 1, 5, 9, 255]),
)


def target_of(volume, used=None, table=TABLE):
    return TargetItem(label_item(volume), table, used or (True,) * len(volume))


def index(target, seed=0):
    return index_labels(target, np.random.default_rng(seed))


@given(VOLUMES, st.data())
def test_class_indices_of_a_box_are_those_of_the_whole(volume, data):
    used = tuple(
        data.draw(st.lists(st.booleans(), min_size=len(volume), max_size=len(volume)))
    )
    target = target_of(volume, used)
    whole = target.read(full_box(target.shape))
    box = tuple(
        slice(start, data.draw(st.integers(start + 1, size)))
        for size in volume.shape
        for start in [data.draw(st.integers(0, size - 1))]
    )
    np.testing.assert_array_equal(target.read(box), whole[box])
    expected = TABLE.to_index(volume)
    expected[~np.array(used)] = IGNORE_INDEX
    np.testing.assert_array_equal(whole, expected)


def test_slices_that_are_not_painted_count_only_when_labels_are_dense():
    painted = (True, False, True)
    assert used_slices(painted, class_table(0, 1)) == (True,) * 3
    assert used_slices(painted, class_table(0, 1, zero="painted-slices")) == painted
    assert used_slices(painted, class_table(0, 1, zero="unlabelled")) == (True,) * 3


def test_values_that_are_no_labels_are_refused_when_they_are_read():
    with pytest.raises(DataError, match=r"0\.5"):
        target_of(np.full((1, 3, 3), 0.5)).read(full_box((1, 3, 3)))


@given(VOLUMES)
def test_the_index_counts_each_class_along_every_axis(volume):
    indices = TABLE.to_index(volume)
    found = index(target_of(volume))
    for class_index in range(TABLE.n_classes):
        mask = indices == class_index
        assert found.counts[class_index] == mask.sum()
        for axis, others in enumerate([(1, 2), (0, 2), (0, 1)]):
            expected = mask.sum(axis=others)
            np.testing.assert_array_equal(found.marginals[axis][class_index], expected)


@given(VOLUMES, st.integers(1, 40))
def test_every_position_is_a_voxel_of_its_class(volume, block_voxels):
    indices = TABLE.to_index(volume)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label_index, "_BLOCK_VOXELS", block_voxels)
        found = index(target_of(volume)).positions
    seen = np.full(volume.shape, IGNORE_INDEX)
    for positions in found:
        assert len(positions.zyx) == positions.n_voxels
        where = tuple(positions.zyx.T)
        assert (seen[where] == IGNORE_INDEX).all()
        seen[where] = positions.class_index
    np.testing.assert_array_equal(seen, indices)


def test_of_very_many_voxels_an_even_part_is_kept():
    volume = np.zeros((2, 200, 200), np.uint8)
    (zeros,) = index(target_of(volume)).positions
    assert zeros.n_voxels == volume.size
    assert len(np.unique(zeros.zyx, axis=0)) == MAX_POSITIONS
    np.testing.assert_allclose(zeros.zyx.mean(axis=0), (0.5, 99.5, 99.5), rtol=0.1)


def test_the_same_seed_finds_the_same_voxels():
    target = target_of(np.zeros((2, 200, 200), np.uint8))
    first, same, other = (index(target, seed).positions[0].zyx for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_slices_that_do_not_count_are_not_read():
    volume = np.full((4, 5, 5), 0.5)
    volume[2] = 1
    found = index(target_of(volume[:3], used=(False, False, False)))
    assert found.counts.tolist() == [0, 0, 0]
    assert found.positions == ()
