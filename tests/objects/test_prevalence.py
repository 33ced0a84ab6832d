from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_segtrain.objects.prevalence import prevalent_slices

volumes = arrays(
    np.int32,
    array_shapes(min_dims=3, max_dims=3, max_side=7),
    elements=st.integers(-1, 3),
)


@given(volumes)
def test_the_slice_with_most_voxels(ids):
    found = prevalent_slices(ids)
    assert found.ids.tolist() == np.unique(ids[ids > 0]).tolist()
    for object_id, center, n in zip(
        found.ids, found.centers, found.n_voxels, strict=True
    ):
        mask = ids == object_id
        sizes = mask.sum(axis=(1, 2))
        z = int(center[0])
        assert n == sizes[z] == sizes.max()
        middle = np.argwhere(mask)[:, 0].mean()
        away = np.abs(np.flatnonzero(sizes == n) - middle)
        np.testing.assert_allclose(abs(z - middle), away.min())
        np.testing.assert_allclose(center[1:], np.argwhere(mask[z]).mean(axis=0))


def test_balls_are_cut_through_the_middle():
    grid = np.indices((40, 30, 60)).transpose(1, 2, 3, 0)
    ids = np.zeros((40, 30, 60), int)
    middles = {4: (12, 14, 13), 7: (25, 12, 41)}
    for object_id, middle in middles.items():
        ids[np.linalg.norm(grid - middle, axis=-1) < 9] = object_id
    found = prevalent_slices(ids)
    assert found.ids.tolist() == list(middles)
    np.testing.assert_allclose(found.centers, list(middles.values()))


def test_rows():
    ids = np.zeros((3, 4, 5), np.uint64)
    ids[1, 1:3, 2:4] = 2**40
    ids[2, 1, 2] = 2**40
    assert list(prevalent_slices(ids).to_rows()) == [
        {"id": 2**40, "z": 1, "y": 1.5, "x": 2.5, "voxels": 4}
    ]


def test_nothing():
    found = prevalent_slices(np.zeros((2, 3, 4), np.uint8))
    assert len(found) == 0
    assert found.centers.shape == (0, 3)
    assert list(found.to_rows()) == []
