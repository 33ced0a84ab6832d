"""The lines between objects of a slice, along the edges of voxels, as closed rings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from skimage import measure

from napari_segtrain.objects.simplifying import kept_corners

if TYPE_CHECKING:
    from collections.abc import Iterator

Points = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rings:
    """Closed lines, one after the other; none meets itself.

    Parameters
    ----------
    corners : ndarray of float64, shape (n, 2)
        Y and X of all in voxels; the center of the first voxel is (0, 0).
    starts : ndarray of int64, shape (n_rings + 1,)
        Where each begins, and the end.
    ids : ndarray of int, shape (n_rings,)
        Whose line it is.
    outer : tuple of int
        Rings around pieces, by rising id.
    holes : dict of int to list of int
        Rings of the holes of an outer one; they run the other way around.
    """

    corners: Points
    starts: Indices
    ids: npt.NDArray[Any]
    outer: tuple[int, ...]
    holes: dict[int, list[int]]

    def points(self, ring: int) -> Points:
        """Corners of one."""
        return self.corners[self.starts[ring] : self.starts[ring + 1]]

    def simplified(self, tolerance: float) -> Rings:
        """Fewer corners of each; what is left out is at most a tolerance away."""
        is_kept = kept_corners(self.corners, self.starts, tolerance)
        starts = np.concatenate([[0], np.cumsum(is_kept)])[self.starts]
        return replace(self, corners=self.corners[is_kept], starts=starts)


def trace_rings(plane: npt.NDArray[Any]) -> Rings:
    """Lines around the pieces of objects, which are connected through edges.

    Parameters
    ----------
    plane : ndarray of int, shape (Y, X)
        Object ids, none below 0; 0 is background.
    """
    plane = np.pad(plane, 1)
    found = _turning_edges(plane)
    order, starts = _cycles(found.following.tolist())
    order, starts = _parted(order, starts, found.vertices)
    y, x = np.divmod(found.vertices[order], plane.shape[1])
    voxels = found.voxels[order[starts[:-1]]]
    areas = _twice_areas(y, x, starts)
    ids = plane.ravel()[voxels]
    outer = np.flatnonzero(areas > 0)
    outer = outer[np.lexsort((voxels[outer], ids[outer]))]
    corners = np.stack([y, x], axis=1) - 1.5  # the padding, and half a voxel
    holes = _owned(np.flatnonzero(areas < 0), outer, voxels, plane)
    return Rings(corners, starts, ids, tuple(outer.tolist()), holes)


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

    voxels: Indices
    vertices: Indices
    following: Indices


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


def _side_of_objects(plane: npt.NDArray[Any], side: int) -> Indices:
    """Voxels of objects whose neighbor is another, or background."""
    here = (slice(1, -1), slice(1, -1))
    there = [
        (slice(None, -2), slice(1, -1)),
        (slice(1, -1), slice(2, None)),
        (slice(2, None), slice(1, -1)),
        (slice(1, -1), slice(None, -2)),
    ][side]
    y, x = np.nonzero((plane[here] != plane[there]) & (plane[here] > 0))
    found: Indices = (y + 1) * plane.shape[1] + x + 1
    return found


def _cycles(
    following: list[int],
) -> tuple[Indices, Indices]:
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
    order: Indices,
    starts: Indices,
    vertices: Indices,
) -> tuple[Indices, Indices]:
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


def _loops(ring: Indices, vertices: Indices) -> Iterator[Indices]:
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


def _twice_areas(y: Indices, x: Indices, starts: Indices) -> Indices:
    """Signed areas of rings, less than 0 of those around holes."""
    after = np.arange(1, len(y) + 1)
    after[starts[1:] - 1] = starts[:-1]
    cross = x * y[after] - x[after] * y
    return np.add.reduceat(cross, starts[:-1]) if len(y) else cross


def _owned(
    holes: Indices, outer: Indices, voxels: Indices, plane: npt.NDArray[Any]
) -> dict[int, list[int]]:
    """Holes of each outer ring: those of the same piece of an object."""
    if not len(holes):
        return {}
    pieces = measure.label(plane, background=0, connectivity=1).ravel()
    owner = dict(zip(pieces[voxels[outer]].tolist(), outer.tolist(), strict=True))
    found: dict[int, list[int]] = {}
    for hole in holes.tolist():
        found.setdefault(owner[int(pieces[voxels[hole]])], []).append(hole)
    return found
