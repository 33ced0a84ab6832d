from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segtrain.config.presets import Augmentation, Geometry, StackFaults
from napari_segtrain.data.chance import Chance
from napari_segtrain.data.splines import spline_field
from napari_segtrain.data.warp import Warp, crop, draw_warp, is_in_plane
from napari_segtrain.image import IGNORE_INDEX

OFF = Geometry()
ALL = Geometry(
    rotation_probability=1, scale_probability=1, axis_scale_probability=1,
    max_axis_scale=1.3, shear_probability=1, elastic_probability=1, max_displacement=3,
    elastic_spacing=12, in_depth=True,
)  # fmt: skip
SIZES = [(24, 24), (20, 32), (8, 16, 24)]
sizes = pytest.mark.parametrize("size", SIZES)


def drawn(size, n=3, seed=0, in_plane=False, geometry=ALL, **others):
    values = Augmentation(
        affine_probability=1, max_rotation=40, max_scale=1.3, geometry=geometry
    )
    chance = Chance(torch.Generator().manual_seed(seed), n)
    return draw_warp(replace(values, **others), size, chance, in_plane=in_plane)


def made(size, matrix=None, bends=None, shifts=None, n_axes=None, geometry=OFF):
    """A warp of one patch."""
    n_axes = n_axes or len(size)
    matrix = torch.eye(n_axes) if matrix is None else torch.tensor(matrix)
    return Warp(size, (0,), matrix.float()[None], bends, shifts, geometry)


def wide_shape(size, margin):
    return [s + 2 * m for s, m in zip(size, margin[-len(size) :], strict=True)]


def ramp(shape, steps=(0.3, 1.0, -2.0)):
    """Intensities that grow linearly along each axis, 0 in the center."""
    axes = [torch.arange(s) - (s - 1) / 2 for s in shape]
    grids = torch.meshgrid(*axes, indexing="ij")
    return sum(step * g for step, g in zip(steps[-len(shape) :], grids, strict=True))


def blobs(shape, n=3, seed=0):
    """Images of 0 and 1 that are their own labels."""
    noise = torch.randn(n, 1, *shape, generator=torch.Generator().manual_seed(seed))
    pool = torch.nn.functional
    smooth = pool.avg_pool3d if len(shape) == 3 else pool.avg_pool2d
    images = (smooth(noise, 5, 1, 2) > 0).float()
    return images, images[:, 0].to(torch.uint8)


@sizes
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("in_plane", [True, False])
def test_labels_stay_on_the_image(size, seed, in_plane):
    warp = drawn(size, seed=seed, in_plane=in_plane)
    images, targets = blobs(wide_shape(size, warp.margin()))
    warped, moved = warp.apply(images, targets, warp.margin())
    warped = warped[:, 0]
    assert warped.shape == moved.shape == (3, *size)
    sure = (warped < 1e-4) | (warped > 1 - 1e-4)
    assert sure.float().mean() > 0.3
    assert torch.equal((warped > 0.5)[sure], (moved == 1)[sure])
    assert not torch.equal(moved, crop(targets, warp.margin()))


@sizes
@pytest.mark.parametrize("in_plane", [True, False])
def test_a_warped_patch_shows_the_true_surroundings(size, in_plane):
    """A linear ramp, warped linearly, is the ramp at the position each voxel is from.

    That holds beyond the patch as well, so no border was made up.
    """
    geometry = replace(ALL, elastic_probability=0)
    warp = drawn(size, in_plane=in_plane, geometry=geometry)
    wide = wide_shape(size, warp.margin())
    n_axes = warp.matrices.shape[-1]
    images = ramp(wide).expand(3, 2, *wide) * torch.tensor([1.0, -3.0]).view(
        1, 2, *[1] * len(size)
    )
    targets = torch.ones(3, *wide, dtype=torch.uint8)
    warped, moved = warp.apply(images, targets, warp.margin())
    assert (moved == 1).all()
    steps = torch.tensor((0.3, 1.0, -2.0))
    for number, matrix in enumerate(warp.matrices):
        slope = steps.clone()
        slope[-n_axes:] = steps[-n_axes:] @ matrix
        expected = ramp(size, slope.tolist())
        for channel, factor in enumerate((1.0, -3.0)):
            torch.testing.assert_close(
                warped[number, channel], factor * expected, atol=2e-3, rtol=1e-3
            )


@settings(max_examples=60)
@given(
    st.sampled_from(SIZES),
    st.integers(0, 1000),
    st.floats(0, 180),
    st.floats(1, 2),
    st.floats(0, 45),
    st.floats(0, 20),
    st.sampled_from(["linear", "cubic"]),
)
def test_the_margin_is_all_that_is_looked_at(
    size, seed, angle, scale, shear, bend, interpolation
):
    geometry = replace(
        ALL, max_shear=shear, max_displacement=bend, max_axis_scale=scale,
        interpolation=interpolation,
    )  # fmt: skip
    warp = drawn(
        size, 2, seed, geometry=geometry, max_rotation=angle, max_scale=scale,
        stack=StackFaults(shift_probability=0.5),
    )  # fmt: skip
    wide = wide_shape(size, warp.margin())
    if math.prod(wide) > 1 << 20:
        return
    targets = torch.ones(2, *wide, dtype=torch.uint8)
    images = torch.ones(2, 1, *wide)
    warped, moved = warp.apply(images, targets, warp.margin())
    assert (moved == 1).all()
    torch.testing.assert_close(warped, torch.ones_like(warped))


@sizes
def test_what_is_unlabelled_stays_so_and_so_does_what_lies_beyond(size):
    warp = drawn(size, seed=2)
    wide = wide_shape(size, warp.margin())
    images, targets = blobs(wide)
    everything = torch.full_like(targets, IGNORE_INDEX)
    assert (warp.apply(images, everything, warp.margin())[1] == IGNORE_INDEX).all()
    near = crop(images, warp.margin()), crop(targets, warp.margin())
    _, moved = warp.apply(*near, (0, 0, 0))
    share = (moved == IGNORE_INDEX).float().mean()
    assert 0 < share < 0.9
    _, expected = warp.apply(images, targets, warp.margin())
    assert torch.equal(moved[moved != IGNORE_INDEX], expected[moved != IGNORE_INDEX])


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
@sizes
def test_standing_still_is_the_identity(size, interpolation):
    warp = made(size, geometry=replace(OFF, interpolation=interpolation))
    images = torch.randn(1, 2, *wide_shape(size, warp.margin()))
    targets = torch.randint(0, 5, (1, *images.shape[2:])).to(torch.uint8)
    warped, moved = warp.apply(images, targets, warp.margin())
    torch.testing.assert_close(
        warped, crop(images, warp.margin()), atol=1e-4, rtol=1e-4
    )
    assert torch.equal(moved, crop(targets, warp.margin()))


@pytest.mark.parametrize("size", [(16, 16), (4, 16, 16)])
def test_a_quarter_turn_is_a_quarter_turn(size):
    warp = made(size, [[0, -1], [1, 0]], n_axes=2)
    images = torch.randn(1, 2, *wide_shape(size, warp.margin()))
    targets = torch.randint(0, 5, (1, *images.shape[2:])).to(torch.uint8)
    warped, moved = warp.apply(images, targets, warp.margin())
    plain = crop(images, warp.margin()), crop(targets, warp.margin())
    expected = [torch.rot90(part, -1, (-2, -1)) for part in plain]
    torch.testing.assert_close(warped, expected[0], atol=1e-4, rtol=1e-4)
    assert torch.equal(moved, expected[1])


@pytest.mark.parametrize("n_axes", [2, 3])
def test_a_shifted_slice_shows_a_point_elsewhere_and_others_do_not(n_axes):
    size = (4, 17, 17)
    shifts = torch.zeros(1, 4, 2)
    shifts[0, 1], shifts[0, 2] = torch.tensor([2.0, -3.0]), torch.tensor([0.5, 0.0])
    warp = made(size, shifts=shifts, n_axes=n_axes)
    margin = warp.margin()
    assert margin[1:] == (4, 4)
    images = torch.zeros(1, 1, *wide_shape(size, margin))
    crop(images, margin)[..., 8, 8] = 1
    targets = images[:, 0].to(torch.uint8)
    warped, moved = (part.squeeze() for part in warp.apply(images, targets, margin))
    for z, place in ((0, (8, 8)), (1, (6, 11)), (3, (8, 8))):
        assert torch.nonzero(warped[z] > 0.99).tolist() == [list(place)]
        assert torch.nonzero(moved[z]).tolist() == [list(place)]
    torch.testing.assert_close(warped[2, 7:9, 8], torch.tensor([0.5, 0.5]))


def test_scale_enlarges_and_shrinks_within_its_range():
    geometry = Geometry(scale_probability=1)
    warp = drawn((41, 41), 200, geometry=geometry, max_scale=1.5)
    factors = 1 / warp.matrices[:, 0, 0]
    assert torch.equal(warp.matrices[:, 0, 0], warp.matrices[:, 1, 1])
    assert not warp.matrices[:, 0, 1].any()
    assert 1 / 1.5 <= factors.min() < 0.75
    assert 1.3 < factors.max() <= 1.5
    assert (factors > 1).float().mean() == pytest.approx(0.5, abs=0.1)
    radius = ramp((101, 101), (1.0, 0.0)) ** 2 + ramp((101, 101), (0.0, 1.0)) ** 2
    disc = (radius < 64).to(torch.uint8)[None]
    double = made((41, 41), [[0.5, 0], [0, 0.5]])
    _, moved = double.apply(disc[:, None].float(), disc, (0, 30, 30))
    assert moved.sum().item() == pytest.approx(4 * disc.sum().item(), rel=0.05)


def test_each_axis_is_stretched_on_its_own():
    geometry = Geometry(axis_scale_probability=1, max_axis_scale=1.4)
    warp = drawn((16, 16), 100, geometry=geometry)
    y, x = warp.matrices[:, 0, 0], warp.matrices[:, 1, 1]
    assert abs(np.corrcoef(y, x)[0, 1]) < 0.3
    assert 1 / 1.4 - 1e-6 <= min(y.min(), x.min()) < max(y.max(), x.max()) <= 1.4001


def test_shear_leaves_the_axes_at_their_scale():
    geometry = Geometry(shear_probability=1, max_shear=20)
    warp = drawn((16, 16), 100, geometry=geometry)
    assert (warp.matrices.diagonal(dim1=1, dim2=2) == 1).all()
    slopes = warp.matrices[:, 0, 1].abs()
    assert 0.25 < slopes.max() <= math.tan(math.radians(20)) + 1e-6


def test_rotation_keeps_lengths_and_stays_within_its_angle():
    geometry = Geometry(rotation_probability=1, in_depth=True)
    for size in SIZES:
        warp = drawn(size, 100, geometry=geometry, max_rotation=10)
        product = warp.matrices @ warp.matrices.transpose(1, 2)
        torch.testing.assert_close(product, torch.eye(len(size)).expand_as(product))
        if len(size) == 2:
            angles = torch.rad2deg(torch.acos(warp.matrices[:, 0, 0]))
            assert 8 < angles.max() <= 10.01


def test_bending_is_smooth_and_within_its_range():
    geometry = Geometry(elastic_probability=1, max_displacement=4, elastic_spacing=24)
    warp = drawn((96, 96), 4, geometry=geometry)
    wide = wide_shape((96, 96), warp.margin())
    images = ramp(wide, (0.0, 1.0)).expand(4, 1, *wide)
    warped, _ = warp.apply(
        images, torch.zeros(4, *wide, dtype=torch.uint8), warp.margin()
    )
    moved = warped[:, 0] - ramp((96, 96), (0.0, 1.0))
    assert 1 < moved.abs().max() <= 4.01
    assert moved.diff(dim=1).abs().max() < 0.6
    assert len(moved[0].round(decimals=2).unique()) > 50


@given(st.floats(4, 40), st.integers(1, 50))
def test_splines_keep_constants_and_lines(spacing, length):
    n_points = math.ceil(length / spacing) + 3
    points = torch.arange(n_points, dtype=torch.float32)
    field = spline_field(points.view(1, 1, -1), (length,), spacing)
    expected = torch.arange(length) / spacing + 1
    torch.testing.assert_close(field[0, 0], expected, atol=1e-4, rtol=1e-4)
    ones = spline_field(torch.ones(1, 1, n_points), (length,), spacing)
    torch.testing.assert_close(ones, torch.ones(1, 1, length))


@pytest.mark.parametrize(
    ("in_depth", "in_plane", "is_moved"),
    [(True, False, True), (True, True, False), (False, False, False)],
)
def test_depth_is_touched_only_where_it_may_be(in_depth, in_plane, is_moved):
    size = (6, 16, 16)
    geometry = replace(ALL, in_depth=in_depth)
    warp = drawn(size, in_plane=in_plane, geometry=geometry)
    margin = warp.margin()
    assert (margin[0] > 0) is is_moved
    wide = wide_shape(size, margin)
    images = ramp(wide, (1.0, 0.0, 0.0)).expand(3, 1, *wide)
    targets = torch.zeros(3, *wide, dtype=torch.uint8)
    warped, _ = warp.apply(images, targets, margin)
    same = torch.allclose(
        warped, ramp(size, (1.0, 0.0, 0.0)).expand_as(warped), atol=1e-3
    )
    assert same is not is_moved


def test_every_slice_is_warped_in_the_same_way():
    size = (5, 24, 24)
    warp = drawn(size, in_plane=True)
    image, target = blobs(wide_shape((24, 24), warp.margin()))
    images = image.unsqueeze(2).expand(-1, -1, 5, -1, -1)
    targets = target.unsqueeze(1).expand(-1, 5, -1, -1)
    warped, moved = warp.apply(images, targets, warp.margin())
    assert (warped == warped[:, :, :1]).all()
    assert (moved == moved[:, :1]).all()


def test_samples_that_were_not_drawn_stay_as_they_are():
    geometry = Geometry(rotation_probability=0.5)
    warp = drawn((24, 24), 12, geometry=geometry)
    assert 2 < len(warp.moved) < 10
    images, targets = blobs(wide_shape((24, 24), warp.margin()), 12)
    images += torch.randn_like(images)
    warped, _ = warp.apply(images, targets, warp.margin())
    still = [
        i for i in range(12) if torch.equal(warped[i], crop(images, warp.margin())[i])
    ]
    assert sorted([*still, *warp.moved]) == list(range(12))


def test_nothing_drawn_is_no_warp():
    assert drawn((24, 24), geometry=OFF) is None
    assert drawn((24, 24), affine_probability=0) is None
    assert drawn((24, 24), stack=StackFaults(shift_probability=1), geometry=OFF) is None


@pytest.mark.parametrize(
    ("voxel_size", "expected"),
    [
        (None, True),
        ((1.0, 0.2, 0.2), True),
        ((0.2, 0.2, 0.2), False),
        ((0.24, 0.2, 0.2), False),
        ((0.1, 0.2, 0.2), True),
    ],
)
def test_volumes_of_long_or_unknown_voxels_are_warped_in_the_plane(
    voxel_size, expected
):
    assert is_in_plane(voxel_size) is expected
