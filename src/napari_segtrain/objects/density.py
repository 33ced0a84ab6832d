"""How dense objects lie along an axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

Floats = npt.NDArray[np.float64]

CDEEP3M_SLAB = 20.0
"""Thickness of the slab in micrometers that CDeep3M used (Haberl et al. 2018)."""

_STEPS_PER_SLAB = 10
_AXES = ("z", "y", "x")


@dataclass(frozen=True)
class DensityProfile:
    """Counts of centers in a slab that slides along an axis.

    Parameters
    ----------
    axis : "z", "y" or "x"
    positions : ndarray of float64, shape (n,)
        Middles of the slab, in the unit.
    counts : ndarray of int64, shape (n,)
        Centers within.
    densities : ndarray of float64, shape (n,)
        Counts per cubic unit (square unit in a flat image) of what the slab has inside
        the image.
    unit : "um" or "voxels"
    is_flat : bool
        Whether densities are per area.
    """

    axis: str
    positions: Floats
    counts: npt.NDArray[np.int64]
    densities: Floats
    unit: str
    is_flat: bool

    def to_rows(self) -> Iterator[dict[str, object]]:
        """Rows for a table: axis, position, count, density."""
        columns = (self.positions, self.counts, self.densities)
        for at, count, density in zip(*(c.tolist() for c in columns), strict=True):
            yield {"axis": self.axis, "at": at, "count": count, "density": density}


def density_profile(
    centers: Floats,
    size: tuple[float, float, float],
    axis: str,
    *,
    slab: float = CDEEP3M_SLAB,
    unit: str = "um",
    is_flat: bool = False,
) -> DensityProfile:
    """Slide a slab along an axis and count the centers within.

    Parameters
    ----------
    centers : ndarray of float64, shape (n, 3)
        ZYX from the first corner of the image, in the unit.
    size : tuple of float
        Of the image along Z, Y, X, in the unit; Z does not matter if it is flat.
    axis : "z", "y" or "x"
        Across the slab.
    slab : float
        Thickness in the unit. At the ends of the image it is cut.
    unit : "um" or "voxels"
    is_flat : bool
        Densities are per area.

    Returns
    -------
    DensityProfile
        At each tenth of a slab, from end to end.

    Raises
    ------
    ValueError
        When the slab is not thicker than nothing, or the axis is not one of three.
    """
    if not (slab > 0 and math.isfinite(slab)):
        raise ValueError(f"slab must be greater than 0, got {slab:g}")
    if axis not in _AXES[is_flat:]:
        raise ValueError(f"axis must be one of {_AXES[is_flat:]}, got {axis!r}")
    at = _AXES.index(axis)
    length = size[at]
    n_steps = max(1, math.ceil(length / slab * _STEPS_PER_SLAB))
    positions = np.linspace(0, length, n_steps + 1)
    low, high = positions - slab / 2, positions + slab / 2
    along = np.sort(centers[:, at])
    counts = np.searchsorted(along, high) - np.searchsorted(along, low)
    across = math.prod(n for i, n in enumerate(size) if i != at and i >= is_flat)
    inside = np.minimum(high, length) - np.maximum(low, 0)
    return DensityProfile(
        axis, positions, counts, counts / (inside * across), unit, is_flat
    )
