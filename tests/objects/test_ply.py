from __future__ import annotations

import numpy as np
import pytest
from tests.objects.touching import touching_balls

from napari_segtrain.objects.meshes import Mesh, mesh_objects
from napari_segtrain.objects.ply import object_colors, write_ply

TYPES = {"float": "<f4", "double": "<f8", "uchar": "u1", "uint": "<u4", "int": "<i4"}


def read_ply(path):
    """Vertices by the properties of the header, and triangles."""
    header, _, body = path.read_bytes().partition(b"end_header\n")
    lines = header.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    words = [line.split() for line in lines]
    sizes = {word[1]: int(word[2]) for word in words if word[0] == "element"}
    fields = [
        (word[2], TYPES[word[1]])
        for word in words
        if word[0] == "property" and word[1] != "list"
    ]
    vertices = np.frombuffer(body, fields, sizes["vertex"])
    faces = np.frombuffer(
        body, [("n", "u1"), ("at", "<i4", 3)], sizes["face"], vertices.nbytes
    )
    assert len(body) == vertices.nbytes + faces.nbytes
    assert (faces["n"] == 3).all()
    return vertices, faces["at"]


def test_what_is_written(tmp_path):
    mesh = mesh_objects(touching_balls(shape=(9, 30, 30), radius=6, n=3), (2, 0.5, 0.5))
    write_ply(tmp_path / "a.ply", mesh)
    vertices, faces = read_ply(tmp_path / "a.ply")
    places = np.stack([vertices[axis] for axis in "zyx"], axis=1)
    np.testing.assert_array_equal(places, mesh.vertices)
    np.testing.assert_array_equal(faces, mesh.faces)
    np.testing.assert_array_equal(vertices["id"], mesh.ids)
    colors = np.stack([vertices[name] for name in ("red", "green", "blue")], axis=1)
    np.testing.assert_array_equal(colors, object_colors(mesh.ids))


def test_triangles_look_outwards(tmp_path):
    write_ply(tmp_path / "a.ply", mesh_objects(np.ones((3, 4, 5), int), (1, 1, 1)))
    vertices, faces = read_ply(tmp_path / "a.ply")
    corners = np.stack([vertices[axis] for axis in "xyz"], axis=1)[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outwards = corners.mean(axis=1) - np.array([2, 1.5, 1])
    assert (np.sum(normals * outwards, axis=1) > 0).all()


@pytest.mark.parametrize("largest", [2**32 - 1, 2**32, 2**50])
def test_large_ids(tmp_path, largest):
    triangle = np.eye(3, dtype=np.float32)
    ids = np.array([1, 2, largest], np.uint64)
    colors = np.array([[1, 2, 3]] * 3, np.uint8)
    mesh = Mesh(triangle, np.array([[0, 1, 2]], np.int32), ids)
    write_ply(tmp_path / "a.ply", mesh, colors=colors)
    vertices, _ = read_ply(tmp_path / "a.ply")
    assert vertices["id"].tolist() == [1, 2, largest]
    assert vertices["green"].tolist() == [2, 2, 2]
