"""Random changes of the intensities of a batch, each made to the drawn samples only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from napari_segtrain.config.presets import N_COLORS
from napari_segtrain.data import faults, filters
from napari_segtrain.data.chance import Chance

if TYPE_CHECKING:
    from napari_segtrain.config.presets import Augmentation

_VOLUME = 5
"""Dimensions of a batch of volumes."""


@dataclass(frozen=True)
class _Change:
    """A change that is made with a probability, up to a strength; 0 is none."""

    name: str
    probability: float
    strength: float
    make: Callable[[torch.Tensor, float, Chance], torch.Tensor]


def change_intensities(
    images: torch.Tensor, settings: Augmentation, chance: Chance
) -> torch.Tensor:
    """Change intensities at random.

    Parameters
    ----------
    images : Tensor, shape (N, C, [Z], Y, X)
        Normalized; not changed.
    settings : Augmentation
        Probabilities and ranges.
    chance : Chance
        Of N samples.
    """
    is_own = False
    for change in _changes(images, settings):
        chosen = chance.choose(change.name, change.probability)
        if len(chosen) == chance.n:
            images, is_own = change.make(images, change.strength, chance), True
        elif chosen:
            images, is_own = images if is_own else images.clone(), True
            index = torch.tensor(chosen, device=images.device)
            images[index] = change.make(images[index], change.strength, chance)
    return images


def _changes(images: torch.Tensor, settings: Augmentation) -> list[_Change]:
    """Those that may happen, in the order of an image's way from optics to camera."""
    s, stack = settings.intensity, settings.stack
    level = _Level(images)
    changes = [
        _Change("blur", s.blur_probability, s.max_blur, filters.blur),
        _Change(
            "low resolution",
            s.low_resolution_probability,
            s.max_reduction - 1,
            filters.reduce_resolution,
        ),
        _Change("sharpening", s.sharpen_probability, s.sharpening, filters.sharpen),
        _Change(
            "brightness", s.brightness_probability, settings.brightness, level.brighten
        ),
        _Change("contrast", s.contrast_probability, settings.contrast, level.stretch),
        _Change("gamma", s.gamma_probability, s.max_gamma - 1, _apply_gamma),
        _Change("Poisson noise", s.poisson_probability, s.poisson, level.add_poisson),
        _Change("noise", s.noise_probability, settings.noise, level.add_noise),
        _Change("cutout", s.cutout_probability, s.cutout, faults.cut_out),
    ]
    if images.dim() == _VOLUME:
        is_missing = float(images.shape[2] > 1)
        changes += [
            _Change(
                "missing slice",
                stack.missing_probability,
                is_missing,
                faults.lose_slice,
            ),
            _Change("intensity jump", stack.jump_probability, stack.jump, level.jump),
        ]
    if images.shape[1] == N_COLORS:
        color = settings.color
        changes += [
            _Change("hue", color.hue_probability, color.max_hue, filters.turn_hue),
            _Change(
                "saturation",
                color.saturation_probability,
                color.saturation,
                filters.change_saturation,
            ),
        ]
    return [change for change in changes if change.strength > 0]


@dataclass(frozen=True)
class _Level:
    """Changes whose strength refers to the mean and deviation of the whole batch."""

    images: torch.Tensor

    @cached_property
    def center(self) -> torch.Tensor:
        """Mean of the batch, before anything is changed."""
        return self.images.mean()

    @cached_property
    def spread(self) -> torch.Tensor:
        """Its standard deviation."""
        return self.images.std(correction=0)

    def brighten(
        self, images: torch.Tensor, strength: float, chance: Chance
    ) -> torch.Tensor:
        """Shift each channel of each sample."""
        shift = _per_channel(images, chance.signed(*images.shape[:2]) * strength)
        return images + shift.mul_(self.spread)

    def stretch(
        self, images: torch.Tensor, strength: float, chance: Chance
    ) -> torch.Tensor:
        """Multiply or divide by up to 1 + strength around the mean."""
        gain = _per_channel(images, chance.factor(1 + strength, *images.shape[:2]))
        return torch.addcmul(self.center * (1 - gain), images, gain)

    def add_noise(
        self, images: torch.Tensor, strength: float, chance: Chance
    ) -> torch.Tensor:
        """Gaussian noise of up to ``strength`` deviations."""
        level = per_sample(images, chance.uniform(len(images)) * strength)
        return torch.addcmul(images, chance.normal(images), level * self.spread)

    def add_poisson(
        self, images: torch.Tensor, strength: float, chance: Chance
    ) -> torch.Tensor:
        """Noise whose variance grows linearly from the darkest voxel on."""
        level = per_sample(images, chance.uniform(len(images)) * strength)
        unit, _, _ = _to_unit(images)
        noise = chance.normal(images).mul_(unit.sqrt_())
        return torch.addcmul(images, noise, level * self.spread)

    def jump(
        self, images: torch.Tensor, strength: float, chance: Chance
    ) -> torch.Tensor:
        """Shift the brightness of each slice."""
        n, _, n_slices = images.shape[:3]
        shift = chance.signed(n, 1, n_slices, 1, 1).to(images.device)
        return images + shift.mul_(self.spread * strength)


def per_sample(images: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """One value for each sample, on the device and in a shape that broadcasts."""
    return values.to(images.device).view(-1, *[1] * (images.dim() - 1))


def _per_channel(images: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    shape = (*images.shape[:2], *[1] * (images.dim() - 2))
    return values.to(images.device).view(shape)


def _to_unit(
    images: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Scale each channel of each sample to 0..1; its darkest value, and its range."""
    axes = tuple(range(2, images.dim()))
    low = images.amin(axes, keepdim=True)
    span = images.amax(axes, keepdim=True) - low
    smallest = torch.finfo(images.dtype).tiny
    unit = (images - low).div_(span.clamp(min=smallest)).clamp_(0, 1)
    return unit, low, span


def _apply_gamma(images: torch.Tensor, strength: float, chance: Chance) -> torch.Tensor:
    """Power law between the darkest and the brightest voxel."""
    exponent = per_sample(images, chance.factor(1 + strength, len(images)))
    unit, low, span = _to_unit(images)
    return torch.addcmul(low, unit.pow_(exponent), span)
