from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.objects.touching import touching_balls

from napari_segtrain.errors import DataError
from napari_segtrain.objects.meshes import iter_meshes, mesh_objects

ISOTROPIC = (0.5, 0.5, 0.5)
ANISOTROPIC = (2.0, 0.5, 0.5)


def ball(radius, spacing):
    """A ball in voxels of a spacing; its middle is the middle of the image."""
    shape = [2 * int(radius / s) + 7 for s in spacing]
    z, y, x = (
        (np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)
    )
    away = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
    return (away <= radius).astype(np.uint8)


def n_edges_used_once(mesh):
    edges = np.concatenate([mesh.faces[:, [i, (i + 1) % 3]] for i in range(3)])
    counts = Counter(tuple(sorted(edge)) for edge in edges.tolist())
    return sum(n % 2 for n in counts.values())


@pytest.mark.parametrize("spacing", [ISOTROPIC, ANISOTROPIC])
@pytest.mark.parametrize("smoothing", [0, 10, 30])
def test_the_volume_of_a_ball_is_kept(spacing, smoothing):
    ids = ball(10, spacing)
    volume = ids.sum() * np.prod(spacing)
    mesh = mesh_objects(ids, spacing, smoothing=smoothing)
    assert mesh.volume == pytest.approx(volume, rel=0.025)
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 10**3, rel=0.03)


def test_smoothing_takes_the_steps_away():
    ids = ball(10, ISOTROPIC)
    middle = (np.array(ids.shape) - 1) / 2 * ISOTROPIC

    def roughness(smoothing):
        mesh = mesh_objects(ids, ISOTROPIC, smoothing=smoothing)
        return np.linalg.norm(mesh.vertices - middle, axis=1).std()

    assert roughness(10) < 0.6 * roughness(0)


def test_objects_lie_where_they_are():
    ids = np.zeros((12, 20, 30), int)
    ids[4:9, 5:12, 20:28] = 3
    mesh = mesh_objects(ids, ANISOTROPIC, smoothing=0)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    np.testing.assert_allclose(low, np.array([3.5, 4.5, 19.5]) * ANISOTROPIC)
    np.testing.assert_allclose(high, np.array([8.5, 11.5, 27.5]) * ANISOTROPIC)


def test_surfaces_at_the_border_are_closed():
    mesh = mesh_objects(np.full((3, 4, 5), 2), ISOTROPIC)
    assert n_edges_used_once(mesh) == 0


@settings(max_examples=30)
@given(arrays(np.uint8, (4, 5, 6), elements=st.integers(0, 2)).filter(np.any))
def test_every_object_has_a_closed_surface(ids):
    meshes = list(iter_meshes(ids, (1, 1, 1)))
    assert [int(mesh.ids[0]) for mesh in meshes] == np.unique(ids[ids > 0]).tolist()
    for mesh in meshes:
        assert n_edges_used_once(mesh) == 0
        assert mesh.volume > 0


def test_one_mesh_of_all():
    ids = touching_balls(shape=(20, 40, 40), radius=6, n=5)
    mesh = mesh_objects(ids, ISOTROPIC)
    assert np.unique(mesh.ids).tolist() == [1, 2, 3, 4, 5]
    of_faces = mesh.ids[mesh.faces]
    assert (of_faces == of_faces[:, :1]).all()
    parts = list(iter_meshes(ids, ISOTROPIC))
    assert mesh.volume == pytest.approx(sum(part.volume for part in parts), rel=1e-4)


def test_some_objects():
    ids = touching_balls(shape=(20, 40, 40), radius=6, n=5).astype(np.int64) << 33
    wanted = [4 << 33, 2 << 33, 7]
    mesh = mesh_objects(ids, ISOTROPIC, wanted=wanted)
    assert np.unique(mesh.ids).tolist() == [2 << 33, 4 << 33]


@pytest.mark.parametrize("wanted", [None, [5], []])
def test_nothing(wanted):
    with pytest.raises(DataError, match="no object"):
        mesh_objects(np.zeros((2, 3, 3), int), ISOTROPIC, wanted=wanted)
