"""Outlines of the objects of slices as polygons, and polygons back to label images.

Outlines run along the edges of voxels, so they hold exactly the voxels they were made
of. Pieces of an object are connected through edges, not corners, and no outline meets
itself: the rings are valid polygons in the sense of OGC Simple Features.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from skimage import measure

from napari_segtrain.errors import DataError
from napari_segtrain.objects.filling import fill_rings
from napari_segtrain.objects.simplifying import kept_corners

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
    holes: tuple[Points, ...] = field(default=())

    @property
    def rings(self) -> tuple[Points, ...]:
        """The outer ring and those of the holes."""
        return (self.points, *self.holes)


def trace_outlines(ids: LazyArray, *, tolerance: float = 0.0) -> list[Outline]:
    """Outlines of all objects of a volume, slice by slice.

    Parameters
    ----------
    ids : array of int, shape (Z, Y, X)
        Object ids; 0 and less is background. Slices are read one by one.
    tolerance : float
        Voxels that a simplified outline may be away from the voxel edges; 0 keeps it
        exact, so that `fill_outlines` gives the ids back.
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
        _fill(ids[outline.z], outline)
    return ids


def _fill(plane: npt.NDArray[Any], outline: Outline) -> None:
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
    plane = np.pad(np.where(plane > 0, plane, 0), 1)
    corners = _turning_edges(plane)
    rings = _Rings.of(corners, plane.shape[1])
    outer = np.flatnonzero(rings.areas > 0)
    holes = _holes_of(rings, outer, plane)
    ids = plane.ravel()[rings.voxels]
    outer = outer[np.lexsort((rings.voxels[outer], ids[outer]))]
    if tolerance > 0:
        rings = rings.simplified(tolerance)
    return [
        Outline(
            int(ids[ring]),
            z,
            rings.points(ring),
            tuple(map(rings.points, holes.get(ring, ()))),
        )
        for ring in outer.tolist()
    ]


@dataclass(frozen=True, eq=False)
class _Corners:
    """Edges of voxels at whose end an outline turns.

    Edges run clockwise around their voxel, as one sees the slice with Y downwards.

    Parameters
    ----------
    voxels : ndarray of int64, shape (n,)
        Whose edge it is, as an index of the padded slice.
    vertices : ndarray of int64, shape (n,)
        End of the edge: index of the voxel whose upper left corner it is.
    following : ndarray of int64, shape (n,)
        The next edge of the outline at whose end it turns.
    """

    voxels: npt.NDArray[np.int64]
    vertices: npt.NDArray[np.int64]
    following: npt.NDArray[np.int64]


def _turning_edges(plane: npt.NDArray[Any]) -> _Corners:
    """Follow the edges between voxels of different ids.

    Where an object meets itself at a corner only, the outline stays with its voxel.
    """
    flat, width = plane.ravel(), plane.shape[1]
    ahead = np.array([1, width, -1, -width])  # along the upper, right, ... edge
    beside = np.roll(ahead, 1)  # away from the voxel
    sides = [_side_of_objects(plane, side) for side in range(4)]
    voxels = np.concatenate(sides)
    side = np.repeat(np.arange(4), [len(found) for found in sides])
    own = flat[voxels]
    in_front = voxels + ahead[side]
    diagonal = in_front + beside[side]
    is_right = flat[in_front] != own
    is_left = ~is_right & (flat[diagonal] == own)
    is_straight = ~is_right & ~is_left
    next_voxels = np.where(is_right, voxels, np.where(is_left, diagonal, in_front))
    next_side = (side + is_right - is_left) % 4
    # edges are in the order of side and voxel
    keys = side * flat.size + voxels
    following = np.searchsorted(keys, next_side * flat.size + next_voxels)
    while (passes := is_straight[following]).any():
        following[passes] = following[following[passes]]
    numbers = np.cumsum(~is_straight) - 1
    to_end = np.array([1, width + 1, width, 0])
    return _Corners(
        voxels[~is_straight],
        (voxels + to_end[side])[~is_straight],
        numbers[following[~is_straight]],
    )


def _side_of_objects(plane: npt.NDArray[Any], side: int) -> npt.NDArray[np.int64]:
    """Voxels of objects whose neighbor is another, or background."""
    here = (slice(1, -1), slice(1, -1))
    there = [
        (slice(None, -2), slice(1, -1)),
        (slice(1, -1), slice(2, None)),
        (slice(2, None), slice(1, -1)),
        (slice(1, -1), slice(None, -2)),
    ][side]
    y, x = np.nonzero((plane[here] != plane[there]) & (plane[here] > 0))
    found: npt.NDArray[np.int64] = (y + 1) * plane.shape[1] + x + 1
    return found


@dataclass(frozen=True, eq=False)
class _Rings:
    """Closed lines, one after the other.

    Parameters
    ----------
    corners : ndarray of float64, shape (n, 2)
        Y and X of all.
    starts : ndarray of int64, shape (n_rings + 1,)
        Where each begins, and the end.
    voxels : ndarray of int64, shape (n_rings,)
        One inside of each, at its line.
    areas : ndarray of float64, shape (n_rings,)
        Twice the area; less than 0 for holes.
    """

    corners: Points
    starts: npt.NDArray[np.int64]
    voxels: npt.NDArray[np.int64]
    areas: npt.NDArray[np.float64]

    @classmethod
    def of(cls, found: _Corners, width: int) -> _Rings:
        """Rings that do not meet themselves."""
        order, starts = _cycles(found.following.tolist())
        order, starts = _parted(order, starts, found.vertices)
        y, x = np.divmod(found.vertices[order], width)
        corners = np.stack([y, x], axis=1) - 1.5  # of the padding, and half a voxel
        after = np.arange(1, len(order) + 1)
        after[starts[1:] - 1] = starts[:-1]
        cross = x * y[after] - x[after] * y
        areas = np.add.reduceat(cross, starts[:-1]) if len(order) else np.zeros(0)
        return cls(corners, starts, found.voxels[order[starts[:-1]]], areas)

    def points(self, ring: int) -> Points:
        """Corners of one."""
        return self.corners[self.starts[ring] : self.starts[ring + 1]]

    def simplified(self, tolerance: float) -> _Rings:
        """Fewer corners of each."""
        is_kept = kept_corners(self.corners, self.starts, tolerance)
        starts = np.concatenate([[0], np.cumsum(is_kept)])[self.starts]
        return replace(self, corners=self.corners[is_kept], starts=starts)


def _cycles(
    following: list[int],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Elements of a permutation cycle by cycle, and where each begins, and the end."""
    order: list[int] = []
    starts = []
    is_seen = bytearray(len(following))
    for first in range(len(following)):
        if is_seen[first]:
            continue
        starts.append(len(order))
        at = first
        while not is_seen[at]:
            is_seen[at] = 1
            order.append(at)
            at = following[at]
    starts.append(len(order))
    return np.array(order, np.int64), np.array(starts, np.int64)


def _parted(
    order: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    vertices: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Part rings that come to the same vertex twice; holes become rings so."""
    lengths = np.diff(starts)
    ring = np.repeat(np.arange(len(lengths)), lengths)
    by_vertex = np.lexsort((ring, vertices[order]))
    at, of = vertices[order][by_vertex], ring[by_vertex]
    twice = np.unique(of[1:][(at[1:] == at[:-1]) & (of[1:] == of[:-1])])
    if not len(twice):
        return order, starts
    is_whole = ~np.isin(ring, twice)
    parts = [
        part
        for number in twice.tolist()
        for part in _loops(order[starts[number] : starts[number + 1]], vertices)
    ]
    whole = np.delete(lengths, twice)
    lengths = np.concatenate([whole, [len(part) for part in parts]])
    order = np.concatenate([order[is_whole], *parts])
    return order, np.concatenate([[0], np.cumsum(lengths)])


def _loops(
    ring: npt.NDArray[np.int64], vertices: npt.NDArray[np.int64]
) -> Iterator[npt.NDArray[np.int64]]:
    """Parts of a ring that come to each vertex once."""
    way: list[int] = []
    position: dict[int, int] = {}
    for corner, vertex in zip(ring.tolist(), vertices[ring].tolist(), strict=True):
        if vertex in position:
            start = position[vertex]
            loop = way[start + 1 :]
            for done in loop:
                del position[int(vertices[done])]
            del way[start + 1 :]
            yield np.array([*loop, corner], np.int64)
        else:
            position[vertex] = len(way)
            way.append(corner)
    yield np.array(way, np.int64)


def _holes_of(
    rings: _Rings, outer: npt.NDArray[np.int64], plane: npt.NDArray[Any]
) -> dict[int, list[int]]:
    """Holes of each outer ring: those of the same piece of an object."""
    holes = np.flatnonzero(rings.areas < 0)
    if not len(holes):
        return {}
    pieces = measure.label(plane, background=0, connectivity=1).ravel()
    owner = dict(zip(pieces[rings.voxels[outer]].tolist(), outer.tolist(), strict=True))
    found: dict[int, list[int]] = {}
    for hole in holes.tolist():
        found.setdefault(owner[int(pieces[rings.voxels[hole]])], []).append(hole)
    return found
