from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_segtrain.ui.compare.small_labels import small_labels

VALUES = np.array([[0, 1, 2, 48, 49, 50], [51, 98, 99, 255, 256, 70_000]], np.int32)
FAR = np.array([[0, 77, 5, 5_000_000, 2**31 - 1, 1]], np.int32)


def colors_of(values: np.ndarray, colormap) -> np.ndarray:
    return colormap.map(values)


@pytest.mark.parametrize("values", [VALUES, FAR])
def test_cycled_values_keep_their_colors(values) -> None:
    layer = Labels(values)
    shrink, colormap = small_labels(layer)
    small = shrink(values)
    assert small.dtype == np.uint8
    np.testing.assert_array_equal(
        colors_of(small, colormap), colors_of(values, layer.colormap)
    )


@pytest.mark.parametrize("values", [VALUES, FAR])
def test_values_with_colors_of_their_own_keep_them(values) -> None:
    table = {None: "gray", 0: "transparent", 1: "red", 50: "blue", 256: "lime"}
    layer = Labels(values, colormap=DirectLabelColormap(color_dict=table))
    shrink, colormap = small_labels(layer)
    small = shrink(values)
    assert small.dtype == np.uint8
    np.testing.assert_allclose(
        colors_of(small, colormap), colors_of(values, layer.colormap), atol=1e-6
    )


def test_bytes_and_very_many_colors_stay_as_they_are() -> None:
    layer = Labels(VALUES.astype(np.uint8))
    shrink, colormap = small_labels(layer)
    assert shrink is None
    np.testing.assert_array_equal(colormap.colors, layer.colormap.colors)
    table = dict.fromkeys(range(300), "red") | {None: "gray"}
    layer = Labels(VALUES, colormap=DirectLabelColormap(color_dict=table))
    assert small_labels(layer)[0] is None
