from __future__ import annotations

import numpy as np

from napari_segtrain.image import LabelImage
from napari_segtrain.objects.outlines import fill_outlines, trace_outlines
from napari_segtrain.objects.prevalence import prevalent_slices
from napari_segtrain.objects.slices import ItemSlices


def test_items_are_read_slice_by_slice():
    ids = np.random.default_rng(0).integers(0, 4, (5, 6, 2, 3)).astype(np.uint16)
    read = []

    class Lazy:
        shape = ids.shape
        dtype = ids.dtype

        def __getitem__(self, key):
            read.append(np.asarray(ids[key]).size)
            return ids[key]

    items = LabelImage(Lazy(), "YXTZ").items()
    for time, item in enumerate(items):
        expected = ids[:, :, time].transpose(2, 0, 1)
        slices = ItemSlices(item)
        assert slices.shape == (3, 5, 6)
        found = fill_outlines(trace_outlines(slices), slices.shape)
        np.testing.assert_array_equal(found, expected)
        centers = prevalent_slices(slices).centers
        np.testing.assert_array_equal(centers, prevalent_slices(expected).centers)
    assert max(read) == 30


def test_flat_labels():
    (item,) = LabelImage(np.eye(4, dtype=np.uint8), "YX").items()
    assert [outline.z for outline in trace_outlines(ItemSlices(item))] == [0] * 4
