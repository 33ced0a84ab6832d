"""Blur, sharpening, low resolution and color of batches (N, C, [Z], Y, X)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from napari_segtrain.data.chance import Chance

_REACH = 2.5
"""Width of a blur that is looked at, in standard deviations."""
_DETAIL = 1.0
"""Blur whose difference from the image is its fine detail."""


def blur(images: torch.Tensor, largest: float, chance: Chance) -> torch.Tensor:
    """Gaussian blur in the plane, of a standard deviation up to ``largest`` voxels."""
    return smooth(images, chance.uniform(len(images)) * largest)


def sharpen(images: torch.Tensor, strength: float, chance: Chance) -> torch.Tensor:
    """Add up to ``strength`` times what a blur takes away."""
    amount = chance.uniform(len(images)) * strength
    amount = amount.to(images.device).view(-1, *[1] * (images.dim() - 1))
    detail = images - smooth(images, torch.full((len(images),), _DETAIL))
    return torch.addcmul(images, detail, amount)


def smooth(images: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    """Blur in the plane.

    Parameters
    ----------
    images : Tensor, shape (N, C, [Z], Y, X)
        Intensities; at the border they are continued with their last value.
    sigmas : Tensor, shape (N,)
        Standard deviation for each sample, voxels; on the CPU.
    """
    radius = max(1, math.ceil(_REACH * float(sigmas.max())))
    steps = torch.arange(-radius, radius + 1)
    spread = sigmas.clamp(min=1e-3)[:, None]
    kernels = torch.exp(-0.5 * (steps / spread) ** 2)
    kernels = (kernels / kernels.sum(1, keepdim=True)).to(images.device)
    flat = images.flatten(1, -3)
    for axis, pad in ((-1, (radius, radius, 0, 0)), (-2, (0, 0, radius, radius))):
        length = flat.shape[axis]
        wide = functional.pad(flat, pad, mode="replicate")
        flat = torch.zeros_like(flat)
        for step in range(2 * radius + 1):
            weight = kernels[:, step].view(-1, 1, 1, 1)
            flat.addcmul_(wide.narrow(axis, step, length), weight)
    return flat.view(images.shape)


def reduce_resolution(
    images: torch.Tensor, strength: float, chance: Chance
) -> torch.Tensor:
    """Average over pixels larger by up to 1 + ``strength``, and interpolate."""
    factors = (1 + chance.uniform(len(images)) * strength).tolist()
    flat = images.flatten(1, -3)
    shown = torch.empty_like(flat)
    for index, factor in enumerate(factors):
        one = flat[index : index + 1]
        size = [max(1, round(length / factor)) for length in one.shape[-2:]]
        small = functional.interpolate(one, size, mode="area")
        shown[index] = functional.interpolate(
            small, one.shape[-2:], mode="bilinear", align_corners=False
        )[0]
    return shown.view(images.shape)


def turn_hue(images: torch.Tensor, largest: float, chance: Chance) -> torch.Tensor:
    """Turn colors around grey, by up to ``largest`` degrees; three channels."""
    angle = chance.signed(len(images), 1, 1) * math.radians(largest)
    turn = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    matrix = (
        torch.cos(angle) * torch.eye(3)
        + (1 - torch.cos(angle)) / 3
        + torch.sin(angle) / math.sqrt(3) * turn
    )
    colors = torch.bmm(matrix.to(images.device), images.flatten(2))
    return colors.view(images.shape)


def change_saturation(
    images: torch.Tensor, strength: float, chance: Chance
) -> torch.Tensor:
    """Multiply or divide distances from grey by up to 1 + ``strength``."""
    factor = chance.factor(1 + strength, len(images), *[1] * (images.dim() - 1))
    grey = images.mean(1, keepdim=True)
    return torch.addcmul(grey, images - grey, factor.to(images.device))
