"""How many objects lie in each region."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.objects.filling import contains

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_segtrain.objects.outlines import Outline

Points = npt.NDArray[np.float64]

NO_REGION = 0
"""Region of the objects that lie in none."""


@dataclass(frozen=True)
class RegionCount:
    """Objects of a region.

    Parameters
    ----------
    region : int
        Its id; `NO_REGION` for objects in no region.
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
        `NO_REGION` first, with the points outside the image too; then every region by
        rising id, those without points too.
    """
    index = np.floor(points[:, -regions.ndim :] + 0.5).astype(np.int64)
    is_inside = ((index >= 0) & (index < regions.shape)).all(axis=1)
    at = np.zeros(len(points), regions.dtype)
    at[is_inside] = regions[tuple(index[is_inside].T)]
    n_voxels = _sizes(regions)
    counted, n = np.unique(np.maximum(at, NO_REGION), return_counts=True)
    n_objects = dict(zip(counted.tolist(), n.tolist(), strict=True))
    return [
        RegionCount(region, n_objects.get(region, 0), size)
        for region, size in sorted(n_voxels.items())
    ]


def _sizes(regions: npt.NDArray[Any]) -> Counter[int]:
    """Voxels of each region, slice by slice."""
    sizes = Counter({NO_REGION: 0})
    for plane in regions.reshape(-1, *regions.shape[-2:]):
        found, n_voxels = np.unique(np.maximum(plane, NO_REGION), return_counts=True)
        sizes.update(dict(zip(found.tolist(), n_voxels.tolist(), strict=True)))
    return sizes


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
        `NO_REGION` first, then every region by rising id.
    """
    slices = np.floor(points[:, 0] + 0.5)
    inside: dict[int, npt.NDArray[np.bool_]] = {}
    for outline in outlines:
        is_here = np.ones(len(points), bool) if through_all else slices == outline.z
        low, high = outline.points.min(axis=0), outline.points.max(axis=0)
        is_here &= ((points[:, 1:] >= low) & (points[:, 1:] <= high)).all(axis=1)
        is_here[is_here] = contains(outline.rings, points[is_here, 1:])
        before = inside.get(outline.id)
        inside[outline.id] = is_here if before is None else before | is_here
    is_in_any = np.any([np.zeros(len(points), bool), *inside.values()], axis=0)
    counts = [RegionCount(NO_REGION, int((~is_in_any).sum()))]
    return counts + [RegionCount(i, int(inside[i].sum())) for i in sorted(inside)]
