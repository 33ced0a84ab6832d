from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage import measure

from napari_segtrain.objects.instances import label_objects, remove_small

SHAPES = hnp.array_shapes(min_dims=2, max_dims=3, max_side=8)
MASKS = hnp.arrays(np.bool_, SHAPES)
INDICES = hnp.arrays(np.uint8, SHAPES, elements=st.sampled_from([0, 1, 2, 255]))


def partition(labels):
    """The objects as sets of flat voxel positions."""
    flat = labels.ravel()
    return {
        frozenset(np.flatnonzero(flat == value)) for value in np.unique(flat[flat > 0])
    }


@given(MASKS, st.integers(1, 2))
def test_components_are_those_of_scikit_image(mask, connectivity):
    expected = measure.label(mask.astype(np.uint8), connectivity=connectivity)
    labels = label_objects(mask, connectivity=connectivity)
    assert partition(labels) == partition(expected)


@given(MASKS)
def test_ids_have_no_gaps_and_cover_the_mask(mask):
    labels = label_objects(mask)
    assert ((labels > 0) == mask).all()
    assert np.unique(labels[mask]).tolist() == list(range(1, int(labels.max()) + 1))


@given(INDICES)
def test_no_object_holds_two_classes_and_unlabelled_voxels_are_none(indices):
    labels = label_objects(indices)
    per_class = [partition(label_objects(indices == value)) for value in (1, 2)]
    assert partition(labels) == set().union(*per_class)


@given(MASKS, st.integers(0, 6))
def test_small_objects_are_left_out(mask, min_voxels):
    large = {
        voxels for voxels in partition(label_objects(mask)) if len(voxels) >= min_voxels
    }
    labels = label_objects(mask, min_voxels=min_voxels)
    assert partition(labels) == large
    assert int(labels.max()) == len(large)


@given(INDICES, st.integers(0, 6))
def test_remove_small_keeps_the_other_ids(labels, min_voxels):
    kept = remove_small(labels, min_voxels)
    assert kept.dtype == labels.dtype
    for value in (1, 2, 255):
        is_large = (labels == value).sum() >= min_voxels
        assert ((kept == value) == ((labels == value) & is_large)).all()


def test_remove_small_takes_any_integer():
    labels = np.array([[2**64 - 1, 2**64 - 1, 7]], np.uint64)
    assert remove_small(labels, 2).tolist() == [[2**64 - 1, 2**64 - 1, 0]]


def test_corners_connect_only_when_asked():
    mask = np.eye(3, dtype=bool)
    assert label_objects(mask).max() == 3
    assert label_objects(mask, connectivity=2).max() == 1


def test_ids_use_the_smallest_dtype_from_uint16():
    assert label_objects(np.ones((2, 2), bool)).dtype == np.uint16
    checkerboard = np.indices((400, 400)).sum(axis=0) % 2 == 0
    labels = label_objects(checkerboard)
    assert labels.max() == 80_000
    assert labels.dtype == np.uint32
    assert label_objects(checkerboard, min_voxels=2).dtype == np.uint16


def test_connectivity_is_checked():
    with pytest.raises(ValueError, match="1 to 2, got 3"):
        label_objects(np.ones((2, 2), bool), connectivity=3)
