"""Objects of several classes, and of ids."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segtrain.config import SeparationConfig
from napari_segtrain.objects.by_class import kept_objects, separate_classes


def two_classes() -> np.ndarray:
    indices = np.zeros((1, 8, 12), np.uint8)
    indices[0, 1:3, 1:4] = 1
    indices[0, 1:3, 4:7] = 2
    indices[0, 5:7, 8:11] = 1
    return indices


def test_classes_that_touch_stay_apart() -> None:
    indices = two_classes()
    masks = {"a": indices == 1, "b": indices == 2}
    found = separate_classes(masks, SeparationConfig())
    assert found.labels.tolist() == [1, 2, 3]
    assert found.class_names.tolist() == ["a", "a", "b"]
    np.testing.assert_array_equal(found.ids > 0, indices > 0)
    assert set(np.unique(found.ids[indices == 2])) == {3}


def test_a_class_without_objects_has_none() -> None:
    masks = {"a": np.zeros((1, 4, 4), bool), "b": two_classes()[:, :4, :4] == 1}
    found = separate_classes(masks, SeparationConfig())
    assert found.class_names.tolist() == ["b"]


def test_the_first_class_has_a_voxel_that_two_claim() -> None:
    maps = {"a": np.full((1, 3, 3), 0.6), "b": np.full((1, 3, 3), 0.7)}
    found = separate_classes(maps, SeparationConfig())
    assert found.labels.tolist() == [1]
    assert found.class_names.tolist() == ["a"]


def test_no_class_is_refused() -> None:
    with pytest.raises(ValueError, match="a class at least"):
        separate_classes({}, SeparationConfig())


def test_ids_that_stay_are_the_old_ones() -> None:
    ids = np.zeros((1, 8, 8), np.int32)
    ids[0, :3, :3], ids[0, 4:6, 4:6], ids[0, 7, 3] = 900, 40, 7
    before = ids.copy()
    found = kept_objects(ids, SeparationConfig(min_voxels=2), "cell")
    assert found.labels.tolist() == [40, 900]
    assert found.class_names.tolist() == ["cell", "cell"]
    np.testing.assert_array_equal(found.ids, np.where(ids == 7, 0, ids))
    np.testing.assert_array_equal(ids, before)
    inner = kept_objects(ids, SeparationConfig(drop_border=True))
    assert inner.labels.tolist() == [40]
