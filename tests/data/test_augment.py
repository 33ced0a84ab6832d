from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_segtrain.config import AugmentationConfig
from napari_segtrain.config.presets import complete_augmentation
from napari_segtrain.data.augment import augment
from napari_segtrain.data.orientation import orient
from napari_segtrain.image import IGNORE_INDEX

OFF = {
    "flips": False, "rotations": False, "affine_probability": 0, "brightness": 0,
    "contrast": 0, "noise": 0,
}  # fmt: skip
GEOMETRY = OFF | {"affine_probability": 1, "max_rotation": 30, "max_scale": 1.3}
INTENSITY = {"brightness": 0.4, "contrast": 0.5, "noise": 0.2}

shapes = pytest.mark.parametrize("shape", [(48, 48), (40, 64), (6, 32, 48)])


def complete(**settings):
    return complete_augmentation(AugmentationConfig(**{"preset": "light"} | settings))


def config(**settings):
    return complete(**(OFF | settings))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def discs(shape, n=3):
    """A batch whose image is its label: a disc of 1 that is off the center."""
    grid = np.indices(shape)[-2:]
    y, x = (s / 3 for s in shape[-2:])
    disc = ((grid[0] - y) ** 2 + (grid[1] - 1.6 * x) ** 2 < (y * 0.8) ** 2).astype(
        float
    )
    images = torch.from_numpy(np.stack([disc[None]] * n)).float()
    return images, images[:, 0].to(torch.uint8)


def noise(shape=(3, 2, 24, 24), seed=0):
    images = torch.randn(shape, generator=generator(seed))
    return images, torch.randint(0, 3, (shape[0], *shape[2:])).to(torch.uint8)


class TestOrient:
    cube = np.arange(4 * 6 * 6, dtype=np.float32).reshape(1, 4, 6, 6)

    @given(st.integers(0, 200))
    def test_labels_move_with_the_image(self, seed):
        rng = np.random.default_rng(seed)
        target = (self.cube[0] % 251).astype(np.uint8)
        image, moved = orient(self.cube, target, complete(), rng)
        np.testing.assert_array_equal(image[0] % 251, moved)
        assert sorted(image.ravel()) == sorted(self.cube.ravel())

    def test_all_orientations_occur_equally_often(self):
        square = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
        rng = np.random.default_rng(0)
        target = square[0].astype(np.uint8)
        seen = {}
        for _ in range(800):
            image, _ = orient(square, target, complete(), rng)
            key = tuple(image.ravel())
            seen[key] = seen.get(key, 0) + 1
        assert len(seen) == 8
        assert min(seen.values()) > 50

    def test_patches_that_are_not_square_are_mirrored_only(self):
        image = np.zeros((1, 1, 4, 6), np.float32)
        rng = np.random.default_rng(0)
        for _ in range(20):
            turned, _ = orient(image, image[0].astype(np.uint8), complete(), rng)
            assert turned.shape == image.shape

    def test_depth_is_not_turned_into_the_plane(self):
        rng = np.random.default_rng(0)
        planes = {
            tuple(plane.ravel()) for plane in np.sort(self.cube[0].reshape(4, -1))
        }
        for _ in range(20):
            image, _ = orient(self.cube, self.cube[0].astype(np.uint8), complete(), rng)
            assert {tuple(p) for p in np.sort(image[0].reshape(4, -1))} == planes

    def test_switched_off_it_is_the_identity(self):
        rng = np.random.default_rng(0)
        target = self.cube[0].astype(np.uint8)
        image, moved = orient(self.cube, target, config(), rng)
        np.testing.assert_array_equal(image, self.cube)
        np.testing.assert_array_equal(moved, target)


@shapes
def test_switched_off_it_is_the_identity(shape):
    images, targets = discs(shape)
    images += noise(images.shape)[0]
    changed, moved = augment(images, targets, config(), generator())
    assert torch.equal(changed, images)
    assert torch.equal(moved, targets)


@shapes
@pytest.mark.parametrize("seed", range(5))
def test_small_rotations_and_scales_move_labels_with_the_image(shape, seed):
    images, targets = discs(shape)
    changed, moved = augment(images, targets, config(**GEOMETRY), generator(seed))
    inside = moved != IGNORE_INDEX
    agree = (changed[:, 0] > 0.5) == (moved == 1)
    assert not torch.equal(changed, images)
    assert inside.float().mean() > 0.5
    assert agree[inside].float().mean() > 0.98


def test_circles_stay_round_in_long_patches():
    y, x = np.indices((40, 160))
    disc = torch.from_numpy((y - 19.5) ** 2 + (x - 100) ** 2 < 144)
    targets = torch.stack([disc] * 20).to(torch.uint8)
    settings = config(**GEOMETRY | {"max_rotation": 12, "max_scale": 1})
    _, moved = augment(targets[:, None].float(), targets, settings, generator())
    spreads = [
        [float(where.float().std()) for where in torch.nonzero(m == 1, as_tuple=True)]
        for m in moved
        if (m == 1).sum() == pytest.approx(disc.sum().item(), rel=0.02)
    ]
    assert len(spreads) > 5
    for along_y, along_x in spreads:
        assert along_y == pytest.approx(along_x, rel=0.03)


@shapes
def test_what_comes_from_outside_the_patch_is_unlabelled(shape):
    images, targets = discs(shape)
    settings = config(**GEOMETRY | {"max_rotation": 45})
    _, moved = augment(images, targets.fill_(1), settings, generator(1))
    assert set(moved.unique().tolist()) == {1, IGNORE_INDEX}


@shapes
def test_no_label_is_made_up(shape):
    images, targets = discs(shape)
    targets[targets == 1] = 200
    targets[..., :4] = IGNORE_INDEX
    _, moved = augment(images, targets, config(**GEOMETRY), generator(2))
    assert set(moved.unique().tolist()) <= {0, 200, IGNORE_INDEX}


@shapes
@given(seed=st.integers(0, 1000))
def test_types_shapes_and_finite_voxels_are_kept(shape, seed):
    images, targets = discs(shape, n=2)
    settings = complete(affine_probability=1, **INTENSITY)
    changed, moved = augment(images, targets, settings, generator(seed))
    assert (changed.shape, changed.dtype) == (images.shape, torch.float32)
    assert (moved.shape, moved.dtype) == (targets.shape, torch.uint8)
    assert torch.isfinite(changed).all()


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_constant_patches_stay_finite(value):
    images, targets = torch.full((2, 1, 16, 16), value), torch.zeros(2, 16, 16)
    settings = complete(affine_probability=1, **INTENSITY)
    changed, _ = augment(images, targets.to(torch.uint8), settings, generator())
    torch.testing.assert_close(changed, images)


def test_the_same_seed_gives_the_same_result_and_inputs_stay_as_they_are():
    images, targets = noise()
    before = images.clone(), targets.clone()
    settings = complete(affine_probability=1, **INTENSITY)
    torch.manual_seed(0)
    first = augment(images, targets, settings, generator(4))
    torch.manual_seed(1)
    second = augment(images, targets, settings, generator(4))
    other = augment(images, targets, settings, generator(5))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])
    assert torch.equal(images, before[0])
    assert torch.equal(targets, before[1])


@pytest.mark.parametrize(("probability", "expected"), [(0, 0), (0.3, 0.3), (1, 1)])
def test_the_share_of_affine_batches_is_as_asked_for(probability, expected):
    images, targets = noise((1, 1, 8, 8))
    settings = config(**GEOMETRY | {"affine_probability": probability})
    moved = [
        not torch.equal(augment(images, targets, settings, generator(seed))[0], images)
        for seed in range(300)
    ]
    assert np.mean(moved) == pytest.approx(expected, abs=0.08)


class TestIntensity:
    images, targets = noise((64, 1, 16, 16))

    def change(self, **settings):
        changed, moved = augment(
            self.images, self.targets, config(**settings), generator()
        )
        assert torch.equal(moved, self.targets)
        return changed

    def test_brightness_shifts_each_channel_of_each_patch(self):
        shift = (self.change(brightness=0.5) - self.images).flatten(1)
        assert shift.std(1).max() < 1e-5
        amounts = shift.mean(1)
        assert 0.3 < amounts.abs().max() <= 0.51
        assert len(amounts.round(decimals=4).unique()) == 64

    def test_contrast_multiplies_within_its_range(self):
        ratio = self.change(contrast=0.5).flatten(1).std(1) / self.images.flatten(
            1
        ).std(1)
        assert 1 / 1.5 - 1e-4 <= ratio.min() < 0.8
        assert 1.2 < ratio.max() <= 1.5 + 1e-4

    def test_noise_is_at_most_as_strong_as_said(self):
        strength = (self.change(noise=0.3) - self.images).flatten(1).std(1)
        assert 0.2 < strength.max() <= 0.33
        assert strength.min() < 0.1
