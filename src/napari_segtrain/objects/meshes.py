"""Smooth surfaces of objects as triangles, in µm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse
from skimage.measure import marching_cubes

from napari_segtrain.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_segtrain.boxes import Box

Spacing = tuple[float, float, float]

SMOOTHING = 20
"""Usual number of passes."""

_MANY_IDS = 1 << 24
"""Largest id up to which all lower ones are looked for."""
_SHRINK, _GROW = 0.5, -0.53
"""Steps of a pass: what is rough vanishes, and the volume stays."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """Surfaces of objects.

    Parameters
    ----------
    vertices : ndarray of float32, shape (n_vertices, 3)
        Z, Y, X in µm; (0, 0, 0) is the center of the first voxel.
    faces : ndarray of int32, shape (n_faces, 3)
        Vertices of triangles, counterclockwise seen from outside with the axes X, Y, Z.
    ids : ndarray of uint64, shape (n_vertices,)
        Object of each vertex.
    """

    vertices: npt.NDArray[np.float32]
    faces: npt.NDArray[np.int32]
    ids: npt.NDArray[np.uint64]

    @property
    def volume(self) -> float:
        """What the surfaces enclose, in µm³."""
        corners = self.vertices[self.faces][..., ::-1].astype(np.float64)
        products = np.cross(corners[:, 0], corners[:, 1]) * corners[:, 2]
        return float(products.sum()) / 6


def mesh_objects(
    ids: npt.NDArray[Any],
    spacing: Spacing,
    *,
    wanted: Sequence[int] | None = None,
    smoothing: int = SMOOTHING,
) -> Mesh:
    """Surfaces of some or all objects in one mesh.

    Parameters
    ----------
    ids : ndarray of int, shape (Z, Y, X)
        Object ids; 0 and less is background.
    spacing : tuple of float
        µm per voxel along Z, Y, X.
    wanted : sequence of int, optional
        Ids of the objects; all by default.
    smoothing : int
        Passes of Taubin's smoothing, which keeps the volume; 0 leaves the steps
        between voxels.

    Raises
    ------
    DataError
        When there is none of the objects.
    """
    meshes = list(iter_meshes(ids, spacing, wanted=wanted, smoothing=smoothing))
    if not meshes:
        raise DataError(
            "There is no object to make a surface of: the label image is empty"
            + (
                ". Choose labels with objects."
                if wanted is None
                else f" where the ids {list(wanted)[:5]} should be. Choose other ids."
            )
        )
    return join_meshes(meshes)


def iter_meshes(
    ids: npt.NDArray[Any],
    spacing: Spacing,
    *,
    wanted: Sequence[int] | None = None,
    smoothing: int = SMOOTHING,
) -> Iterator[Mesh]:
    """Surface of each object, by rising id; see `mesh_objects`."""
    for object_id, box in _boxes(ids, wanted):
        mask = np.pad(ids[box] == object_id, 1)
        vertices, faces, _, _ = marching_cubes(mask.astype(np.float32), 0.5)
        vertices = vertices.astype(np.float64)
        if smoothing > 0:
            vertices = _smooth(vertices, faces, smoothing)
        vertices += [part.start - 1 for part in box]
        yield Mesh(
            (vertices * spacing).astype(np.float32),
            faces.astype(np.int32),
            np.full(len(vertices), object_id, np.uint64),
        )


def join_meshes(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh of several, at least one."""
    before = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    faces = [
        mesh.faces + n for mesh, n in zip(meshes, before.astype(np.int32), strict=True)
    ]
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate(faces),
        np.concatenate([mesh.ids for mesh in meshes]),
    )


def _boxes(
    ids: npt.NDArray[Any], wanted: Sequence[int] | None
) -> Iterator[tuple[int, Box]]:
    """Ids that occur and the boxes around them."""
    if ids.max(initial=0) > _MANY_IDS:
        found, numbers = np.unique(ids, return_inverse=True)
        numbers = numbers.reshape(ids.shape) + 1
    else:
        found, numbers = np.arange(1, ids.max(initial=0) + 1), ids
    boxes = ndimage.find_objects(numbers)
    chosen = None if wanted is None else set(wanted)
    for object_id, box in zip(found.tolist(), boxes, strict=True):
        is_wanted = chosen is None or object_id in chosen
        if box is not None and object_id > 0 and is_wanted:
            yield object_id, box


def _smooth(
    vertices: npt.NDArray[np.float64], faces: npt.NDArray[Any], n_passes: int
) -> npt.NDArray[np.float64]:
    """Smooth a mesh without shrinking it (Taubin 1995): steps inwards and outwards."""
    n = len(vertices)
    first = faces.ravel()
    second = np.roll(faces, 1, axis=1).ravel()
    rows, columns = np.append(first, second), np.append(second, first)
    links = sparse.coo_array((np.ones(len(rows)), (rows, columns)), (n, n)).tocsr()
    links.data[:] = 1
    weights = 1 / links.sum(axis=1)
    for _ in range(n_passes):
        for step in (_SHRINK, _GROW):
            middle = (links @ vertices) * weights[:, np.newaxis]
            vertices = vertices + step * (middle - vertices)
    return vertices
