from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segtrain.axes import (
    anisotropy,
    check_axes,
    format_voxel_size,
    guess_axes,
    item_axes,
    spatial_axes,
)
from napari_segtrain.errors import DataError

axes_strings = st.lists(st.sampled_from("TSCZYXVQ"), min_size=1, unique=True).map(
    "".join
)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5, 4), "YX"),
        ((64, 3), "YX"),
        ((30, 64, 64), "ZYX"),
        ((64, 64, 3), "YXC"),
        ((64, 64, 4), "YXC"),
        ((64, 64, 5), "ZYX"),
        ((3, 64, 64), "ZYX"),
        ((64, 3, 3), "ZYX"),
        ((2, 30, 64, 64), "CZYX"),
        ((30, 64, 64, 3), "ZYXC"),
        ((9, 2, 30, 64, 64), "TCZYX"),
        ((9, 30, 64, 64, 3), "TZYXC"),
    ],
)
def test_axes_are_guessed_from_the_shape(shape, axes):
    assert guess_axes(shape) == axes


@given(st.lists(st.integers(1, 300), min_size=2, max_size=5))
def test_guessed_axes_fit_the_shape(shape):
    axes = guess_axes(shape)
    assert check_axes(axes, shape) == axes


@pytest.mark.parametrize("shape", [(), (5,), (1, 2, 3, 4, 5, 6)])
def test_other_numbers_of_dimensions_are_not_guessed(shape):
    with pytest.raises(DataError, match=rf"{len(shape)} dimensions.*--axes"):
        guess_axes(shape)


def test_lower_case_is_taken():
    assert check_axes("tzyx", (1, 2, 3, 4)) == "TZYX"


@pytest.mark.parametrize(
    ("axes", "shape", "words"),
    [
        ("YX", (1, 2, 3), r"'YX' name 2 dimensions, but my\.tif has 3"),
        ("ZYXX", (1, 2, 3, 4), "different letters"),
        ("Z-YX", (1, 2, 3, 4), "different letters"),
        ("ÄYX", (1, 2, 3), "different letters"),
        ("ZCX", (1, 2, 3), "lack Y or X"),
        ("CZY", (1, 2, 3), "lack Y or X"),
        ("ZYX", (0, 2, 3), r"no voxel in my\.tif"),
    ],
)
def test_axes_that_do_not_fit_are_refused(axes, shape, words):
    with pytest.raises(DataError, match=words):
        check_axes(axes, shape, name="my.tif")


@given(axes_strings)
def test_every_axis_is_spatial_an_item_axis_or_the_channel(axes):
    spatial, items = spatial_axes(axes), item_axes(axes)
    assert sorted(spatial + items + "C" * ("C" in axes)) == sorted(axes)
    assert spatial in "ZYX" or spatial == "ZX"
    assert items == "".join(a for a in axes if a in items)


def test_anisotropy_is_z_over_the_mean_of_y_and_x():
    assert anisotropy((4.0, 1.0, 1.0)) == 4
    assert anisotropy((3.0, 1.0, 2.0)) == 2


@pytest.mark.parametrize("voxel_size", [None, (0.5, 0.5)])
def test_unknown_voxel_size_or_no_z_means_unknown_anisotropy(voxel_size):
    assert anisotropy(voxel_size) is None


def test_voxel_size_for_people():
    assert format_voxel_size(None) == "unknown"
    assert format_voxel_size((0.5, 0.1, 0.1)) == "0.5 × 0.1 × 0.1 µm"
