"""Regions and masks of a prediction."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segtrain.config import VolumeConfig
from napari_segtrain.errors import ConfigError, DataError
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.inference.volume.area import (
    Area,
    checked_area,
    empty_blocks,
    iter_outside,
)
from napari_segtrain.inference.volume.grid import BlockGrid

IMAGE = Image(np.zeros((20, 40, 60), np.uint8), "ZYX", name="cells")
FLAT = Image(np.zeros((3, 40, 60), np.uint8), "TYX", name="frames")
PLAIN = VolumeConfig()
ALL = slice(None)


@pytest.mark.parametrize(
    ("given_region", "expected"),
    [
        ((ALL, ALL, ALL), ((0, 20), (0, 40), (0, 60))),
        ((slice(10, None), slice(None, 8), ALL), ((10, 20), (0, 8), (0, 60))),
        ([slice(0, 4, 1), slice(np.int64(2), 8), ALL], ((0, 4), (2, 8), (0, 60))),
    ],
)
def test_open_slices_are_bounded(given_region, expected):
    found = checked_area(IMAGE, PLAIN, Area(given_region)).region
    assert found == tuple(slice(*ends) for ends in expected)
    assert all(type(part.start) is int for part in found)


def test_two_slices_do_for_a_flat_image():
    found = checked_area(FLAT, PLAIN, Area((ALL, slice(5, None)))).region
    assert found == (slice(0, 1), slice(0, 40), slice(5, 60))


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ((ALL, ALL), ":,: does not fit cells .axes ZYX.; give a range"),
        ((ALL, ALL, 3), ":,:,3 does not fit cells"),
        (slice(0, 4), "The region 0:4 does not fit cells"),
        ((ALL, ALL, slice(0, 4.5)), "0:4.5 along X is not in whole voxels"),
        ((ALL, slice(0, 8, 2), ALL), "along Y has a step of 2"),
        ((slice(0, 21), ALL, ALL), "0:21 along Z is not in cells, which has 20"),
        ((ALL, ALL, slice(-5, None)), "-5:60 along X is not in cells"),
        ((ALL, ALL, slice(70, None)), "70:60 along X is not in cells"),
        ((slice(4, 4), ALL, ALL), "4:4 along Z"),
    ],
)
def test_other_regions_get_a_sentence(region, words):
    with pytest.raises(DataError, match=words):
        checked_area(IMAGE, PLAIN, Area(region))


def test_masks_and_resolutions_are_compared_with_the_image():
    for shape in ((21, 40, 60), (20, 80, 60)):
        mask = LabelImage(np.ones(shape, bool), "ZYX", name="tissue")
        with pytest.raises(DataError, match=r"mask tissue .* as large or smaller"):
            checked_area(IMAGE, PLAIN, Area(mask=mask))
    frames = LabelImage(np.ones((2, 40, 60), bool), "TYX")
    with pytest.raises(DataError, match="give one mask"):
        checked_area(FLAT, PLAIN, Area(mask=frames))
    with pytest.raises(ConfigError, match="by 21 along Z"):
        checked_area(IMAGE, VolumeConfig(downsampling=(21, 1, 1)), None)


sizes = st.tuples(*[st.integers(1, 12)] * 3)


@given(sizes, sizes, st.tuples(*[st.integers(1, 3)] * 3), st.data())
def test_blocks_without_voxels_of_the_area_are_left_empty(shape, block, steps, data):
    """Whatever the resolution of the prediction and of the mask."""
    coarse = tuple(-(-n // step) for n, step in zip(shape, steps, strict=True))
    grid = BlockGrid((2,), coarse, block)
    starts = [data.draw(st.integers(0, n - 1)) for n in shape]
    stops = [
        data.draw(st.integers(start + 1, n))
        for start, n in zip(starts, shape, strict=True)
    ]
    region = tuple(map(slice, starts, stops))
    mask = np.zeros(shape, bool)
    mask[tuple(data.draw(st.integers(0, n - 1)) for n in shape)] = True
    in_region = np.zeros(shape, bool)
    in_region[region] = True
    area = Area(region, LabelImage(mask, "ZYX"))
    image, volume = Image(mask, "ZYX"), VolumeConfig(downsampling=steps)
    found = list(iter_outside(grid, image, volume, area))
    for number, reason in enumerate(found):
        fine = tuple(
            slice(part.start * step, part.stop * step)
            for part, step in zip(grid[number].box, steps, strict=True)
        )
        if not in_region[fine].any():
            assert reason == "region"
        elif mask[fine].any():
            assert reason is None
        else:
            assert reason == "mask"
    assert empty_blocks(grid, image, volume, area) == [
        number for number, reason in enumerate(found) if reason
    ]
    assert len(found) == 2 * math.prod(grid.sides)


def test_a_mask_may_be_of_several_steps():
    """Two voxels for four: each may be of two, or the first of three."""
    image = Image(np.zeros((4, 1, 1), np.uint8), "ZYX")
    area = Area(mask=LabelImage(np.array([1, 0], bool).reshape(2, 1, 1), "ZYX"))
    grid = BlockGrid((), (4, 1, 1), (1, 1, 1))
    assert empty_blocks(grid, image, PLAIN, area) == [3]


@given(sizes, sizes, st.tuples(*[st.integers(1, 4)] * 3), st.data())
def test_a_coarser_mask_loses_no_block(shape, block, factors, data):
    """One of every few voxels of a mask, or some of the last of them."""
    counts = zip(shape, factors, strict=True)
    coarse = np.zeros([-(-n // factor) for n, factor in counts], bool)
    voxel = tuple(data.draw(st.integers(0, n - 1)) for n in coarse.shape)
    coarse[voxel] = True
    grid = BlockGrid((), shape, block)
    image = Image(np.zeros(shape, np.uint8), "ZYX")
    area = Area(mask=LabelImage(coarse, "ZYX"))
    empty = empty_blocks(grid, image, PLAIN, area)
    fine = np.zeros(shape, bool)
    pairs = zip(voxel, factors, strict=True)
    fine[tuple(slice(n * factor, (n + 1) * factor) for n, factor in pairs)] = True
    assert not any(fine[grid[number].box].any() for number in empty)


def test_without_an_area_no_block_is_looked_at():
    grid = BlockGrid((), (1 << 40,) * 3, (1, 1, 1))
    assert empty_blocks(grid, IMAGE, PLAIN, Area()) == []
