"""Outlines of the objects of slices as polygons, and polygons back to label images.

Outlines run along the edges of voxels, so they hold exactly the voxels they were made
of, unless they are simplified. Pieces of an object are connected through edges, not
corners, and no outline meets itself: the rings are valid polygons in the sense of OGC
Simple Features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from napari_segtrain.errors import DataError
from napari_segtrain.objects.filling import fill_rings
from napari_segtrain.objects.tracing import trace_rings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_segtrain.axes import ZYX
    from napari_segtrain.image import LazyArray

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Outline:
    """One piece of an object in a slice.

    Parameters
    ----------
    id : int
        Of the object; several outlines may be pieces of one.
    z : int
        Slice.
    points : ndarray of float64, shape (n, 2)
        Corners, Y and X in voxels; the center of the first voxel is (0, 0), its corner
        (-0.5, -0.5). The last corner is joined to the first.
    holes : tuple of ndarray of float64, shape (n, 2)
        Rings of what does not belong to it; they run the other way around.
    """

    id: int
    z: int
    points: Points
    holes: tuple[Points, ...] = ()

    @property
    def rings(self) -> tuple[Points, ...]:
        """The outer ring and those of the holes."""
        return (self.points, *self.holes)

    @property
    def keyhole(self) -> Points:
        """One closed line that holds the same: ways there and back lead to the holes.

        Where a program knows no holes.
        """
        line = self.points
        for hole in self.holes:
            away, nearest = cKDTree(line).query(hole)
            there = int(away.argmin())
            here = int(nearest[there])
            around = np.concatenate([hole[there:], hole[: there + 1]])
            line = np.concatenate([line[: here + 1], around, line[here:]])
        return line


def trace_outlines(ids: LazyArray, *, tolerance: float = 0.0) -> list[Outline]:
    """Outlines of all objects of a volume, slice by slice.

    Parameters
    ----------
    ids : array of int, shape (Z, Y, X)
        Object ids; 0 and less is background. Slices are read one by one.
    tolerance : float
        Voxels that a simplified outline may be away from the voxel edges; 0 keeps it
        exact, so that `fill_outlines` gives the ids back. Simplified outlines of
        neighbors may overlap or leave gaps, and a ring may then cross another.
    """
    slices = iter_outlines(ids, tolerance=tolerance)
    return [outline for outlines in slices for outline in outlines]


def iter_outlines(ids: LazyArray, *, tolerance: float = 0.0) -> Iterator[list[Outline]]:
    """Outlines of each slice of a volume, by rising id; see `trace_outlines`."""
    for z in range(ids.shape[0]):
        yield trace_slice(np.asarray(ids[z]), z, tolerance=tolerance)


def fill_outlines(
    outlines: Iterable[Outline], shape: ZYX
) -> npt.NDArray[np.unsignedinteger[Any]]:
    """Label image in which outlines are filled, later ones over earlier ones.

    Parameters
    ----------
    outlines : iterable of Outline
        What lies beyond the slices' borders is cut off.
    shape : ZYX
        Of the result.

    Returns
    -------
    ndarray of uint32 (or uint64, for ids that need it), shape (Z, Y, X)

    Raises
    ------
    DataError
        When an outline lies on a slice that is not there.
    """
    outlines = list(outlines)
    highest = max((outline.id for outline in outlines), default=0)
    dtype = np.promote_types(np.uint32, np.min_scalar_type(highest))
    ids = np.zeros(shape, dtype)
    for outline in outlines:
        if not 0 <= outline.z < shape[0]:
            raise DataError(
                f"The outline of object {outline.id} lies on slice {outline.z}, but "
                f"the image has slices 0 to {shape[0] - 1}; choose the image that the "
                "outlines belong to."
            )
        fill_outline(ids[outline.z], outline)
    return ids


def fill_outline(plane: npt.NDArray[Any], outline: Outline) -> None:
    """Write the id of an outline into the voxels that it holds, in place."""
    low = np.floor(outline.points.min(axis=0)).clip(0, plane.shape).astype(int)
    high = np.ceil(outline.points.max(axis=0)).clip(low - 1, plane.shape).astype(int)
    y, x = (slice(a, b + 1) for a, b in zip(low, high, strict=True))
    part = plane[y, x]
    if part.size:
        rings = [ring - low for ring in outline.rings]
        part[fill_rings(rings, part.shape)] = outline.id


def trace_slice(
    plane: npt.NDArray[Any], z: int, *, tolerance: float = 0.0
) -> list[Outline]:
    """Outlines of the objects of a slice, by rising id.

    Parameters
    ----------
    plane : ndarray of int, shape (Y, X)
        Object ids; 0 and less is background.
    z : int
        Index of the slice, for the outlines.
    tolerance : float
        As of `trace_outlines`.
    """
    rings = trace_rings(np.where(plane > 0, plane, 0))
    if tolerance > 0:
        rings = rings.simplified(tolerance)
    return [
        Outline(
            int(rings.ids[ring]),
            z,
            rings.points(ring),
            tuple(map(rings.points, rings.holes.get(ring, ()))),
        )
        for ring in rings.outer
    ]
