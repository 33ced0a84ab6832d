from __future__ import annotations

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_segtrain.errors import DataError
from napari_segtrain.image import (
    IGNORE_INDEX,
    OUTSIDE,
    ClassInfo,
    ClassTable,
    Image,
    LabelImage,
    default_color,
)


@st.composite
def images(draw, letters="STCZYX"):
    """An array with its axes in any order."""
    extra = [letter for letter in letters if letter not in "YX"]
    chosen = draw(st.lists(st.sampled_from(extra), unique=True))
    axes = "".join(draw(st.permutations([*chosen, "Y", "X"])))
    shape = draw(st.tuples(*[st.integers(1, 4)] * len(axes)))
    return np.arange(np.prod(shape)).reshape(shape), axes


def by_hand(array, axes):
    """The same voxels as (items, C, Z, Y, X), by NumPy."""
    items = [axis for axis in axes if axis not in "CZYX"]
    missing = [axis for axis in "CZYX" if axis not in axes]
    grown = array[(..., *[None] * len(missing))]
    letters = [*axes, *missing]
    moved = grown.transpose([letters.index(axis) for axis in [*items, *"CZYX"]])
    return moved.reshape(-1, *moved.shape[len(items) :])


def boxes_in(shape):
    """Boxes inside an item."""
    spans = [
        st.tuples(st.integers(0, size - 1), st.integers(1, size)).map(
            lambda ends: slice(min(ends[0], ends[1] - 1), ends[1])
        )
        for size in shape
    ]
    return st.tuples(*spans)


@given(images(), st.data())
def test_items_and_boxes_are_read_as_numpy_would(image, data):
    array, axes = image
    items = Image(array, axes).items()
    expected = by_hand(array, axes)
    assert len(items) == len(expected)
    for item, whole in zip(items, expected, strict=True):
        assert item.shape == whole.shape[1:]
        assert item.n_channels == whole.shape[0]
        np.testing.assert_array_equal(item.read(), whole)
        box = data.draw(boxes_in(item.shape))
        np.testing.assert_array_equal(item.read(box), whole[(slice(None), *box)])


@given(images())
def test_items_come_in_the_order_of_their_axes(image):
    array, axes = image
    letters = [axis for axis in axes if axis not in "CZYX"]
    seen = [
        tuple(item.index[axis] for axis in letters)
        for item in Image(array, axes).items()
    ]
    assert seen == sorted(seen)
    assert len(set(seen)) == len(seen)


def test_a_zarr_array_is_read_as_a_numpy_array():
    array = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).astype(np.uint16)
    stored = zarr.create_array({}, data=array, chunks=(1, 2, 2, 2))
    box = (slice(1, 3), slice(0, 2), slice(2, 5))
    for mine, theirs in zip(
        Image(stored, "TZYX").items(), Image(array, "TZYX").items(), strict=True
    ):
        block = mine.read(box)
        assert type(block) is np.ndarray
        assert block.dtype == np.uint16
        np.testing.assert_array_equal(block, theirs.read(box))


class OnlyParts:
    """A huge array that can be read in small parts only."""

    shape = (3, 1000, 20_000, 20_000)
    dtype = np.dtype(np.uint8)

    def __getitem__(self, key):
        shape = [k.stop - k.start for k in key if isinstance(k, slice)]
        assert np.prod(shape) < 1000
        return np.ones(shape, np.uint8)


def test_only_the_box_is_read():
    item = Image(OnlyParts(), "TZYX").items()[2]
    box = (slice(900, 901), slice(0, 10), slice(19_990, 20_000))
    assert item.read(box).shape == (1, 1, 10, 10)


def test_axes_are_guessed_when_they_are_not_said():
    assert Image(np.zeros((8, 9))).axes == "YX"
    assert Image(np.zeros((8, 9, 3))).n_channels == 3
    assert LabelImage(np.zeros((5, 8, 9), int)).axes == "ZYX"


class TestVoxelSize:
    def test_unknown_stays_unknown(self):
        assert Image(np.zeros((8, 9))).voxel_size is None

    def test_of_a_volume_is_shortened_for_a_slice(self):
        assert Image(np.zeros((8, 9)), voxel_size=(3, 1, 2)).voxel_size == (1.0, 2.0)

    @pytest.mark.parametrize(
        "size", [(1.0,), (1.0, 0.0), (1.0, -1.0), (1.0, np.nan), (np.inf, 1.0)]
    )
    def test_that_makes_no_sense_is_refused(self, size):
        for kind in (Image, LabelImage):
            with pytest.raises(DataError, match="one positive number of micrometers"):
                kind(np.zeros((8, 9), int), voxel_size=size)


def test_channel_names_must_be_as_many_as_channels():
    array = np.zeros((2, 8, 9))
    assert Image(array, "CYX", channel_names=("a", "b")).n_channels == 2
    with pytest.raises(DataError, match="2 channels but 3 channel names"):
        Image(array, "CYX", channel_names=("a", "b", "c"))


@pytest.mark.parametrize("dtype", [complex, "U3", object, "datetime64[s]"])
def test_images_of_no_real_numbers_are_refused(dtype):
    with pytest.raises(DataError, match=r"voxels of odd\.tif are of type"):
        Image(np.zeros((8, 9), dtype), name="odd.tif")


@pytest.mark.parametrize(("shape", "axes"), [((8, 9, 3), ""), ((2, 8, 9), "CYX")])
def test_labels_with_channels_are_refused(shape, axes):
    with pytest.raises(DataError, match="one value per voxel"):
        LabelImage(np.zeros(shape, np.uint8), axes)


def test_classes_are_exchanged_without_changing_the_labels():
    labels = LabelImage(np.zeros((8, 9), int))
    named = labels.with_classes(table(0, 1))
    assert labels.classes is None
    assert named.classes == table(0, 1)
    assert named.array is labels.array


def table(*values, unlabelled=(), is_objects=False):
    rows = [
        ClassInfo(v, f"class {v}", "#ffffff", "class" if n else "background")
        for n, v in enumerate(values)
    ]
    rows += [ClassInfo(v, "unlabelled", "#808080", "unlabelled") for v in unlabelled]
    return ClassTable(tuple(rows), is_objects=is_objects)


INTEGER_DTYPES = (
    np.bool_, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64,
    np.uint64,
)  # fmt: skip


@st.composite
def labels_and_table(draw):
    """Labels of some integer type, all of whose values are classes or unlabelled."""
    dtype = np.dtype(draw(st.sampled_from(INTEGER_DTYPES)))
    known = hnp.from_dtype(dtype).filter(lambda value: int(value) != OUTSIDE)
    values = draw(st.lists(known, min_size=1, max_size=9, unique=True))
    values = [int(value) for value in values]
    n_classes = draw(st.integers(1, len(values)))
    labels = draw(hnp.arrays(dtype, (4, 5), elements=st.sampled_from(values)))
    classes, unlabelled = values[:n_classes], values[n_classes:]
    return labels, table(*classes, unlabelled=unlabelled)


@given(labels_and_table())
def test_labels_become_indices_and_labels_again(case):
    labels, classes = case
    indices = classes.to_index(labels)
    is_labelled = np.isin(labels, np.array(classes.values, labels.dtype))
    assert indices.dtype == np.uint8
    assert (indices[~is_labelled] == IGNORE_INDEX).all()
    assert (indices[is_labelled] < classes.n_classes).all()
    back = classes.to_values(indices[is_labelled])
    assert back.dtype.kind in "iu"
    np.testing.assert_array_equal(back, labels[is_labelled])


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ((0, 1), np.uint8),
        ((0, 255), np.uint8),
        ((0, 256), np.uint16),
        ((-1, 1), np.int8),
        ((-1, 200), np.int16),
        ((0, 70_000), np.uint32),
        ((0, 2**63 + 5), np.uint64),
    ],
)
def test_the_smallest_type_holds_the_values(values, dtype):
    back = table(*values).to_values(np.array([[0, 1]], np.uint8))
    assert back.dtype == dtype
    assert back.tolist() == [list(values)]


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int16, np.uint64, np.float32, np.float64]
)
def test_values_without_a_row_are_unlabelled(dtype):
    labels = np.array([0, 1, 2, 7, 100], dtype)
    classes = table(0, 7, 100, unlabelled=[2])
    assert classes.to_index(labels).tolist() == [0, 255, 255, 1, 2]


def test_a_painted_background_with_any_value_is_index_0():
    rows = (
        ClassInfo(2, "background", "#000000", "background"),
        ClassInfo(1, "cell", "#ffffff"),
        ClassInfo(0, "unlabelled", "#808080", "unlabelled"),
    )
    classes = ClassTable(rows, zero="unlabelled")
    assert classes.to_index(np.array([0, 1, 2])).tolist() == [255, 1, 0]
    assert classes.values == (2, 1)
    assert classes.names == ("background", "cell")
    assert classes.foreground == (1,)
    assert classes.unlabelled_values == (0,)
    assert classes.n_classes == 2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.uint64])
def test_object_ids_are_all_foreground(dtype):
    classes = table(0, 1, unlabelled=[255], is_objects=True)
    labels = np.array([[0, 1, 2], [77, 254, 255]], dtype)
    assert classes.to_index(labels).tolist() == [[0, 1, 1], [1, 1, 255]]


def test_large_object_ids_are_foreground():
    labels = np.array([0, 2**40, 2**64 - 1], np.uint64)
    assert table(0, 1, is_objects=True).to_index(labels).tolist() == [0, 1, 1]


def test_labels_are_not_changed():
    labels = np.array([0, 1, 2], np.uint8)
    table(1, 2).to_index(labels)
    assert labels.tolist() == [0, 1, 2]


def test_colors_are_hexadecimal_and_repeat():
    colors = [default_color(index) for index in range(40)]
    assert all(len(color) == 7 and int(color[1:], 16) >= 0 for color in colors)
    assert len(set(colors[:10])) == 10
