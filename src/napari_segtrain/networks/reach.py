"""How far the input reaches, found out by sending what is not a number through."""

from __future__ import annotations

import torch
from torch import nn

_SHORTEST = 64
_LONGEST = 4096
_NORMS = (
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.GroupNorm,
)


def measure_reach(
    network: nn.Module, grid: tuple[int, ...], channels: int
) -> list[int]:
    """Greatest distance between an output voxel and an input voxel that it depends on.

    Not-a-number spreads to whatever depends on it. Norms are left out, since those over
    the image depend on all of it. The result is up to ``grid - 1`` too large.

    Parameters
    ----------
    network : nn.Module
        On the CPU; its norms are replaced, so give it a copy.
    grid : tuple of int
        Total stride along each spatial axis.
    channels : int
        Of the input.

    Returns
    -------
    list of int
        Voxels, for each spatial axis.
    """
    _drop_norms(network)
    network.eval().double()  # fast algorithms for float32 spread it further
    with torch.no_grad():
        return [_along(network, grid, channels, axis) for axis in range(len(grid))]


def _along(network: nn.Module, grid: tuple[int, ...], channels: int, axis: int) -> int:
    length = -(-_SHORTEST // grid[axis]) * grid[axis]
    while length <= _LONGEST:
        size = [2 * step for step in grid]
        size[axis] = 2 * length
        reach = max(_spread(network, size, channels, axis, flip) for flip in (0, 1))
        if reach < length - grid[axis]:
            return reach
        length *= 2
    return _LONGEST


def _spread(
    network: nn.Module, size: list[int], channels: int, axis: int, flip: int
) -> int:
    """How far an unknown half of the input spreads into the other half."""
    half = size[axis] // 2
    image = torch.zeros(1, channels, *size, dtype=torch.float64)
    image.narrow(2 + axis, half if flip else 0, half).fill_(torch.nan)
    unknown = network(image)[0].isnan()
    others = [place for place in range(unknown.dim()) if place != 1 + axis]
    line = unknown.any(dim=others[0], keepdim=True)
    for place in others[1:]:
        line = line.any(dim=place, keepdim=True)
    places = line.flatten().nonzero().flatten()
    return int(half - places.min()) if flip else int(places.max() - half + 1)


def _drop_norms(network: nn.Module) -> None:
    for parent in network.modules():
        for name, child in parent.named_children():
            if isinstance(child, _NORMS):
                setattr(parent, name, nn.Identity())
