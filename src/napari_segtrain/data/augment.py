"""Random changes of training batches, drawn anew for every iteration.

Mirroring and right-angle rotations are views of the patches; small affine and
intensity changes are made batch-wise in torch, on the device of the batch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from napari_segtrain.image import IGNORE_INDEX

if TYPE_CHECKING:
    from napari_segtrain.config import AugmentationConfig


def orient(
    image: npt.NDArray[np.float32],
    target: npt.NDArray[np.uint8],
    config: AugmentationConfig,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Mirror and rotate one patch at random, image (C, Z, Y, X), target (Z, Y, X)."""
    if config.rotations and target.shape[1] == target.shape[2]:
        turns = int(rng.integers(4))
        image = np.rot90(image, turns, (2, 3))
        target = np.rot90(target, turns, (1, 2))
    if config.flips:
        axes = tuple(axis for axis in range(3) if rng.random() < 0.5)  # noqa: PLR2004
        image = np.flip(image, tuple(axis + 1 for axis in axes))
        target = np.flip(target, axes)
    return image, target


def augment(
    images: torch.Tensor,
    targets: torch.Tensor,
    config: AugmentationConfig,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Change a batch at random.

    Parameters
    ----------
    images : Tensor, shape (N, C, [Z], Y, X)
        Normalized intensities.
    targets : Tensor of uint8, shape (N, [Z], Y, X)
        Class indices; voxels that come from outside the patch become unlabelled.
    config : AugmentationConfig
        Ranges.
    generator : torch.Generator
        On the CPU; the only source of chance.

    Returns
    -------
    Tensor, Tensor
        Of the same shapes and types.
    """
    if _uniform(generator, 1).item() < config.affine_probability:
        images, targets = _affine(images, targets, config, generator)
    return _intensity(images, config, generator), targets


def _uniform(generator: torch.Generator, n: int) -> torch.Tensor:
    return torch.rand(n, generator=generator)


def _signed(generator: torch.Generator, n: int) -> torch.Tensor:
    return _uniform(generator, n) * 2 - 1


def _affine(
    images: torch.Tensor,
    targets: torch.Tensor,
    config: AugmentationConfig,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    theta = _affine_matrices(images, config, generator).to(images.device)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    images = functional.grid_sample(
        images, grid, padding_mode="reflection", align_corners=False
    )
    above = targets.unsqueeze(1).to(images.dtype) - IGNORE_INDEX
    above = functional.grid_sample(above, grid, mode="nearest", align_corners=False)
    return images, (above.squeeze(1).round() + IGNORE_INDEX).to(torch.uint8)


def _affine_matrices(
    images: torch.Tensor, config: AugmentationConfig, generator: torch.Generator
) -> torch.Tensor:
    """Rotation in the plane and isotropic in-plane scale, in grid_sample's units."""
    n = len(images)
    angle = _signed(generator, n) * math.radians(config.max_rotation)
    scale = torch.exp(_signed(generator, n) * math.log(config.max_scale))
    height, width = images.shape[-2:]
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    n_space = images.dim() - 2
    theta = torch.zeros(n, n_space, n_space + 1)
    theta[:, 0, 0], theta[:, 0, 1] = cos, -sin * height / width
    theta[:, 1, 0], theta[:, 1, 1] = sin * width / height, cos
    if n_space == 3:  # noqa: PLR2004 - a volume
        theta[:, 2, 2] = 1
    return theta


def _intensity(
    images: torch.Tensor, config: AugmentationConfig, generator: torch.Generator
) -> torch.Tensor:
    n, n_channels = images.shape[:2]
    shape = (n, n_channels, *[1] * (images.dim() - 2))
    spread, center = images.std(correction=0), images.mean()
    gain = torch.exp(_signed(generator, n * n_channels) * math.log1p(config.contrast))
    gain = gain.view(shape).to(images.device)
    shift = (_signed(generator, n * n_channels) * config.brightness).view(shape)
    shift = shift.to(images.device) * spread + center * (1 - gain)
    changed = (images * gain).add_(shift)
    if config.noise > 0:
        level = _uniform(generator, n).view(n, *[1] * (images.dim() - 1)) * config.noise
        noise = torch.randn(images.shape, generator=generator).mul_(level)
        changed.add_(noise.to(images.device).mul_(spread))
    return changed
