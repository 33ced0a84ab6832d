from __future__ import annotations

import numpy as np
import pytest

from napari_segtrain.evaluation.error_map import error_map_array
from napari_segtrain.evaluation.lazy_errors import lazy_error_map
from napari_segtrain.evaluation.pairs import LabelPair
from napari_segtrain.image import ClassInfo, ClassTable, LabelImage, ZeroPolicy

ROWS = (
    ClassInfo(0, "background", "#000000", "background"),
    ClassInfo(1, "a", "#ff0000"),
    ClassInfo(2, "b", "#00ff00"),
)


def a_pair(axes: str, shape: tuple[int, ...], zero: ZeroPolicy) -> LabelPair:
    classes = ClassTable(ROWS, zero=zero)
    rng = np.random.default_rng(0)
    truth, prediction = (rng.integers(0, 3, shape).astype(np.uint8) for _ in range(2))
    truth[-1] = 0
    return LabelPair(
        "x",
        LabelImage(truth, axes, classes=classes),
        LabelImage(prediction, axes, classes=classes),
    )


@pytest.mark.parametrize("zero", ["dense", "painted-slices"])
@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("YX", (7, 9)),
        ("ZYX", (4, 7, 9)),
        ("TZYX", (3, 4, 7, 9)),
        ("ZTYX", (4, 3, 7, 9)),
    ],
)
def test_any_part_is_that_of_the_whole(axes, shape, zero) -> None:
    pair = a_pair(axes, shape, zero)
    classes = pair.truth.classes
    assert classes is not None
    whole = error_map_array(pair, classes)
    lazy = lazy_error_map(pair, classes)
    assert lazy.shape == whole.shape
    np.testing.assert_array_equal(np.asarray(lazy), whole)
    part = tuple(slice(1, size - 1) for size in shape)
    np.testing.assert_array_equal(lazy[part], whole[part])
    np.testing.assert_array_equal(lazy[2], whole[2])
