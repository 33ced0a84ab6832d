from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels, Shapes

from napari_segtrain.errors import DataError
from napari_segtrain.image import OUTSIDE, ClassInfo, ClassTable
from napari_segtrain.ui.layers.reading import write_class_table
from napari_segtrain.ui.layers.samples import (
    SampleRow,
    check_row,
    check_rows,
    to_dataset,
)


def image(*shape: int, **options: Any) -> Image:
    data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return Image(data, **{"name": "cells", "rgb": False} | options)


def labels(*shape: int, **options: Any) -> Labels:
    data = np.zeros(shape, np.uint8)
    data[..., :2] = 1
    data[..., 2:4] = 2
    return Labels(data, **{"name": "strokes"} | options)


def row(*layers: Any, **options: Any) -> SampleRow:
    return SampleRow((layers[0],), *layers[1:], **options)


def test_a_row_that_covers_its_image() -> None:
    whole, truth = image(6, 20, 30), labels(6, 20, 30)
    (sample,) = to_dataset([row(whole, truth)]).samples
    assert sample.image.array is whole.data
    assert (sample.image.axes, sample.labels.axes) == ("ZYX", "ZYX")
    np.testing.assert_array_equal(sample.labels.array, truth.data)


def test_labels_that_cover_a_part() -> None:
    whole = image(6, 40, 50, scale=(2, 0.5, 0.5), units="um")
    truth = labels(2, 8, 9, scale=(2, 0.5, 0.5), units="um", translate=(4, 5, 7.5))
    data = to_dataset([row(whole, truth)], margin=(0, 0, 0))
    (pair,) = data.pairs()
    assert pair.shape == (2, 8, 9)
    np.testing.assert_array_equal(pair.image.read()[0], whole.data[2:4, 10:18, 15:24])
    np.testing.assert_array_equal(pair.labels.read()[0], truth.data)
    assert data.voxel_size == (2, 0.5, 0.5)


def test_around_labels_nothing_counts() -> None:
    truth = labels(8, 9, translate=(10, 15))
    (pair,) = to_dataset([row(image(40, 50), truth)], margin=(0, 4, 4)).pairs()
    block = pair.labels.read()[0, 0]
    assert block.shape == (16, 17)
    assert (block == OUTSIDE).sum() == 16 * 17 - 8 * 9


def test_a_region() -> None:
    corners = np.array([[2, 0], [2, 30], [6, 30], [6, 0]]) - 0.5
    region = Shapes([corners], shape_type="polygon")
    truth = labels(3, 20, 30)
    (pair,) = to_dataset([row(image(3, 20, 30), truth, region)]).pairs()
    block = pair.labels.read()[0]
    is_counted = block != OUTSIDE
    assert is_counted.sum() == 3 * 4 * 30
    assert set(np.unique(block[is_counted])) == {0, 1, 2}


def test_a_region_on_its_slice() -> None:
    corners = np.array([[1, 2, 0], [1, 2, 30], [1, 6, 30], [1, 6, 0]]) - [0, 0.5, 0.5]
    region = Shapes([corners], shape_type="polygon")
    rows = [row(image(3, 20, 30), labels(3, 20, 30), region)]
    (pair,) = to_dataset(rows, margin=(9, 0, 0)).pairs()
    counted = (pair.labels.read()[0] != OUTSIDE).sum(axis=(1, 2))
    assert counted.tolist() == [0, 120, 0]


def test_painting_on_does_not_reach_a_dataset() -> None:
    truth = labels(20, 30)
    (sample,) = to_dataset([row(image(20, 30), truth)]).samples
    truth.data[:] = 7
    assert np.asarray(sample.labels.array).max() == 2


def test_several_layers_are_channels() -> None:
    layers = (image(20, 30, name="a"), image(20, 30, name="b"))
    data = to_dataset([SampleRow(layers, labels(20, 30))])
    assert data.n_channels == 2
    assert data.channel_names == ("a", "b")


def test_rgb_and_a_level_and_the_class_table() -> None:
    colors = image(20, 30, 3, rgb=True)
    truth = labels(20, 30)
    rows = (ClassInfo(1, "cell", "#ff0000"), ClassInfo(2, "edge", "#00ff00"))
    write_class_table(truth, ClassTable(rows, zero="auto"))
    (sample,) = to_dataset([row(colors, truth)]).samples
    assert sample.image.n_channels == 3
    assert sample.labels.classes == ClassTable(rows, zero="auto")
    levels = Image([np.zeros((40, 60)), np.zeros((20, 30))], multiscale=True)
    small = labels(20, 30, scale=(2, 2), translate=(0.5, 0.5))
    (sample,) = to_dataset([row(levels, small, level=1)]).samples
    assert sample.image.level == "1"


def test_series_are_items() -> None:
    rows = [row(image(5, 20, 30), labels(5, 20, 30), axes="TYX")]
    assert len(to_dataset(rows).pairs()) == 5


def test_2d_labels_on_an_image_with_channels() -> None:
    (sample,) = to_dataset([row(image(2, 20, 30), labels(20, 30))]).samples
    assert sample.image.axes == "CYX"


def test_a_single_slice_of_labels_on_a_flat_image() -> None:
    (sample,) = to_dataset([row(image(20, 30), labels(1, 20, 30))]).samples
    assert sample.labels.axes == "YX"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (SampleRow(), "No image is chosen"),
        (SampleRow((image(4, 5),)), "No labels are chosen"),
        (row(image(4, 5), labels(4, 5), axes="Y"), "one letter per dimension"),
        (row(image(4, 5), labels(4, 5, scale=(1, 2))), "scale"),
        (row(image(4, 5), labels(4, 5), Shapes(None, ndim=2)), "no rectangle"),
        (row(image(4, 5), labels(4, 5), level=0, axes="ZX"), "lack Y or X"),
    ],
)
def test_rows_that_are_no_sample(bad, reason) -> None:
    with pytest.raises(DataError, match=reason):
        check_row(bad)
    with pytest.raises(DataError, match=reason):
        to_dataset([bad])


def test_no_rows() -> None:
    with pytest.raises(DataError, match="no sample"):
        check_rows([])


def test_rows_with_other_channels() -> None:
    rows = [
        row(image(20, 30), labels(20, 30)),
        row(image(2, 20, 30, name="two"), labels(20, 30)),
    ]
    with pytest.raises(DataError, match="'cells' has 1 channels and 'two' 2"):
        to_dataset(rows)


def test_rows_of_one_image_know_where_they_overlap() -> None:
    whole, other = image(60, 80), image(60, 80, name="other")
    one, two = labels(30, 30), labels(30, 30, translate=(10, 10))
    rows = [row(whole, one), row(whole, two), row(other, one)]
    places = [sample.place for sample in to_dataset(rows).samples]
    assert [place.image for place in places] == [0, 0, 1]
    assert places[1].labelled == {"Y": (10, 40), "X": (10, 40)}
