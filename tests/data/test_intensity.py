from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_segtrain.config.presets import (
    Augmentation,
    Color,
    Geometry,
    Intensity,
    StackFaults,
)
from napari_segtrain.data import filters
from napari_segtrain.data.chance import Chance
from napari_segtrain.data.intensity import change_intensities

OFF = Augmentation()


def chance(n, seed=0):
    return Chance(torch.Generator().manual_seed(seed), n)


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def change(images, seed=0, **settings):
    before = images.clone()
    changed = change_intensities(
        images, Augmentation(**settings), chance(len(images), seed)
    )
    assert torch.equal(images, before)
    assert changed.shape == images.shape
    assert torch.isfinite(changed).all()
    return changed


def sure(**values):
    return {"intensity": Intensity(**values)}


VOLUME = noise(6, 3, 5, 12, 14)


def test_nothing_happens_without_probability():
    assert torch.equal(change(VOLUME), VOLUME)
    assert asdict(OFF.geometry) == asdict(Geometry())


CHANGES = {
    "brightness": sure(brightness_probability=1),
    "contrast": sure(contrast_probability=1),
    "gamma": sure(gamma_probability=1),
    "noise": sure(noise_probability=1),
    "Poisson noise": sure(poisson_probability=1),
    "blur": sure(blur_probability=1),
    "sharpening": sure(sharpen_probability=1),
    "low resolution": sure(low_resolution_probability=1),
    "cutout": sure(cutout_probability=1),
    "hue": {"color": Color(hue_probability=1)},
    "saturation": {"color": Color(saturation_probability=1)},
    "missing slice": {"stack": StackFaults(missing_probability=1)},
    "intensity jump": {"stack": StackFaults(jump_probability=1)},
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_is_made_and_named(name):
    draws = chance(6)
    changed = change_intensities(VOLUME, Augmentation(**CHANGES[name]), draws)
    for sample in range(6):
        assert not torch.equal(changed[sample], VOLUME[sample])
    assert draws.names == [[name]] * 6


@pytest.mark.parametrize("name", CHANGES)
def test_only_drawn_samples_are_changed(name):
    settings = {
        section: type(values)(
            **{
                key: 0.4 if key.endswith("probability") and value == 1 else value
                for key, value in asdict(values).items()
            }
        )
        for section, values in CHANGES[name].items()
    }
    images = noise(40, 3, 3, 8, 8)
    draws = chance(40)
    changed = change_intensities(images, Augmentation(**settings), draws)
    is_changed = [not torch.equal(a, b) for a, b in zip(changed, images, strict=True)]
    is_drawn = [bool(names) for names in draws.names]
    assert all(drawn for drawn, c in zip(is_drawn, is_changed, strict=True) if c)
    assert 0.2 < np.mean(is_changed) < 0.6


@pytest.mark.parametrize("shape", [(3, 2, 20, 24), (2, 1, 4, 20, 24)])
def test_blur_is_gaussian_and_in_the_plane(shape):
    images = noise(*shape)
    sigmas = torch.linspace(0.5, 1.5, shape[0])
    blurred = filters.smooth(images, sigmas)
    for image, sigma, result in zip(images, sigmas, blurred, strict=True):
        widths = [0] * (image.dim() - 2) + [float(sigma)] * 2
        expected = ndimage.gaussian_filter(image.numpy(), widths, mode="nearest")
        np.testing.assert_allclose(result, expected, atol=0.03)


def test_no_blur_is_the_identity():
    images = noise(2, 1, 8, 8)
    torch.testing.assert_close(filters.smooth(images, torch.zeros(2)), images)


def test_sharpening_makes_edges_steeper_and_leaves_areas():
    images = torch.zeros(1, 1, 32, 32)
    images[..., 16:] = 1
    sharp = change(images, **sure(sharpen_probability=1, sharpening=2))
    assert sharp.max() > 1.05
    assert sharp.min() < -0.05
    torch.testing.assert_close(sharp[..., :8], images[..., :8], atol=1e-4, rtol=0)


def test_low_resolution_keeps_the_coarse_and_loses_the_fine():
    y, x = np.indices((32, 32))
    fine = torch.from_numpy((y + x) % 2).float().expand(8, 1, 32, 32)
    coarse = torch.from_numpy(x / 32).float().expand(8, 1, 32, 32)
    settings = sure(low_resolution_probability=1, max_reduction=4)
    assert change(fine, **settings).std() < 0.3 * fine.std()
    assert (change(coarse, **settings) - coarse).abs().max() < 0.1


def test_gamma_keeps_range_and_order():
    images = noise(8, 2, 16, 16) * 3 + 7
    changed = change(images, **sure(gamma_probability=1, max_gamma=3))
    flat, before = changed.flatten(2), images.flatten(2)
    torch.testing.assert_close(flat.amin(2), before.amin(2))
    torch.testing.assert_close(flat.amax(2), before.amax(2))
    for a, b in zip(flat.flatten(0, 1), before.flatten(0, 1), strict=True):
        assert (a[b.argsort()].diff() >= 0).all()
    assert {bool(m) for m in changed.mean((1, 2, 3)) > images.mean((1, 2, 3))} == {
        True, False,
    }  # fmt: skip


def test_poisson_noise_grows_with_the_root_of_the_intensity():
    images = torch.zeros(64, 1, 30, 30)
    images[..., 10:20] = 1
    images[..., 20:] = 4
    settings = sure(poisson_probability=1, poisson=1)
    added = change(images, **settings) - images
    dark, middle, bright = (added[..., i : i + 10].std() for i in (0, 10, 20))
    assert dark == 0
    assert bright / middle == pytest.approx(2, rel=0.05)
    strengths = added[..., 20:].flatten(1).std(1) / images.std(correction=0)
    assert 0.8 < strengths.max() < 1.1


def test_noise_depends_on_the_generator_alone():
    images = torch.zeros(2, 1, 8, 8)
    images[0] = 1
    settings = sure(noise_probability=1)
    assert torch.equal(change(images, **settings), change(images, **settings))
    assert not torch.equal(change(images, **settings), change(images, 1, **settings))


@pytest.mark.parametrize("shape", [(12, 2, 20, 30), (12, 2, 6, 20, 30)])
def test_cutout_is_one_box_of_the_mean(shape):
    images = noise(*shape)
    changed = change(images, **sure(cutout_probability=1, cutout=0.5))
    for before, after in zip(images, changed, strict=True):
        cut = before[0] != after[0]
        places = torch.nonzero(cut)
        extent = places.amax(0) - places.amin(0) + 1
        assert cut.sum() == extent.prod()
        assert (extent <= torch.tensor(shape[2:]) * 0.5 + 0.5).all()
        for channel in range(2):
            mean = before[channel].mean()
            torch.testing.assert_close(after[channel][cut], mean.expand(int(cut.sum())))


class TestColor:
    images = noise(8, 3, 10, 12)

    def test_a_third_of_a_turn_exchanges_the_channels(self):
        class Sure:
            def signed(self, *shape):
                return torch.ones(shape)

        turned = filters.turn_hue(self.images, 120, Sure())
        torch.testing.assert_close(turned, self.images.roll(1, 1), atol=1e-5, rtol=1e-4)

    def test_hue_leaves_grey_and_brightness(self):
        grey = noise(4, 1, 6, 6).expand(4, 3, 6, 6).contiguous()
        settings = {"color": Color(hue_probability=1, max_hue=90)}
        torch.testing.assert_close(change(grey, **settings), grey, atol=1e-5, rtol=1e-4)
        turned = change(self.images, **settings)
        torch.testing.assert_close(
            turned.mean(1), self.images.mean(1), atol=1e-5, rtol=1e-4
        )
        torch.testing.assert_close(
            turned.norm(dim=1), self.images.norm(dim=1), atol=1e-4, rtol=1e-4
        )

    def test_saturation_scales_the_distance_from_grey(self):
        settings = {"color": Color(saturation_probability=1, saturation=0.5)}
        changed = change(self.images, **settings)
        grey = self.images.mean(1, keepdim=True)
        torch.testing.assert_close(changed.mean(1, keepdim=True), grey)
        ratio = ((changed - grey) / (self.images - grey)).flatten(1)
        factor = ratio.median(1, keepdim=True).values
        torch.testing.assert_close(ratio, factor.expand_as(ratio), atol=1e-2, rtol=1e-2)
        assert 1 / 1.5 - 1e-3 <= factor.min() < factor.max() <= 1.5 + 1e-3

    @pytest.mark.parametrize("n_channels", [1, 2, 4])
    def test_other_numbers_of_channels_have_no_color(self, n_channels):
        images = noise(2, n_channels, 6, 6)
        color = Color(hue_probability=1, saturation_probability=1)
        assert torch.equal(change(images, color=color), images)


class TestStack:
    def test_one_slice_is_lost(self):
        images = noise(20, 2, 5, 8, 8)
        stack = StackFaults(missing_probability=1)
        changed = change(images, stack=stack)
        spread = changed.flatten(3).std(3)
        assert ((spread < 1e-6).sum(2) == 1).all()
        assert len((spread[:, 0] < 1e-6).nonzero()[:, 1].unique()) == 5
        kept = spread > 1e-6
        assert torch.equal(changed[kept], images[kept])
        assert images.min() <= changed.min()
        assert changed.max() <= images.max()

    def test_single_slices_are_never_lost(self):
        images = noise(3, 1, 1, 8, 8)
        assert torch.equal(
            change(images, stack=StackFaults(missing_probability=1)), images
        )

    def test_slices_differ_in_brightness_within_the_range(self):
        images = noise(10, 2, 5, 8, 8)
        added = change(images, stack=StackFaults(jump_probability=1, jump=0.5)) - images
        shift = added.mean((3, 4))
        assert added.std((3, 4)).max() < 1e-5
        torch.testing.assert_close(shift[:, 0], shift[:, 1], atol=1e-4, rtol=1e-3)
        assert 0.4 < shift.abs().max() <= 0.51
        assert (shift.std(2) > 0.01).all()

    def test_slices_have_no_neighbors(self):
        images = noise(2, 1, 8, 8)
        stack = StackFaults(missing_probability=1, jump_probability=1)
        assert torch.equal(change(images, stack=stack), images)
