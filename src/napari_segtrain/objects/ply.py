"""Meshes as PLY files, for Blender, MeshLab, ParaView and others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_segtrain.image import default_color
from napari_segtrain.io.atomic import atomic_path

if TYPE_CHECKING:
    from pathlib import Path

    from napari_segtrain.objects.meshes import Mesh

Colors = npt.NDArray[np.uint8]

_HEADER = """\
ply
format binary_little_endian 1.0
comment napari-segtrain: micrometers
element vertex {n_vertices}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
property {id_type} id
element face {n_faces}
property list uchar int vertex_indices
end_header
"""
_LARGEST_UINT = np.iinfo(np.uint32).max


def write_ply(path: str | Path, mesh: Mesh, *, colors: Colors | None = None) -> None:
    """Write a mesh as binary PLY, with a color and the object's id per vertex.

    Coordinates are X, Y, Z in µm. Ids above 2³² - 1 are written as ``double``.

    Parameters
    ----------
    path : str or Path
        Usually ``.ply``.
    mesh : Mesh
    colors : ndarray of uint8, shape (n_vertices, 3), optional
        Red, green and blue; by default `object_colors`.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    is_small = int(mesh.ids.max(initial=0)) <= _LARGEST_UINT
    id_type, id_format = ("uint", "<u4") if is_small else ("double", "<f8")
    fields = [("place", "<f4", 3), ("color", "u1", 3), ("id", id_format)]
    vertices = np.empty(len(mesh.vertices), fields)
    vertices["place"] = mesh.vertices[:, ::-1]
    vertices["color"] = object_colors(mesh.ids) if colors is None else colors
    vertices["id"] = mesh.ids
    faces = np.empty(len(mesh.faces), [("n", "u1"), ("corners", "<i4", 3)])
    faces["n"], faces["corners"] = 3, mesh.faces
    header = _HEADER.format(
        n_vertices=len(vertices), n_faces=len(faces), id_type=id_type
    )
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(header.encode("ascii"))
        file.write(vertices.tobytes())
        file.write(faces.tobytes())


def object_colors(ids: npt.NDArray[np.uint64]) -> Colors:
    """Color of each id, from the palette of classes.

    Returns
    -------
    ndarray of uint8, shape (n, 3)
    """
    different, numbers = np.unique(ids, return_inverse=True)
    texts = [default_color(int(object_id)) for object_id in different]
    palette = [[int(text[at : at + 2], 16) for at in (1, 3, 5)] for text in texts]
    return np.array(palette, np.uint8).reshape(-1, 3)[numbers]
