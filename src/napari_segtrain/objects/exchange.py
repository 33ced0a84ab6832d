"""What files with outlines of other programs have in common.

QuPath and ImageJ count in corners of pixels, X first: the center of the first pixel is
at (0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.objects.filling import contains
from napari_segtrain.objects.outlines import Outline

if TYPE_CHECKING:
    from collections.abc import Sequence

Points = npt.NDArray[np.float64]
Polygon = tuple[Points, ...]
"""The outer ring, and those of holes."""

_MIN_CORNERS = 3
_FARTHEST = 1e9
_DECIMALS = 4
_HALF = 0.5
_LARGEST_ID = np.iinfo(np.uint64).max


@dataclass(frozen=True, eq=False)
class FoundShape:
    """A shape in a file.

    Parameters
    ----------
    id : int or None
        Of the object, where the file says it.
    z : int
        Slice.
    polygons : list of tuple of ndarray
        Rings of its pieces, YX in voxels as of `Outline`.
    """

    id: int | None
    z: int
    polygons: list[Polygon]


def as_outlines(shapes: Sequence[FoundShape]) -> list[Outline]:
    """Outlines of shapes; those without an id get new ones, above all others."""
    known = [shape.id for shape in shapes if shape.id is not None]
    new = count(max(known, default=0) + 1)
    outlines = []
    for shape in shapes:
        object_id = next(new) if shape.id is None else shape.id
        for points, *holes in shape.polygons:
            outlines.append(Outline(object_id, shape.z, points, tuple(holes)))
    return outlines


def to_pixel_corners(ring: Points) -> npt.NDArray[Any]:
    """X and Y of the corners of a ring as other programs count; whole where they are.

    Parameters
    ----------
    ring : ndarray of float64, shape (n, 2)
        Y and X in voxels.

    Returns
    -------
    ndarray of int64 or float64, shape (n, 2)
    """
    corners: Points = np.round(ring[:, ::-1] + _HALF, _DECIMALS)
    whole = corners.astype(np.int64)
    return whole if (whole == corners).all() else corners


def from_pixel_corners(corners: npt.ArrayLike) -> Points:
    """Undo `to_pixel_corners`; a last corner that repeats the first is left out.

    Raises
    ------
    ValueError
        When these are not three corners or more with two numbers each.
    """
    points = np.asarray(corners, np.float64)
    if points.ndim != len("YX") or points.shape[1] < len("YX"):
        raise ValueError("a ring is no list of coordinates")
    points = points[:, 1::-1] - _HALF
    if len(points) and (points[0] == points[-1]).all():
        points = points[:-1]
    if len(points) < _MIN_CORNERS:
        raise ValueError(f"a ring has {len(points)} corners")
    if not (np.abs(points) < _FARTHEST).all():
        raise ValueError(f"a coordinate is {np.abs(points).max():g}")
    return points


def as_id(value: object) -> int | None:
    """Positive whole number that a name or property is; ``None`` for all else."""
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal()):
        return None
    number = int(text) if len(text) <= len(str(_LARGEST_ID)) else 0
    return number if 0 < number <= _LARGEST_ID else None


def nested(rings: Sequence[Points]) -> list[Polygon]:
    """Polygons of rings of which those in others are holes, and those in holes not.

    Parameters
    ----------
    rings : sequence of ndarray of float64, shape (n, 2)
        They may touch, but not cross each other.
    """
    around = [_rings_around(number, rings) for number in range(len(rings))]
    polygons: dict[int, list[Points]] = {
        number: [ring]
        for number, ring in enumerate(rings)
        if len(around[number]) % 2 == 0
    }
    for number, ring in enumerate(rings):
        if number not in polygons:
            innermost = max(around[number], key=lambda other: len(around[other]))
            polygons[innermost].append(ring)
    return [tuple(polygon) for polygon in polygons.values()]


def _rings_around(number: int, rings: Sequence[Points]) -> list[int]:
    """Rings that hold the middle of an edge of a ring; corners may touch."""
    middle = rings[number][:2].mean(axis=0, keepdims=True)
    return [
        other
        for other, ring in enumerate(rings)
        if other != number and contains([ring], middle)[0]
    ]
