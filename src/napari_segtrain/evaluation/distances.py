"""Distances from points to the nearest of other points, and what is told of many."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from napari_segtrain.evaluation.aligned import may_go_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.control import RunControl
    from napari_segtrain.evaluation.surfaces import Points

_CHUNK = 1 << 17
_SLAB = 1 << 18


def _none() -> npt.NDArray[np.float64]:
    return np.zeros(0)


def _no_counts() -> npt.NDArray[np.int64]:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Distances:
    """Distances, without repetition, and how often each occurs; those of images add up.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Rising; the last may be infinite, of points that have no partner.
    counts : ndarray of int64, shape (n,)
    """

    values: npt.NDArray[np.float64] = field(default_factory=_none)
    counts: npt.NDArray[np.int64] = field(default_factory=_no_counts)

    @classmethod
    def of(cls, distances: npt.NDArray[np.float64]) -> Distances:
        """Count distances."""
        values, counts = np.unique(distances, return_counts=True)
        return cls(values, counts.astype(np.int64))

    @property
    def n(self) -> int:
        """How many there are."""
        return int(self.counts.sum())

    @property
    def is_finite(self) -> bool:
        """Whether every point has a partner, and there is any."""
        return bool(len(self.values)) and bool(np.isfinite(self.values[-1]))

    def n_within(self, limit: float) -> int:
        """Count those up to a limit, a rounding error more included."""
        return int(self.counts[self.values <= limit * (1 + 1e-9) + 1e-12].sum())

    def total(self) -> float:
        """Sum of all."""
        return float(self.values @ self.counts)

    def percentile(self, share: float) -> float:
        """Percentile by linear interpolation, as of NumPy; 1 is the greatest."""
        ends = np.cumsum(self.counts)
        place = share * (ends[-1] - 1)
        below, above = (
            self.values[np.searchsorted(ends, index, side="right")]
            for index in (np.floor(place), np.ceil(place))
        )
        return float(below + (above - below) * (place - np.floor(place)))

    def __add__(self, other: Distances) -> Distances:
        values = np.concatenate([self.values, other.values])
        distinct, index = np.unique(values, return_inverse=True)
        counts = np.zeros(len(distinct), np.int64)
        np.add.at(counts, index, np.concatenate([self.counts, other.counts]))
        return Distances(distinct, counts)


def nearest_distances(
    points: Points,
    targets: Points,
    spacing: Sequence[float],
    control: RunControl | None = None,
) -> npt.NDArray[np.float64]:
    """Distance from each point to the nearest target.

    Targets are looked at slab by slab, which needs less memory than all at once: each
    point first in the slab that it lies in, then in those that may be nearer than what
    was found.

    Parameters
    ----------
    points, targets : ndarray of int, shape (n, 3)
        ZYX indices, in the order of Z.
    spacing : sequence of float
        Length of a voxel along each axis.
    control : RunControl, optional
        A stop leaves the rest infinite.

    Returns
    -------
    ndarray of float64, shape (n,)
        In the unit of the spacing; infinite without targets.
    """
    distances = np.full(len(points), np.inf)
    scale = np.array(spacing)
    slabs = _slabs(targets)
    for is_first in (True, False):
        for slab in slabs:
            tree = cKDTree(slab * scale, balanced_tree=False, compact_nodes=False)
            for start in range(0, len(points), _CHUNK):
                if not may_go_on(control):
                    return distances
                part = points[start : start + _CHUNK]
                gap = _gap(part, slab) * spacing[0]
                known = distances[start : start + _CHUNK]
                asks = gap == 0 if is_first else (gap > 0) & (gap < known)
                if asks.any():
                    known[asks] = _nearer(tree, part[asks] * scale, known[asks])
    return distances


def _slabs(targets: Points) -> list[Points]:
    """Targets in parts of some, each of whole slices; a slice may be more."""
    if not len(targets):
        return []
    cuts = np.searchsorted(targets[:, 0], targets[_SLAB::_SLAB, 0])
    return [part for part in np.split(targets, np.unique(cuts)) if len(part)]


def _gap(points: Points, slab: Points) -> npt.NDArray[np.int32]:
    """Slices between each point and a slab; 0 within."""
    z = points[:, 0].astype(np.int32)
    first, last = int(slab[0, 0]), int(slab[-1, 0])
    return np.maximum(np.maximum(first - z, z - last), 0)


def _nearer(
    tree: cKDTree, places: npt.NDArray[np.float64], known: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Distances to the nearest of a tree, where these are less than those known."""
    most = np.nextafter(known.max(), np.inf)
    found: npt.NDArray[np.float64] = tree.query(
        places, distance_upper_bound=most, workers=-1
    )[0]
    return np.minimum(known, found)
