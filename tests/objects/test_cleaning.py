import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_segtrain.image import IGNORE_INDEX
from napari_segtrain.objects.cleaning import (
    give_away_small,
    is_cut_off,
    take_majority,
)


def random_map(shape, n_classes=2, seed=0):
    noise = np.random.default_rng(seed).integers(0, n_classes, shape)
    return noise.astype(np.uint8)


def rows(*text):
    """A map of one slice, a digit per voxel and ``.`` where unlabelled."""
    digits = [[IGNORE_INDEX if c == "." else int(c) for c in row] for row in text]
    return np.array([digits], np.uint8)


@pytest.mark.parametrize("width", [3, 5])
def test_of_two_classes_the_majority_is_the_median(width):
    indices = random_map((3, 20, 23))
    found = take_majority(indices, (1, width, width), 2)
    expected = ndimage.median_filter(indices, (1, width, width))
    inner = slice(width // 2, -(width // 2))
    np.testing.assert_array_equal(
        found[:, inner, inner], expected[:, inner, inner], strict=True
    )


def test_a_window_of_a_volume_looks_at_other_slices():
    indices = np.zeros((3, 5, 5), np.uint8)
    indices[1, 1:4, 1:4] = 1
    assert take_majority(indices, (1, 3, 3), 2)[1, 2, 2] == 1
    assert take_majority(indices, (3, 3, 3), 2)[1, 2, 2] == 0


def test_a_voxel_keeps_its_class_when_no_other_has_more_votes():
    np.testing.assert_array_equal(
        take_majority(rows("0012"), (1, 1, 3), 3), rows("0012")
    )


def test_unlabelled_voxels_stay_and_have_no_vote():
    found = take_majority(rows("1..0.0"), (1, 1, 3), 2)
    np.testing.assert_array_equal(found, rows("1..0.0"))


def test_small_parts_go_to_the_class_around_them():
    indices = rows(
        "0000000",
        "0110222",
        "0000222",
        "1110211",
        "1110222",
    )
    expected = rows(
        "0000000",
        "0000222",
        "0000222",
        "1110222",
        "1110222",
    )
    found = give_away_small(indices, (0, 5, 0), per_slice=True)
    np.testing.assert_array_equal(found, expected)


def test_a_part_of_the_background_can_be_too_small_as_well():
    indices = rows("1111", "1011", "1111", "0000", "0000")
    found = give_away_small(indices, (4, 0), per_slice=True)
    np.testing.assert_array_equal(found, rows("1111", "1111", "1111", "0000", "0000"))


def test_small_neighbors_do_not_count_and_without_others_nothing_changes():
    indices = rows("11111", "10001", "10201", "10001", "11111")
    found = give_away_small(indices, (9, 0, 9), per_slice=True)
    np.testing.assert_array_equal(
        found, rows("11111", "11111", "11211", "11111", "11111")
    )
    alone = rows("...", ".2.", "...")
    np.testing.assert_array_equal(
        give_away_small(alone, (9, 0, 9), per_slice=True), alone
    )


def test_parts_of_slices_are_not_those_of_a_volume():
    indices = np.zeros((3, 4, 4), np.uint8)
    indices[:, 1, 1] = 1
    least = (0, 3)
    assert give_away_small(indices, least, per_slice=False).sum() == 3
    assert give_away_small(indices, least, per_slice=True).sum() == 0


@given(st.integers(0, 99), st.integers(2, 12))
def test_what_is_left_is_large_enough_or_was_surrounded_by_small_parts(seed, least):
    indices = random_map((1, 9, 11), 3, seed)
    found = give_away_small(indices, (0, least, 0), per_slice=True)
    components, _ = ndimage.label(found == 1)
    sizes = np.bincount(components.ravel())[1:]
    assert (sizes >= least).all()


LINE = (slice(0, 1), slice(0, 1), slice(3, 6))
GOES_ON = ((False, False), (False, False), (True, True))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("000000000", False),  # large
        ("001111100", False),  # small, but it ends in the part
        ("011111111", True),  # small as far as it is seen, and in the core
        ("111000000", False),  # small and cut off, but not beside the core
        ("110000001", False),
        ("000111222", True),  # beside a small one of the core
        ("000010222", False),
    ],
)
def test_a_part_that_goes_on_is_cut_off(row, expected):
    assert is_cut_off(rows(row), (0, 9, 9), LINE, GOES_ON, per_slice=False) == expected


def test_nothing_is_cut_off_where_the_image_ends():
    ends = ((False, False),) * 3
    assert not is_cut_off(rows("011111111"), (0, 9, 9), LINE, ends, per_slice=False)
