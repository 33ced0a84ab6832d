from __future__ import annotations

import numpy as np
import pytest

from napari_segtrain import evaluate
from napari_segtrain.evaluation.ranking import (
    SEGMENTATION_COLUMNS,
    object_f1,
    segmentation_rows,
    verdict_on,
)


def labels(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 3, (16, 16)).repeat(4, 0).repeat(4, 1).astype(np.uint8)


def worse(array: np.ndarray, shift: int) -> np.ndarray:
    return np.roll(array, shift, 0)


def test_a_row_holds_the_overall_scores() -> None:
    truth = labels()
    reports = [evaluate(truth, worse(truth, n), objects=n > 0) for n in (0, 1)]
    rows = segmentation_rows([("a", reports[0]), ("b", reports[1])])
    assert tuple(rows[0]) == SEGMENTATION_COLUMNS
    assert [row["segmentation"] for row in rows] == ["a", "b"]
    assert [row["iou"] for row in rows] == [report.iou for report in reports]
    assert rows[0]["f1"] is None
    assert rows[1]["f1"] == object_f1(reports[1])
    assert "f1" not in segmentation_rows([("a", reports[0])])[0]


def test_object_f1_is_the_mean_of_classes_at_the_first_threshold() -> None:
    truth = labels()
    report = evaluate(truth, worse(truth, 1), objects=True)
    first = [scores.f1 for scores in report.total.objects if scores.threshold == 0.5]
    assert len(first) == 2 < len(report.total.objects)
    assert object_f1(report) == pytest.approx(np.mean(first))


def test_the_better_one_is_named() -> None:
    truth = labels()
    good, bad = (evaluate(truth, worse(truth, n)) for n in (1, 2))
    assert verdict_on(("good", good), ("bad", bad)).startswith("good is better")
    assert verdict_on(("bad", bad), ("good", good)).startswith("good is better")
    assert verdict_on(("a", good), ("b", good)).startswith("No clear difference")


def test_what_cannot_be_said_is_not_said() -> None:
    truth = labels()
    two, one = evaluate(truth, truth), evaluate(truth > 0, truth > 0)
    assert "cannot be said" in verdict_on(("a", two), ("b", one))
    tiny = evaluate(truth[:1, :2] + 1, truth[:1, :2] + 1)
    assert "too few" in verdict_on(("a", tiny), ("b", tiny))
