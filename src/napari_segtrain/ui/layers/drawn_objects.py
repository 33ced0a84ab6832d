"""Polygons of a Shapes layer as the objects of a label image."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.errors import DataError
from napari_segtrain.objects.exchange import as_id
from napari_segtrain.objects.outlines import Outline, fill_outline
from napari_segtrain.ui.layers.regions import check_region, drawn_outlines
from napari_segtrain.ui.layers.transforms import layer_axes, result_transform

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari.layers import Image, Labels, Shapes

    from napari_segtrain.ui.layers.regions import DrawnOutline

ID = "id"
"""Feature of a shape that says which object it is."""


@dataclass(frozen=True, eq=False)
class DrawnObjects:
    """Objects that shapes are, in the voxels of an image or labels.

    Parameters
    ----------
    outlines : tuple of Outline
        In the order of the shapes.
    places : tuple of dict of str to int
        The slice of each, per axis.
    axes : str
        Of the label image that they are to be.
    shape : tuple of int
        Of that label image.
    transform : dict
        Where it lies, for ``add_labels``.
    """

    outlines: tuple[Outline, ...]
    places: tuple[dict[str, int], ...]
    axes: str
    shape: tuple[int, ...]
    transform: dict[str, Any]

    def fill(self) -> npt.NDArray[np.unsignedinteger[Any]]:
        """Label image in which shapes are filled, later ones over earlier ones."""
        highest = max(outline.id for outline in self.outlines)
        dtype = np.promote_types(np.uint32, np.min_scalar_type(highest))
        ids = np.zeros(self.shape, dtype)
        for outline, place in zip(self.outlines, self.places, strict=True):
            plane = ids[tuple(place.get(axis, slice(None)) for axis in self.axes)]
            is_turned = self.axes.index("X") < self.axes.index("Y")
            fill_outline(plane.T if is_turned else plane, outline)
        return ids


def drawn_objects(shapes: Shapes, layer: Labels | Image, axes: str) -> DrawnObjects:
    """Take the objects that shapes are; in the GUI thread.

    The feature ``id`` says which object a shape is. Shapes without one, or with 0, are
    new objects with ids above all others.

    Parameters
    ----------
    shapes : napari Shapes layer
        Rectangles, ellipses, polygons and paths; lines have no area.
    layer : napari Labels or Image layer
        Whose voxels the label image has.
    axes : str
        One letter per dimension of the data of that layer.

    Raises
    ------
    DataError
        When no shape has an area, or one lies on no slice or in none that is there.
    """
    check_region(shapes)
    letters = layer_axes(layer, axes)
    keep = "".join(axis for axis in letters if axis != "C")
    data = layer.data[0] if layer.multiscale else layer.data
    sizes = dict(zip(axes, map(int, data.shape), strict=True))
    drawn = list(drawn_outlines(shapes, layer, axes))
    ids = _ids(shapes)
    places = tuple(_place(outline, keep, sizes, shapes) for outline in drawn)
    return DrawnObjects(
        tuple(
            Outline(ids[each.number], place.get("Z", 0), each.points)
            for each, place in zip(drawn, places, strict=True)
        ),
        places,
        keep,
        tuple(sizes[axis] for axis in keep),
        result_transform(layer, axes, keep=keep),
    )


def drawn_regions(
    shapes: Shapes,
    layer: Labels | Image,
    axes: str,
    *,
    index: Mapping[str, int] | None = None,
) -> tuple[Outline, ...]:
    """Take shapes as regions to count objects in; in the GUI thread.

    Each shape is a region of its own: the first has the id 1, and so on; lines are none
    but have a number. Shapes of a 2D layer (`is_through_all`) hold for all slices.

    Parameters
    ----------
    shapes : napari Shapes layer
    layer : napari Labels or Image layer
        In whose voxels the centers of the objects are.
    axes : str
        One letter per dimension of the data of that layer.
    index : mapping of str to int, optional
        Position along item axes (T and others); shapes at another are left out.

    Returns
    -------
    tuple of Outline
        For `counts_by_outline`.

    Raises
    ------
    DataError
        When no shape has an area, or one is not drawn in the YX plane.
    """
    check_region(shapes)
    return tuple(
        Outline(drawn.number + 1, drawn.index.get("Z", 0), drawn.points)
        for drawn in drawn_outlines(shapes, layer, axes)
        if all((index or {}).get(a, at) == at for a, at in drawn.index.items())
    )


def _place(
    outline: DrawnOutline, axes: str, sizes: dict[str, int], shapes: Shapes
) -> dict[str, int]:
    """Slice of a shape on each axis but Y and X."""
    place = {}
    for axis in axes.replace("Y", "").replace("X", ""):
        if axis not in outline.index:
            raise DataError(
                f"The shapes of '{shapes.name}' are 2D and lie on no slice of {axis}; "
                "draw them in a Shapes layer with as many dimensions as the image."
            )
        place[axis] = outline.index[axis]
        if not 0 <= place[axis] < sizes[axis]:
            raise DataError(
                f"A shape of '{shapes.name}' lies on slice {place[axis]} of {axis}, "
                f"but there are slices 0 to {sizes[axis] - 1}; remove it."
            )
    return place


def _ids(shapes: Shapes) -> list[int]:
    """Object of each shape."""
    said = list(_said_ids(shapes))
    new = count(max(said, default=0) + 1)
    return [object_id or next(new) for object_id in said]


def _said_ids(shapes: Shapes) -> Iterator[int]:
    """Object of each shape as its features say it; 0 where they do not."""
    if ID not in shapes.features:
        yield from [0] * len(shapes.data)
        return
    for value in shapes.features[ID]:
        is_whole = isinstance(value, float) and value.is_integer()
        yield as_id(int(value) if is_whole else value) or 0
