import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.inference.helpers import tiny_model

from napari_segtrain.boxes import full_box
from napari_segtrain.config import InferenceConfig, UNetConfig
from napari_segtrain.inference.tile_settings import choose_tiles
from napari_segtrain.inference.tiling import plan_tiles
from napari_segtrain.networks import describe_network

INFOS = {
    (dims, norm): tiny_model(dims, depth=2, norm=norm).info
    for dims in (2, 3)
    for norm in ("batch", "instance")
}
PLANE, VOLUME = INFOS[2, "batch"], INFOS[3, "batch"]


def choose(shape, info, *, max_voxels=1 << 20, box=None, **settings):
    config = InferenceConfig(**settings)
    box = box or full_box(shape)
    return choose_tiles(shape, box, info, config, max_voxels=max_voxels)


def plan(shape, info, settings):
    return plan_tiles(shape, settings.tile, settings.halo, settings.overlap, info.grid)


@pytest.mark.parametrize("info", INFOS.values())
@given(
    shape=st.tuples(*[st.integers(16, 3000)] * 3),
    max_voxels=st.integers(1 << 15, 1 << 22),
)
def test_automatic_tiles_keep_to_the_memory_and_can_be_planned(info, shape, max_voxels):
    settings = choose(shape, info, max_voxels=max_voxels)
    assert math.prod(settings.tile) * settings.batch_size <= max_voxels
    for size, step in zip(settings.tile, info.grid, strict=True):
        assert size % step == 0
    for axis in range(3):
        line = [
            min(n, 3 * t) if i == axis else 1
            for i, (n, t) in enumerate(zip(shape, settings.tile, strict=True))
        ]
        assert plan(tuple(line), info, settings)


def test_a_plane_that_fits_is_one_tile():
    assert choose((30, 500, 700), PLANE).tile == (1, 500, 700)


def test_small_slices_form_a_batch():
    assert choose((30, 128, 128), PLANE, max_voxels=4 * 128 * 128).batch_size == 4


def test_planes_in_tiles_are_exact_without_overlap():
    settings = choose((1, 3000, 3000), PLANE)
    assert settings.halo[1] >= PLANE.radius[1]
    assert settings.overlap == (0, 0, 0)


def test_a_short_axis_of_a_volume_is_not_cut():
    settings = choose((40, 800, 800), VOLUME)
    assert settings.tile[0] == 40
    assert settings.tile[1] < 800


def test_tiles_are_no_larger_than_their_number_needs():
    # A hair longer than what fits: two tiles of half the length, not two whole ones.
    settings = choose((1, 1030, 1030), PLANE, max_voxels=1 << 20)
    n_voxels = len(plan((1, 1030, 1030), PLANE, settings)) * math.prod(settings.tile)
    assert n_voxels < 1.2 * 1030 * 1030


def test_a_volume_blends_one_step_of_the_grid():
    settings = choose((300, 300, 300), VOLUME)
    assert settings.overlap == VOLUME.grid
    assert 0 < settings.halo[0] <= VOLUME.radius[0]


def test_a_network_that_is_not_local_blends_a_share():
    info = INFOS[2, "instance"]
    settings = choose((1, 500, 500), info, tile_size=(1, 64, 64))
    assert settings.tile == (1, 64, 64)
    assert settings.halo == (0, 8, 8)
    assert settings.overlap == (0, 12, 12)


def test_wishes_are_respected_and_rounded_to_the_grid():
    settings = choose(
        (1, 500, 500),
        PLANE,
        tile_size=(9, 61, 64),
        halo=(3, 5, 6),
        overlap=0.25,
        batch_size=3,
    )
    assert settings.tile == (1, 64, 64)
    assert settings.halo == (0, 5, 6)
    assert settings.overlap == (0, 14, 13)
    assert settings.batch_size == 3


def test_a_tile_of_one_step_of_the_grid_has_no_halo():
    # a network that is not local is predicted in tiles of its patch, which may be that
    info = INFOS[3, "instance"]
    shape, tile = (51, 120, 122), (info.grid[0], 64, 64)
    settings = choose(shape, info, tile_size=tile)
    assert (settings.tile, settings.halo[0]) == (tile, 0)
    assert settings.halo[1] > 0
    assert plan(shape, info, settings)
    small = settings
    while small is not None:
        assert plan(shape, info, small)
        small = small.smaller(info)


def test_a_small_box_reads_its_context_in_one_tile():
    box = (slice(0, 1), slice(400, 420), slice(400, 420))
    settings = choose((1, 3000, 3000), PLANE, box=box)
    assert 20 + 2 * PLANE.radius[1] <= settings.tile[1] < 100


def test_smaller_tiles_end_at_the_smallest_that_the_network_takes():
    settings = choose((200, 200, 200), VOLUME)
    sizes = [math.prod(settings.tile)]
    while settings := settings.smaller(VOLUME):
        sizes.append(math.prod(settings.tile))
        assert settings.batch_size == 1
        assert plan((200, 200, 200), VOLUME, settings)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] <= 4 * math.prod(VOLUME.min_size)


def test_a_measured_halo_is_taken_and_needs_no_blending():
    info = replace(VOLUME, halo=(4, 6, 6))
    settings = choose((300, 300, 300), info)
    assert settings.halo == (4, 6, 6)
    assert settings.overlap == (0, 0, 0)
    assert settings.tile != choose((300, 300, 300), VOLUME).tile
    assert choose((300, 300, 300), info, halo="exact").halo >= info.radius


def test_volumes_with_an_exact_halo_shrink_until_nothing_is_left_to_give_up():
    config = UNetConfig(dims=3, depth=3, stem=1, first_filters=8)
    info = describe_network(config, in_channels=1, n_classes=2)
    settings = choose((400, 400, 400), info, max_voxels=200**3, halo="exact")
    halo, n_steps = settings.halo, 0
    while (following := settings.smaller(info)) is not None:
        assert math.prod(following.tile) < math.prod(settings.tile)
        settings, n_steps = following, n_steps + 1
        assert settings.halo == halo
        assert plan((400, 400, 400), info, settings)
    assert n_steps >= 3
    least = [2 * n + grid for n, grid in zip(halo, info.grid, strict=True)]
    assert list(settings.tile) == [
        -(-n // g) * g for n, g in zip(least, info.grid, strict=True)
    ]


def test_a_halo_that_was_asked_for_stays_when_tiles_shrink():
    settings = choose((1, 3000, 3000), PLANE, halo=(0, 20, 20))
    smaller = settings
    while (following := smaller.smaller(PLANE)) is not None:
        smaller = following
        assert smaller.halo == (0, 20, 20)
    assert smaller.tile[1] < settings.tile[1]
    assert smaller.tile[1] - 2 * 20 >= PLANE.grid[1]


@pytest.mark.slow
def test_a_measured_halo_stays_as_long_as_there_is_room():
    info = replace(VOLUME, halo=(12, 12, 12))
    settings = choose((300, 300, 300), info)
    previous = settings
    while settings is not None and settings.halo == (12, 12, 12):
        assert settings.overlap == (0, 0, 0)
        assert plan((300, 300, 300), info, settings)
        previous, settings = settings, settings.smaller(info)
    assert min(previous.tile) - 2 * 12 <= 2 * info.grid[0]
    while settings is not None:  # shorter than measured: what is left is blended
        for halo, overlap, tile in zip(
            settings.halo, settings.overlap, settings.tile, strict=True
        ):
            room = tile - 2 * halo - info.grid[0]
            assert halo == 12 or overlap >= min(info.grid[0], room)
        assert plan((300, 300, 300), info, settings)
        settings = settings.smaller(info)


def test_a_tile_that_was_asked_for_keeps_a_measured_halo():
    info = replace(VOLUME, halo=(12, 12, 12))
    assert choose((300, 300, 300), info, tile_size=(32, 32, 32)).halo == (12, 12, 12)
    small = choose((300, 300, 300), info, tile_size=(24, 24, 24))
    assert max(small.halo) < 12
    assert small.overlap == info.grid


def test_one_number_is_a_halo_along_all_axes():
    assert choose((300, 300, 300), VOLUME, halo=4).halo == (4, 4, 4)
