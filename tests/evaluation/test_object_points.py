from __future__ import annotations

import numpy as np
import pytest

from napari_segtrain import evaluate
from napari_segtrain.evaluation.object_points import ObjectPoints
from napari_segtrain.evaluation.report import EvaluationReport


@pytest.fixture(scope="module")
def report() -> EvaluationReport:
    """Two classes in squares, on two images."""
    rng = np.random.default_rng(0)
    truth = [rng.integers(0, 3, (12, 12)).repeat(4, 0).repeat(4, 1) for _ in range(2)]
    found = [np.roll(labels, (1, 1), (0, 1)) for labels in truth]
    return evaluate(truth, found, objects=True)


def test_points_are_the_rows_of_the_object_list(report) -> None:
    points = ObjectPoints.of(report)
    rows = report.to_list_rows()
    assert len(points) == len(rows) == report.n_objects > 40
    assert [points.row(n) for n in range(len(points))] == rows
    assert points.sizes.tolist() == [row["voxels"] for row in rows]
    assert points.iou.tolist() == [row["iou"] for row in rows]
    with pytest.raises(IndexError, match="no object"):
        points.row(len(points))


def test_a_sample_is_the_same_each_time_and_holds_nothing_twice(report) -> None:
    points = ObjectPoints.of(report)
    chosen = points.sample(20)
    assert len(set(chosen.tolist())) == 20
    np.testing.assert_array_equal(chosen, points.sample(20))
    np.testing.assert_array_equal(points.sample(10_000), np.arange(len(points)))


def test_without_objects_there_are_no_points() -> None:
    labels = np.zeros((4, 4), np.uint8)
    labels[1] = 1
    points = ObjectPoints.of(evaluate(labels, labels))
    assert len(points) == 0
    assert len(points.sample(5)) == 0
