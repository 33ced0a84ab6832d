from __future__ import annotations

import numpy as np
import pytest

from napari_segtrain import evaluate
from napari_segtrain.evaluation.confusion import NO_PREDICTION, ConfusionTable
from napari_segtrain.evaluation.semantic import ConfusionMatrix
from napari_segtrain.image import IGNORE_INDEX, ClassInfo, ClassTable

CLASSES = ClassTable(
    (
        ClassInfo(0, "background", "#000000", "background"),
        ClassInfo(1, "cell", "#ff0000"),
        ClassInfo(2, "cell", "#00ff00"),
    )
)


def test_shares_are_of_the_voxels_of_each_true_class() -> None:
    truth = np.array([[0, 0, 0, 1], [1, 1, 2, 2]])
    found = np.array([[0, 0, 1, 1], [2, 1, 2, 2]])
    total = evaluate(truth, found).total.scores
    classes = evaluate(truth, found).classes
    table = ConfusionTable.of(total, classes)
    assert table.counts.tolist() == [[2, 1, 0], [0, 2, 1], [0, 0, 2]]
    np.testing.assert_allclose(table.shares[0], [2 / 3, 1 / 3, 0])
    np.testing.assert_allclose(table.shares.sum(axis=1), 1)


@pytest.mark.parametrize("has_holes", [True, False])
def test_voxels_without_a_prediction_have_a_column_where_there_are_any(
    has_holes,
) -> None:
    matrix = ConfusionMatrix(3)
    predicted = np.array([0, 1, IGNORE_INDEX if has_holes else 1], np.uint8)
    matrix.add(np.array([0, 1, 1], np.uint8), predicted)
    table = ConfusionTable.of(matrix.scores(CLASSES), CLASSES)
    names = ("background", "cell", "cell_2")
    assert table.rows == names
    assert table.columns == (*names, NO_PREDICTION)[: 3 + has_holes]
    assert table.shares[1].sum() == 1
    assert not table.shares[2].any()
