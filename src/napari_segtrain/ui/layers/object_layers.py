"""Layers of the objects of a Labels layer: outlines, centers and surfaces.

A source is taken in the GUI thread, which is quick; layers are made of it in any
thread, and added to the viewer in the GUI thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Points, Shapes, Surface

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.errors import DataError
from napari_segtrain.image import Item, LabelImage
from napari_segtrain.objects.meshes import SMOOTHING, Mesh, mesh_objects
from napari_segtrain.objects.outlines import iter_outlines
from napari_segtrain.objects.prevalence import prevalent_slices
from napari_segtrain.objects.slices import ItemSlices
from napari_segtrain.ui.layers.reading import guess_axes, labels_from_layer
from napari_segtrain.ui.layers.transforms import result_transform

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari.layers import Labels

    from napari_segtrain.objects.outlines import Outline

    Matrix = npt.NDArray[np.float64]

MAX_SHAPES = 2000
MAX_CORNERS = 100_000
"""Outlines in a layer, and their corners, up to which napari stays usable.

Without the package bermuda napari takes 0.8 ms per corner to make the layer.
"""

_EDGE_WIDTH = 0.5
_POINT_PIXELS = (6, 10_000)
"""Sizes of a point on the screen."""


@dataclass(frozen=True, eq=False)
class ObjectSource:
    """What layers of objects are made of.

    Parameters
    ----------
    labels : LabelImage
        Object ids.
    name : str
        Of the Labels layer.
    transforms : dict of str to dict
        Where layers with some axes lie, for their constructors.
    colormap : napari label colormap
        Colors of ids.
    """

    labels: LabelImage
    name: str
    transforms: dict[str, dict[str, Any]]
    colormap: Any

    def colors(self, ids: npt.NDArray[Any]) -> Matrix:
        """Color of each id, shape (n, 4), RGBA from 0 to 1; white where it has none."""
        colors = np.array(self.colormap.map(ids), np.float64).reshape(-1, 4)
        colors[colors[:, 3] == 0] = 1
        colors[:, 3] = 1
        return colors


def object_source(layer: Labels, *, axes: str | None = None) -> ObjectSource:
    """Take what layers of objects are made of; in the GUI thread.

    Parameters
    ----------
    layer : napari Labels layer
        Its voxels are read later.
    axes : str, optional
        One letter per dimension of its data; guessed by default.

    Raises
    ------
    DataError
        For multiscale labels and impossible axes.
    """
    axes = axes or guess_axes(layer)
    labels = labels_from_layer(layer, axes=axes)
    kept = [labels.axes, *([SPATIAL_AXES] if "Z" in labels.axes else [])]
    transforms = {keep: result_transform(layer, axes, keep=keep) for keep in kept}
    return ObjectSource(labels, str(layer.name), transforms, layer.colormap.copy())


def outline_layer(source: ObjectSource, *, tolerance: float = 0.0) -> Shapes:
    """Make a Shapes layer with a polygon per piece of an object in a slice.

    Holes belong to the polygon: a line leads to them and back. The feature ``id`` says
    which object it is; polygons drawn later have the id 0, which is a new object.

    Parameters
    ----------
    source : ObjectSource
    tolerance : float
        As of `trace_outlines`.

    Raises
    ------
    DataError
        When there are more than `MAX_SHAPES` or `MAX_CORNERS`, or none.
    """
    axes = source.labels.axes
    vertices: list[Matrix] = []
    ids: list[int] = []
    n_corners = 0
    for item, outline in _outlines(source.labels, tolerance):
        line = outline.keyhole
        n_corners += len(line)
        if len(ids) == MAX_SHAPES or n_corners > MAX_CORNERS:
            raise DataError(_too_many(source.name))
        places = np.column_stack([np.full(len(line), outline.z), line])
        vertices.append(_in_item(places, item, axes))
        ids.append(outline.id)
    if not ids:
        raise DataError(_nothing(source.name))
    column = np.array(ids, np.uint64)
    return Shapes(
        vertices,
        shape_type="polygon",
        name=f"{source.name} outlines",
        edge_color=source.colors(column),
        edge_width=_EDGE_WIDTH,
        face_color="transparent",
        opacity=1,
        features={"id": column},
        feature_defaults={"id": np.uint64(0)},
        **source.transforms[axes],
    )


def point_layer(source: ObjectSource) -> Points:
    """Make a Points layer with each object's center on its most prevalent slice.

    The features are ``id``, and ``voxels`` in that slice.

    Parameters
    ----------
    source : ObjectSource

    Raises
    ------
    DataError
        When there is no object.
    """
    axes = source.labels.axes
    tables = [
        (item, prevalent_slices(ItemSlices(item))) for item in source.labels.items()
    ]
    places = [_in_item(table.centers, item, axes) for item, table in tables]
    ids = np.concatenate([table.ids for _, table in tables])
    n_voxels = np.concatenate([table.n_voxels for _, table in tables])
    if not len(ids):
        raise DataError(_nothing(source.name))
    return Points(
        np.concatenate(places),
        name=f"{source.name} centers",
        size=np.sqrt(n_voxels / np.pi),  # half as wide as its object, were that round
        canvas_size_limits=_POINT_PIXELS,
        face_color=source.colors(ids),
        border_color="black",
        features={"id": ids, "voxels": n_voxels},
        **source.transforms[axes],
    )


def object_mesh(
    source: ObjectSource,
    *,
    item: int = 0,
    wanted: Sequence[int] | None = None,
    smoothing: int = SMOOTHING,
) -> Mesh:
    """Make a mesh of objects in µm, or in voxels where their size is unknown.

    Parameters
    ----------
    source : ObjectSource
    item : int
        Number of the item, for labels with a time axis or the like.
    wanted, smoothing
        As of `mesh_objects`.

    Raises
    ------
    DataError
        When the labels have no Z, or none of the objects.
    """
    if "Z" not in source.labels.axes:
        raise DataError(
            f"The labels '{source.name}' have no Z axis (axes {source.labels.axes}), "
            "so their objects have no surface; choose labels of a volume."
        )
    ids = source.labels.items()[item].read()[0]
    return mesh_objects(ids, _spacing(source), wanted=wanted, smoothing=smoothing)


def surface_layer(source: ObjectSource, mesh: Mesh) -> Surface:
    """Make a Surface layer of a mesh of `object_mesh`; its vertices are µm.

    Parameters
    ----------
    source : ObjectSource
        That the mesh was made of.
    mesh : Mesh
    """
    placed = dict(source.transforms[SPATIAL_AXES])
    placed["scale"] = np.asarray(placed["scale"]) / _spacing(source)
    ids, number = np.unique(mesh.ids, return_inverse=True)
    return Surface(
        (mesh.vertices, mesh.faces),
        name=f"{source.name} surface",
        vertex_colors=source.colors(ids)[number],
        shading="smooth",
        **placed,
    )


def _spacing(source: ObjectSource) -> tuple[float, float, float]:
    z, y, x = source.labels.voxel_size or (1.0, 1.0, 1.0)
    return z, y, x


def _outlines(labels: LabelImage, tolerance: float) -> Iterator[tuple[Item, Outline]]:
    for item in labels.items():
        for outlines in iter_outlines(ItemSlices(item), tolerance=tolerance):
            for outline in outlines:
                yield item, outline


def _in_item(places: Matrix, item: Item, axes: str) -> Matrix:
    """Places (n, 3) of an item as places in all axes of its array."""
    columns = dict(zip(SPATIAL_AXES, places.T, strict=True))
    found = [
        columns[axis] if axis in columns else np.full(len(places), item.index[axis])
        for axis in axes
    ]
    return np.stack(found, axis=1)


def _too_many(name: str) -> str:
    return (
        f"The outlines of '{name}' are more than {MAX_SHAPES:,} or have more than "
        f"{MAX_CORNERS:,} corners, which would make napari slow; export them as "
        "GeoJSON or ImageJ ROIs, raise the tolerance, or crop the labels."
    )


def _nothing(name: str) -> str:
    return f"The labels '{name}' hold no object; choose labels with ids above 0."
