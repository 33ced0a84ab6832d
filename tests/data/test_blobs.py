from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage import measure

from napari_segtrain.data import blobs
from napari_segtrain.data.blobs import is_one_blob_each

LABELS = hnp.arrays(
    np.int32,
    hnp.array_shapes(min_dims=2, max_dims=3, max_side=7),
    elements=st.integers(-2, 4),
)


@given(LABELS)
def test_share_is_that_of_counting_components(labels):
    values = np.unique(labels[labels != 0])
    n_components = [
        measure.label(labels == value, connectivity=labels.ndim).max()
        for value in values
    ]
    expected = np.mean(np.array(n_components) == 1) if len(values) else 0.0
    assert is_one_blob_each(labels, values) == pytest.approx(expected)


@given(LABELS, st.integers(1, 50))
def test_share_does_not_depend_on_the_parts_that_are_looked_up(labels, n_voxels):
    values = np.unique(labels[labels != 0])
    whole = is_one_blob_each(labels, values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blobs, "_CHUNK", n_voxels)
        assert is_one_blob_each(labels, values) == whole


def test_ids_of_touching_objects_are_one_blob_each():
    labels = np.arange(1, 65).reshape(8, 8).repeat(4, axis=0).repeat(4, axis=1)
    assert is_one_blob_each(labels, range(1, 65)) == 1.0


def test_classes_that_appear_all_over_are_not():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, (1, 64, 64), np.uint8)
    assert is_one_blob_each(labels, [1, 2, 3]) == 0.0


def test_values_that_are_not_there_do_not_count():
    labels = np.array([[0, 1, 1, 0, 2, 0, 2]], np.uint8)
    assert is_one_blob_each(labels, [1, 2, 9]) == 0.5
    assert is_one_blob_each(labels, [9]) == 0.0
    assert is_one_blob_each(labels, [1, 256 + 2]) == 1.0
    assert is_one_blob_each(labels, []) == 0.0


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint64, np.float32])
def test_any_dtype(dtype):
    labels = np.array([[0, 5, 5], [7, 0, 7]], dtype)
    assert is_one_blob_each(labels, [5, 7]) == 0.5


def test_only_a_sample_of_very_many_values_is_looked_at(monkeypatch):
    monkeypatch.setattr(blobs, "MAX_CHECKED_VALUES", 10)
    labels = np.arange(1, 1001).reshape(1, 1000)
    labels[0, -1] = 1
    assert is_one_blob_each(labels, range(1, 1001)) == pytest.approx(8 / 9)
