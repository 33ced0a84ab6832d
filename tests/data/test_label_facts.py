from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.data.helpers import RecordingArray, facts_of, label_item

from napari_segtrain.data.label_facts import (
    as_integers,
    inspect_labels,
    look_like_objects,
    look_like_painted_slices,
)
from napari_segtrain.errors import DataError

VOLUMES = hnp.arrays(
    st.sampled_from([np.uint8, np.int16, np.uint64, np.float32]),
    hnp.array_shapes(min_dims=3, max_dims=3, max_side=6),
    elements=st.integers(0, 3),
)


@pytest.mark.parametrize(
    "values",
    [
        np.array([True, False]),
        np.array([-3, 4], np.int8),
        np.array([0, 2**64 - 1], np.uint64),
        np.array([0.0, 255.0], np.float32),
        np.array([-1.0, 2.0**52]),
    ],
)
def test_whole_numbers_of_any_type_are_labels(values):
    integers = as_integers(values)
    assert integers.dtype.kind in "iu"
    assert integers.tolist() == values.tolist()


@pytest.mark.parametrize("wrong", [0.5, np.nan, np.inf, -np.inf, 1e20])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.filterwarnings("ignore:overflow")
def test_other_numbers_are_refused_by_value(wrong, dtype):
    values = np.array([0, 1, wrong], dtype)
    words = rf"value {re.escape(format(values[2], 'g'))} in my labels.*whole"
    with pytest.raises(DataError, match=words):
        as_integers(values, name="my labels")


@pytest.mark.parametrize("dtype", [complex, "U3"])
def test_labels_of_no_numbers_are_refused(dtype):
    with pytest.raises(DataError, match="save them as integers"):
        as_integers(np.zeros(3, dtype))


@given(VOLUMES)
def test_values_and_slices_are_counted(volume):
    (facts,) = facts_of(volume)
    values, counts = np.unique(volume, return_counts=True)
    assert facts.counts == dict(zip(values.tolist(), counts.tolist(), strict=True))
    assert facts.n_labelled == tuple((volume != 0).sum(axis=(1, 2)).tolist())
    assert facts.painted == tuple((volume != 0).any(axis=(1, 2)).tolist())
    assert facts.foreground_values == tuple(v for v in values.tolist() if v)


def test_a_large_volume_is_counted_in_parts():
    array = RecordingArray(shape=(6, 4000, 4000))
    facts = inspect_labels(label_item(array, "ZYX"))
    assert facts.counts == {0: 6 * 4000 * 4000}
    assert facts.painted == (False,) * 6
    assert max(array.reads) <= 1 << 24


def test_a_few_labels_in_the_corner_of_a_large_image_are_found():
    labels = np.zeros((2100, 2100), np.uint16)
    for number in range(10):
        labels[2050:2054, 2000 + 9 * number : 2004 + 9 * number] = number + 1
    (facts,) = facts_of(labels)
    assert facts.one_blob_share == 1
    assert look_like_objects([facts])


def squares(n, size=40, first=1):
    """``n`` separate squares with the values first, first + 1, ..."""
    labels = np.zeros((size, size), np.uint16)
    for number in range(n):
        y, x = divmod(number, size // 4)
        labels[4 * y : 4 * y + 3, 4 * x : 4 * x + 3] = first + number
    return labels


class TestObjects:
    def test_many_values_with_one_blob_each(self):
        assert look_like_objects(facts_of(squares(20)))

    def test_images_with_few_objects_beside_ones_with_many(self):
        facts = facts_of(squares(20)) + facts_of(squares(2)) + facts_of(squares(0))
        assert look_like_objects(facts)

    def test_few_values_are_classes(self):
        assert not look_like_objects(facts_of(squares(5)))

    def test_values_that_come_back_are_classes(self):
        classes = np.where(squares(60) > 0, squares(60) % 10 + 1, 0)
        assert not look_like_objects(facts_of(classes))

    def test_nothing_is_no_objects(self):
        assert not look_like_objects(facts_of(np.zeros((9, 9), int)))


def ball(shape, center, radius):
    grid = np.indices(shape)
    offsets = [g - c for g, c in zip(grid, center, strict=True)]
    return sum(offset**2 for offset in offsets) <= radius**2


def painted(n_slices, slices, values=(1,)):
    """A stack whose slices were labelled all over, or not at all."""
    stack = np.zeros((n_slices, 32, 32), np.uint8)
    for z in slices:
        for number, value in enumerate(values):
            stack[z, 8 * number : 8 * number + 8 + z % 5] = value
    return stack


class TestPaintedSlices:
    @pytest.mark.parametrize(
        "slices", [[0], [7], [0, 1, 2], [10, 11, 12, 13], [3, 30, 55], range(0, 60, 2)]
    )
    def test_some_slices_of_a_stack(self, slices):
        assert look_like_painted_slices(facts_of(painted(60, slices)))

    def test_all_slices_are_dense(self):
        assert not look_like_painted_slices(facts_of(painted(60, range(60))))

    def test_no_slice_is_not_painted(self):
        assert not look_like_painted_slices(facts_of(painted(60, [])))

    @pytest.mark.parametrize("radius", [4, 8, 14, 19])
    def test_a_volume_with_empty_top_and_bottom_is_dense(self, radius):
        volume = ball((40, 40, 40), (20, 20, 20), radius).astype(np.uint8)
        assert not look_like_painted_slices(facts_of(volume))

    def test_a_volume_with_an_empty_slice_between_two_cells_is_dense(self):
        shape = (40, 40, 40)
        cells = ball(shape, (9, 20, 20), 8) | ball(shape, (29, 20, 20), 8)
        assert not look_like_painted_slices(facts_of(cells.astype(np.uint8)))

    def test_images_are_not_slices_of_each_other(self):
        facts = facts_of(painted(1, [0]), image=0) + facts_of(painted(1, []), image=1)
        assert not look_like_painted_slices(facts * 2)

    def test_some_frames_of_a_movie(self):
        assert look_like_painted_slices(facts_of(painted(60, [0, 20, 40]), "TYX"))
        assert not look_like_painted_slices(facts_of(painted(60, range(60)), "TYX"))

    def test_a_movie_of_volumes_with_empty_slices_is_dense(self):
        volume = ball((20, 30, 30), (10, 15, 15), 6)
        movie = np.stack([volume] * 8).astype(np.uint8)
        assert not look_like_painted_slices(facts_of(movie, "TZYX"))
