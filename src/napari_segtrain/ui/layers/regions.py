"""Shapes layers as regions of an image: where labels count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from napari_segtrain.axes import CHANNEL_AXIS
from napari_segtrain.data.restricted import RegionMask
from napari_segtrain.errors import DataError
from napari_segtrain.objects.filling import fill_polygon
from napari_segtrain.ui.layers.transforms import (
    Placement,
    layer_axes,
    placement,
    unit_ratio,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari.layers import Image, Labels, Shapes

    Mask = npt.NDArray[np.bool_]
    Points = npt.NDArray[np.float64]

_N_ELLIPSE = 180
_FLAT = 0.5
"""Voxels that the corners of a shape may be apart along an axis that it lies across."""


@dataclass(frozen=True)
class DrawnOutline:
    """A closed line in the voxels of an image.

    Parameters
    ----------
    number : int
        Of the shape in its layer.
    points : ndarray of shape (n, 2)
        Y and X.
    index : dict of str to int
        The slice that it lies on, per axis; none of the axes that it goes through.
    """

    number: int
    points: Points
    index: dict[str, int]


@dataclass(frozen=True, eq=False)
class OutlineMask:
    """Where voxels lie in shapes that hold for all slices; made box by box.

    Parameters
    ----------
    outlines : tuple of ndarray of shape (n, 2)
        Y and X of the corners of closed lines.
    shape : (int, int)
        Of a slice.
    """

    outlines: tuple[Points, ...]
    shape: tuple[int, int]

    @property
    def window(self) -> tuple[slice, slice]:
        """Box around all shapes, Y and X; empty where none lies in the slice."""
        sizes = dict(zip("YX", self.shape, strict=True))
        boxes = [_around(points, sizes) for points in self.outlines]
        y, x = (
            slice(int(low), int(high))
            for low, high in zip(
                np.min([low for low, _ in boxes], axis=0),
                np.max([high for _, high in boxes], axis=0),
                strict=True,
            )
        )
        return y, x

    def read(self, window: tuple[slice, slice]) -> Mask:
        """Which voxels of a part of a slice lie in a shape."""
        y, x = window
        shape = y.stop - y.start, x.stop - x.start
        mask = np.zeros(shape, bool)
        for points in self.outlines:
            mask |= fill_polygon(points - (y.start, x.start), shape)
        return mask

    def coarse(self, most: int) -> Mask:
        """Reduce the whole to at most ``most`` pixels a side, a little too large."""
        factor = max(1, -(-max(self.shape) // most))
        size_y, size_x = (-(-n // factor) for n in self.shape)
        small = OutlineMask(
            tuple((points + 0.5) / factor - 0.5 for points in self.outlines),
            (size_y, size_x),
        )
        mask = small.read((slice(0, size_y), slice(0, size_x)))
        if factor == 1:
            return mask
        wider: Mask = binary_dilation(mask, np.ones((3, 3), bool))
        return wider


def outline_mask(
    shapes: Shapes, image: Image, axes: str, *, level: int = 0
) -> OutlineMask:
    """Shapes as a region of all slices of an image; quick, whatever its size.

    Parameters
    ----------
    shapes, image, axes, level
        As of `region_mask`.

    Raises
    ------
    DataError
        As of `region_mask`.
    """
    found = tuple(
        each.points for each in drawn_outlines(shapes, image, axes, level=level)
    )
    if not found:
        raise DataError(_no_area(shapes))
    data = image.data[level] if image.multiscale else image.data
    sizes = dict(zip(axes, data.shape, strict=True))
    mask = OutlineMask(found, (int(sizes["Y"]), int(sizes["X"])))
    if any(part.start >= part.stop for part in mask.window):
        raise DataError(_outside(shapes, image))
    return mask


def is_through_all(shapes: Shapes) -> bool:
    """Whether shapes hold for all slices unless the user says otherwise."""
    return bool(shapes.ndim == len("YX"))


def region_mask(
    shapes: Shapes,
    image: Image,
    axes: str,
    *,
    level: int = 0,
    through_all: bool | None = None,
) -> RegionMask:
    """Voxels of an image whose centers lie in the shapes.

    Rectangles, ellipses and polygons; paths are closed to polygons, lines have no
    area. Shapes are brought onto the image in world coordinates.

    Parameters
    ----------
    shapes : napari Shapes layer
    image : napari Image layer
    axes : str
        One letter per dimension of the data of the image.
    level : int
        Of a multiscale image.
    through_all : bool, optional
        Whether a shape holds for all slices, rather than for the one on which it was
        drawn; by default when the Shapes layer is 2D.

    Raises
    ------
    DataError
        When there is no shape with an area, none on the image, or one that is not
        drawn in its YX plane.
    """
    make = region_maker(shapes, image, axes, level=level, through_all=through_all)
    return make()


def region_maker(
    shapes: Shapes,
    image: Image | Labels,
    axes: str,
    *,
    level: int = 0,
    through_all: bool | None = None,
) -> Callable[[], RegionMask]:
    """Prepare a region that is then made in a thread; later edits do not reach it.

    Parameters
    ----------
    shapes, image, axes, level, through_all
        As of `region_mask`; labels serve as well as an image.

    Returns
    -------
    callable
        Returns the region, or raises `DataError` where the image has no voxel of it.

    Raises
    ------
    DataError
        As of `region_mask`.
    """
    through_all = is_through_all(shapes) if through_all is None else through_all
    outlines = list(drawn_outlines(shapes, image, axes, level=level))
    if not outlines:
        raise DataError(_no_area(shapes))
    data = image.data[level] if image.multiscale else image.data
    sizes = dict(zip(axes, data.shape, strict=True))
    letters = "" if through_all else "".join(outlines[0].index)
    outside = _outside(shapes, image)

    def make() -> RegionMask:
        mask = _rasterized(outlines, letters, sizes)
        if not any(plane.any() for plane in mask.planes.values()):
            raise DataError(outside)
        return mask

    return make


def check_region(shapes: Shapes) -> None:
    """Refuse a Shapes layer without any area; quick.

    Raises
    ------
    DataError
    """
    if all(kind == "line" for kind in shapes.shape_type):
        raise DataError(_no_area(shapes))


def _no_area(shapes: Shapes) -> str:
    return (
        f"The Shapes layer '{shapes.name}' holds no rectangle, ellipse, polygon or "
        "path; draw the region, or choose none."
    )


def _outside(shapes: Shapes, image: Image | Labels) -> str:
    kind = type(image).__name__.lower()
    return (
        f"The shapes of '{shapes.name}' hold no voxel of the {kind} '{image.name}'; "
        "draw them on it, on its slices."
    )


def drawn_outlines(
    shapes: Shapes, image: Image | Labels, axes: str, *, level: int = 0
) -> Iterator[DrawnOutline]:
    """Shapes with an area in the voxels of an image or labels; lines are left out.

    Parameters
    ----------
    shapes, image, axes, level
        As of `region_mask`.

    Raises
    ------
    DataError
        When a shape is not drawn in the YX plane.
    """
    letters = layer_axes(image, axes)[-shapes.ndim :]
    target = placement(image, axes, level=level).along(letters)
    to_voxels = np.linalg.inv(target.matrix) @ _to_world(shapes, target)
    kinds = shapes.shape_type
    for number, (vertices, kind) in enumerate(zip(shapes.data, kinds, strict=True)):
        if kind == "line":
            continue
        corners = np.asarray(vertices, float)[:, -len(letters) :]
        voxels = _moved(_ellipse(corners) if kind == "ellipse" else corners, to_voxels)
        index = _index(voxels, letters, shapes, image)
        at = [letters.index(axis) for axis in "YX"]
        yield DrawnOutline(number, voxels[:, at], index)


def _to_world(shapes: Shapes, target: Placement) -> Points:
    """From vertices to the world, in the units of the image."""
    own = placement_of_shapes(shapes, len(target.axes))
    ratios = [
        unit_ratio(unit, other) or 1.0
        for unit, other in zip(own.units, target.units, strict=True)
    ]
    matrix: Points = np.diag([*ratios, 1.0]) @ own.matrix
    return matrix


def placement_of_shapes(shapes: Shapes, n_dims: int) -> Placement:
    """Where the last dimensions of a Shapes layer are."""
    letters = "abcdefghij"[: shapes.ndim]
    return placement(shapes, letters).along(letters[-n_dims:])


def _moved(points: Points, matrix: Points) -> Points:
    moved: Points = points @ matrix[:-1, :-1].T + matrix[:-1, -1]
    return moved


def _ellipse(corners: Points) -> Points:
    """Polygon of an ellipse that is given by the corners of its box."""
    first, along, _, across = corners
    angles = np.linspace(0, 2 * np.pi, _N_ELLIPSE, endpoint=False)[:, None]
    half_a, half_b = (along - first) / 2, (across - first) / 2
    ellipse: Points = (
        corners.mean(axis=0) + np.cos(angles) * half_a + np.sin(angles) * half_b
    )
    return ellipse


def _index(
    voxels: Points, letters: str, shapes: Shapes, image: Image | Labels
) -> dict[str, int]:
    """The slice that a shape is on, per axis."""
    index = {}
    for axis, places in zip(letters, voxels.T, strict=True):
        if axis in "YX" + CHANNEL_AXIS:
            continue
        if np.ptp(places) > _FLAT:
            raise DataError(
                f"A shape of '{shapes.name}' reaches through slices {places.min():.4g} "
                f"to {places.max():.4g} of {axis} of '{image.name}'; draw "
                "regions in the YX plane."
            )
        index[axis] = round(float(places.mean()))
    return index


def _rasterized(
    outlines: Sequence[DrawnOutline], letters: str, sizes: dict[str, Any]
) -> RegionMask:
    """Union of the shapes of each slice, as far as the image goes.

    Each shape costs its own bounding box, since there may be many small ones.
    """
    boxes = [_around(outline.points, sizes) for outline in outlines]
    first = np.min([low for low, _ in boxes], axis=0)
    size = np.max([high for _, high in boxes], axis=0) - first
    planes: dict[tuple[int, ...], Mask] = {}
    for outline, (low, high) in zip(outlines, boxes, strict=True):
        index = tuple(outline.index[axis] for axis in letters)
        if not all(0 <= i < sizes[a] for i, a in zip(index, letters, strict=True)):
            continue
        if index not in planes:
            planes[index] = np.zeros(size, bool)
        plane = planes[index]
        n_y, n_x = (high - low).tolist()
        y, x = (low - first).tolist()
        inside = fill_polygon(outline.points - low, (n_y, n_x))
        plane[y : y + n_y, x : x + n_x] |= inside
    return RegionMask(planes, letters, (int(first[0]), int(first[1])))


def _around(points: Points, sizes: dict[str, Any]) -> tuple[Points, Points]:
    """First voxel of the box around some points, and the one after the last."""
    shape = np.array([sizes["Y"], sizes["X"]])
    low = np.clip(np.floor(points.min(axis=0)), 0, shape).astype(int)
    high = np.clip(np.ceil(points.max(axis=0)) + 1, low, shape).astype(int)
    return low, high
