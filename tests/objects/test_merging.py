from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

from napari_segtrain.objects.merging import merge_shallow


def peaks(depth):
    inner = (slice(1, -1),) * 3
    return local_maxima(np.pad(depth, 1), connectivity=1)[inner]


def merged(depth, prominence):
    """Basins of all peaks of a depth map, and what each is merged with."""
    depth = np.array(depth, np.uint8)[np.newaxis]
    seeds, _ = ndimage.label(peaks(depth))
    ids = watershed(~depth, seeds).astype(np.uint32)
    return merge_shallow(ids, depth, prominence)[ids], depth


def test_the_saddle_decides():
    depth = [[9, 8, 5, 7, 9, 6, 8]]
    for prominence, n_left in ((2, 3), (3, 2), (4, 2), (5, 1)):
        ids, _ = merged(depth, prominence)
        assert len(np.unique(ids)) == n_left


def test_without_neighbors_nothing_is_merged():
    ids = np.array([[[1, 0, 2]]], np.uint32)
    depth = np.full(ids.shape, 9, np.uint8)
    assert merge_shallow(ids, depth, 200).tolist() == [0, 1, 2]


@settings(max_examples=60, deadline=None)
@given(arrays(np.uint8, (6, 8), elements=st.integers(1, 30)), st.integers(1, 10))
def test_as_many_are_left_as_there_are_h_maxima(depth, prominence):
    ids, volume = merged(depth, prominence)
    lowered = volume.astype(int) - (prominence - 1)
    cross = ndimage.generate_binary_structure(3, 1)
    filled = reconstruction(lowered, volume.astype(int), footprint=cross)
    _, n_maxima = ndimage.label(peaks(filled + 20))
    assert len(np.unique(ids)) == n_maxima
