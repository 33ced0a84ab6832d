"""The voxel grids of two layers against one another, found in the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.ui.layers.transforms import Placement

    Matrix = npt.NDArray[np.float64]

GRID_TOLERANCE = 0.1
"""Voxels that a layer may be off the grid of another, anywhere."""


@dataclass(frozen=True)
class GridOffset:
    """One grid of voxels, seen from another.

    Parameters
    ----------
    first : ndarray of shape (n,)
        Where the first voxel is, in voxels of the other.
    skew : ndarray of shape (n, n)
        How much the steps of the grid differ from those of the other, per voxel.
    lengths, other_lengths : ndarray of shape (n,)
        Of the voxels of both, in the units of the other.
    unit : str
        That of the other, after a space; empty where units differ along the axes.
    """

    first: Matrix
    skew: Matrix
    lengths: Matrix
    other_lengths: Matrix
    unit: str

    @classmethod
    def of(
        cls, own: Placement, other: Placement, ratios: Sequence[float]
    ) -> GridOffset:
        """Compare two placements along the same axes.

        Parameters
        ----------
        own, other : Placement
            Where the voxels of both are.
        ratios : sequence of float
            Units of the other in one of its own, per axis.
        """
        scaled = np.diag([*ratios, 1.0]) @ own.matrix
        relative = np.linalg.inv(other.matrix) @ scaled
        units = {str(unit) for unit in other.units}
        return cls(
            first=relative[:-1, -1],
            skew=relative[:-1, :-1] - np.eye(len(own.axes)),
            lengths=np.linalg.norm(scaled[:-1, :-1], axis=0),
            other_lengths=np.linalg.norm(other.matrix[:-1, :-1], axis=0),
            unit=f" {units.pop()}" if len(units) == 1 else "",
        )

    def is_parallel(self, shape: npt.ArrayLike) -> bool:
        """Whether grids of ``shape`` voxels stay on one another, but for a shift."""
        reach = np.maximum(np.asarray(shape, float) - 1, 1)
        return not (np.abs(self.skew) * reach > GRID_TOLERANCE).any()

    def has_equal_voxels(self, tolerance: float) -> bool:
        """Whether voxels are as long, up to a relative difference."""
        return np.allclose(self.lengths, self.other_lengths, rtol=tolerance)

    def is_whole(self, shift: Matrix) -> npt.NDArray[np.bool_]:
        """Whether shifts are whole numbers of voxels, per axis."""
        near: npt.NDArray[np.bool_] = np.abs(shift - shift.round()) <= GRID_TOLERANCE
        return near

    @property
    def oddest_axis(self) -> int:
        """Axis along which the first voxel is farthest from a whole number."""
        return int(np.abs(self.first - self.first.round()).argmax())
