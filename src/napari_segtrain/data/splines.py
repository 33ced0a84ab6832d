"""Smooth fields between control points, by cubic B-splines."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

_N_NEIGHBORS = 4


def spline_field(
    controls: torch.Tensor, size: Sequence[int], spacing: float
) -> torch.Tensor:
    """Fill the space between control points.

    Parameters
    ----------
    controls : Tensor, shape (N, D, P, ...)
        Values at points, ``ceil(length / spacing) + 3`` along each of D axes.
    size : sequence of int
        Voxels along each axis.
    spacing : float
        Voxels from point to point.

    Returns
    -------
    Tensor, shape (N, D, *size)
        Never beyond the range of the values.
    """
    for length in size:  # each turns the first axis of points into the last of voxels
        weights = _weights(length, spacing).to(controls.device)
        controls = torch.tensordot(controls, weights, ([2], [1]))
    return controls


@lru_cache(maxsize=16)
def _weights(length: int, spacing: float) -> torch.Tensor:
    """Weight of each point at each voxel, shape (length, P)."""
    place = torch.arange(length) / spacing
    first = place.floor().long()
    t = place - first
    parts = (
        (1 - t) ** 3,
        3 * t**3 - 6 * t**2 + 4,
        -3 * t**3 + 3 * t**2 + 3 * t + 1,
        t**3,
    )
    weights = torch.zeros(length, math.ceil(length / spacing) + _N_NEIGHBORS - 1)
    for offset, part in enumerate(parts):
        weights[torch.arange(length), first + offset] = part / 6
    return weights
