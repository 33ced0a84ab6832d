"""Sums of classes and slices against plain counts."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segtrain.objects.measurements import measure_objects
from napari_segtrain.objects.summaries import summarize_classes, summarize_slices


def volume() -> np.ndarray:
    ids = np.zeros((3, 10, 10), np.uint16)
    ids[0:2, 1:3, 1:3] = 5
    ids[1, 5:9, 5:9] = 9
    ids[2, 0, 0] = 11
    return ids


def test_classes_are_summed_up() -> None:
    ids = volume()
    table = measure_objects(ids, voxel_size=(2.0, 1.0, 1.0))
    names = np.array(["a", "b", "a"], object)
    rows = list(summarize_classes(table, names, (6.0, 10.0, 10.0)))
    assert [row["class"] for row in rows] == ["a", "b"]
    first, second = rows
    assert first["n_objects"] == 2
    assert first["density"] == pytest.approx(2 / 600)
    assert first["share"] == pytest.approx((8 + 1) * 2 / 600)
    assert first["mean_volume"] == pytest.approx(9)
    assert first["median_volume"] == pytest.approx(9)
    assert first["sd_volume"] == pytest.approx(np.std([16, 2], ddof=1))
    distances = table.columns["neighbor_distance"]
    assert first["neighbor_distance"] == pytest.approx(distances[[0, 2]].mean())
    assert second["sd_volume"] is None


def test_slices_are_summed_up() -> None:
    ids = volume()
    names = np.array(["a", "b", "a"], object)
    rows = list(summarize_slices(ids, np.array([5, 9, 11]), names))
    found = {
        (row["z"], row["class"]): (row["n_objects"], row["voxels"]) for row in rows
    }
    assert found == {
        (0, "a"): (1, 4), (0, "b"): (0, 0),
        (1, "a"): (1, 4), (1, "b"): (1, 16),
        (2, "a"): (1, 1), (2, "b"): (0, 0),
    }  # fmt: skip
    assert rows[3]["share"] == pytest.approx(0.16)


def test_nothing_has_no_sums() -> None:
    ids = np.zeros((2, 4, 4), np.uint8)
    none = np.array([], object)
    assert list(summarize_classes(measure_objects(ids), none, (2, 4, 4))) == []
    assert list(summarize_slices(ids, np.array([], int), none)) == []
