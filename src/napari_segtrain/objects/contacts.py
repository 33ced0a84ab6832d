"""Areas of surfaces, and of where objects touch, from lines that cross them.

By the formula of Crofton (Legland, Kieu & Devaux 2007, "Computation of Minkowski
measures on 2D and 3D binary images"; as MorphoLibJ): the lines through neighboring
voxels in 13 directions (4 in an image) cross a surface as often as it is large. Round
surfaces are right within 2 %; a plane along the axes comes out 7 to 10 % too small.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import SphericalVoronoi

from napari_segtrain.boxes import iter_blocks

Spacing = tuple[float, float, float]
Step = tuple[int, int, int]

_BLOCK_VOXELS = 1 << 24


@dataclass(frozen=True)
class Contacts:
    """How much of its surface each object shares with each other.

    Parameters
    ----------
    first, second : ndarray of int, shape (n,)
        Ids of each pair, the smaller one first; 0 is the background.
    areas : ndarray of float64, shape (n,)
        In the squared unit of the spacing; lengths of outlines in a flat image.
    """

    first: npt.NDArray[Any]
    second: npt.NDArray[Any]
    areas: npt.NDArray[np.float64]

    def surfaces(self, ids: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Area of the whole surface of objects; 0 for those that have none.

        Parameters
        ----------
        ids : ndarray of int, shape (n,)
            Rising ids.
        """
        total = np.zeros(len(ids))
        if len(ids):
            for side in (self.first, self.second):
                index = np.searchsorted(ids, side).clip(max=len(ids) - 1)
                is_there = ids[index] == side
                total += np.bincount(
                    index[is_there], self.areas[is_there], minlength=len(ids)
                )
        return total

    def touching(self) -> Contacts:
        """Pairs of two objects, without the background."""
        keep = self.first > 0
        return Contacts(self.first[keep], self.second[keep], self.areas[keep])


def measure_contacts(
    ids: npt.NDArray[Any],
    spacing: Spacing = (1.0, 1.0, 1.0),
    *,
    block_voxels: int = _BLOCK_VOXELS,
) -> Contacts:
    """Measure surfaces and contacts.

    Parameters
    ----------
    ids : ndarray of int, shape (Z, Y, X)
        Objects, or classes; 0 is the background. With a single slice outlines are
        measured instead of surfaces.
    spacing : tuple of float
        Length of a voxel along Z, Y, X.
    block_voxels : int
        Voxels that are looked at together.

    Returns
    -------
    Contacts
        In rising order of the ids. The edge of the image is no surface.
    """
    distinct = np.unique(ids)
    n = len(distinct)
    keys: list[npt.NDArray[np.int64]] = []
    areas: list[npt.NDArray[np.float64]] = []
    for step, area in _steps(spacing, ids.shape[0] == 1).items():
        for changed in _changes(ids, step, block_voxels):
            pairs = np.searchsorted(distinct, np.sort(changed, axis=0))
            found, counts = np.unique(pairs[0] * n + pairs[1], return_counts=True)
            keys.append(found)
            areas.append((counts * area).astype(np.float64))
    if not keys:
        none = np.zeros(0, distinct.dtype)
        return Contacts(none, none, np.zeros(0))
    all_keys, index = np.unique(np.concatenate(keys), return_inverse=True)
    first, second = np.divmod(all_keys, n)
    weights = np.concatenate(areas)
    total = np.bincount(index, weights, len(all_keys)).astype(np.float64)
    return Contacts(distinct[first], distinct[second], total)


def _changes(
    ids: npt.NDArray[Any], step: Step, block_voxels: int
) -> list[npt.NDArray[Any]]:
    """Values on both sides of all places where a step meets another value."""
    found = []
    before = tuple(
        slice(max(0, -d), n - max(0, d)) for d, n in zip(step, ids.shape, strict=True)
    )
    after = tuple(
        slice(max(0, d), n + min(0, d)) for d, n in zip(step, ids.shape, strict=True)
    )
    a, b = ids[before], ids[after]
    if not a.size:
        return []
    z, y, x = a.shape
    for box in iter_blocks((z, y, x), block_voxels):
        is_other = a[box] != b[box]
        found.append(np.stack([a[box][is_other], b[box][is_other]]))
    return found


@lru_cache(maxsize=16)
def _steps(spacing: Spacing, is_flat: bool) -> dict[Step, float]:  # noqa: FBT001
    """Half of the steps to a neighbor, with the area that a crossing stands for."""
    steps = [
        step
        for step in itertools.product(
            (0,) if is_flat else (0, 1), (-1, 0, 1), (-1, 0, 1)
        )
        if step > (0, 0, 0)
    ]
    vectors = np.array(steps) * np.array(spacing)
    lengths = np.linalg.norm(vectors, axis=1)
    units = vectors / lengths[:, np.newaxis]
    if is_flat:
        shares, size, factor = _angles(units), math.prod(spacing[1:]), math.pi / 2
    else:
        shares, size, factor = _solid_angles(units), math.prod(spacing), 2.0
    areas = factor * shares * size / lengths
    return dict(zip(steps, areas.tolist(), strict=True))


def _angles(units: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Share of all directions of a plane that are nearest to each."""
    angles = np.arctan2(units[:, 1], units[:, 2]) % math.pi
    order = np.argsort(angles)
    gaps = np.diff(angles[order], append=angles[order[0]] + math.pi)
    shares = np.empty(len(units))
    shares[order] = (gaps + np.roll(gaps, 1)) / (2 * math.pi)
    return shares


def _solid_angles(units: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Share of all directions in space that are nearest to each."""
    areas = SphericalVoronoi(np.concatenate([units, -units])).calculate_areas()
    shares: npt.NDArray[np.float64] = areas[: len(units)] / (2 * math.pi)
    return shares
