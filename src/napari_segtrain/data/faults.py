"""Missing parts of batches (N, C, [Z], Y, X)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from napari_segtrain.data.chance import Chance


def cut_out(images: torch.Tensor, share: float, chance: Chance) -> torch.Tensor:
    """Set a box of up to ``share`` of each axis to the mean of its patch."""
    images = images.clone()
    mean = images.mean(tuple(range(2, images.dim())))
    size = images.shape[2:]
    lengths = chance.uniform(len(images), len(size)) * share
    places = chance.uniform(len(images), len(size))
    for index in range(len(images)):
        box: list[slice] = []
        rows = (size, lengths[index].tolist(), places[index].tolist())
        for n_voxels, length, place in zip(*rows, strict=True):
            width = max(1, round(length * n_voxels))
            start = round(place * (n_voxels - width))
            box.append(slice(start, start + width))
        value = mean[index].view(-1, *[1] * len(size))
        images[index][(slice(None), *box)] = value
    return images


def lose_slice(images: torch.Tensor, _strength: float, chance: Chance) -> torch.Tensor:
    """Set one slice of each volume to one value between its darkest and brightest."""
    images = images.clone()
    low, high = images.amin((2, 3, 4)), images.amax((2, 3, 4))
    share = chance.uniform(len(images), 1).to(images.device)
    values = torch.lerp(low, high, share.expand_as(low))
    for index in range(len(images)):
        lost = chance.integer(0, images.shape[2])
        images[index, :, lost] = values[index, :, None, None]
    return images
