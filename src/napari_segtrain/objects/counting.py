"""How many objects lie in each region."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.objects.filling import contains

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_segtrain.objects.outlines import Outline

Points = npt.NDArray[np.float64]

OUTSIDE = 0
"""Region of the objects that lie in none."""


@dataclass(frozen=True)
class RegionCount:
    """Objects of a region.

    Parameters
    ----------
    region : int
        Its id; `OUTSIDE` for objects in no region.
    n_objects : int
        Those whose point lies in it.
    n_voxels : int, optional
        Size of the region, where it is known.
    """

    region: int
    n_objects: int
    n_voxels: int | None = None

    def to_row(self) -> dict[str, Any]:
        """Row of a table, in plain values."""
        names = {"n_objects": "objects", "n_voxels": "voxels"}
        return {names.get(name, name): value for name, value in asdict(self).items()}


def counts_by_region(points: Points, regions: npt.NDArray[Any]) -> list[RegionCount]:
    """Count points in the regions of a label image.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 3)
        Centers of objects, ZYX in voxels; each belongs to the voxel that it is in.
    regions : ndarray of int, shape (Z, Y, X) or (Y, X)
        Id of the region of each voxel, 0 and less for none; (Y, X) holds for all
        slices.

    Returns
    -------
    list of RegionCount
        `OUTSIDE` first (it has points outside the image too, but only its voxels), then
        every region by rising id, those without points too.
    """
    index = np.floor(points[:, -regions.ndim :] + 0.5).astype(np.int64)
    is_inside = ((index >= 0) & (index < regions.shape)).all(axis=1)
    at = np.zeros(len(points), regions.dtype)
    at[is_inside] = regions[tuple(index[is_inside].T)]
    found, sizes = np.unique(np.maximum(regions, OUTSIDE), return_counts=True)
    n_voxels = {OUTSIDE: 0, **dict(zip(found.tolist(), sizes.tolist(), strict=True))}
    counted, n = np.unique(np.maximum(at, OUTSIDE), return_counts=True)
    n_objects = dict(zip(counted.tolist(), n.tolist(), strict=True))
    return [
        RegionCount(region, n_objects.get(region, 0), size)
        for region, size in n_voxels.items()
    ]


def counts_by_outline(
    points: Points, outlines: Iterable[Outline], *, through_all: bool = False
) -> list[RegionCount]:
    """Count points in regions that are drawn as polygons, which may overlap.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 3)
        Centers of objects, ZYX in voxels.
    outlines : iterable of Outline
        Those with the same id are one region; a point in several of them counts once.
    through_all : bool
        Whether an outline holds for all slices, rather than for its own.

    Returns
    -------
    list of RegionCount
        `OUTSIDE` first, then every region by rising id.
    """
    slices = np.floor(points[:, 0] + 0.5)
    inside: dict[int, npt.NDArray[np.bool_]] = {}
    for outline in outlines:
        is_here = np.ones(len(points), bool) if through_all else slices == outline.z
        is_here[is_here] = contains(outline.rings, points[is_here, 1:])
        before = inside.get(outline.id)
        inside[outline.id] = is_here if before is None else before | is_here
    is_in_any = np.any([np.zeros(len(points), bool), *inside.values()], axis=0)
    counts = [RegionCount(OUTSIDE, int((~is_in_any).sum()))]
    return counts + [RegionCount(i, int(inside[i].sum())) for i in sorted(inside)]
