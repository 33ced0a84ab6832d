from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.objects.touching import PARTED, f1, perfect, touching_balls

from napari_segtrain.config import BoundariesTarget, DistancesTarget, ForegroundTarget
from napari_segtrain.data.object_recipe import ObjectRecipe
from napari_segtrain.objects import seeded
from napari_segtrain.objects.seeded import evidence_of, make_objects


def objects_of(ids, recipe, *, is_2d=False):
    return make_objects(evidence_of(perfect(ids, recipe, is_2d=is_2d), recipe), recipe)


@pytest.mark.parametrize("target", PARTED, ids=str)
@pytest.mark.parametrize(
    ("shape", "spacing"), [((1, 64, 64), (1, 1, 1)), ((16, 48, 48), (3.0, 1.0, 1.0))]
)
def test_what_is_learned_perfectly_gives_the_objects_back(target, shape, spacing):
    ids = touching_balls(shape, spacing)
    recipe = ObjectRecipe(target, spacing)
    found = objects_of(ids, recipe, is_2d=shape[0] == 1)
    assert found.dtype == np.uint32
    np.testing.assert_array_equal(np.unique(found), np.arange(found.max() + 1))
    np.testing.assert_array_equal(found > 0, ids > 0)
    assert f1(ids, found, 0.75) == 1
    merged = objects_of(ids, ObjectRecipe(ForegroundTarget(), spacing))
    assert f1(ids, merged) < 0.9


def test_a_piece_without_a_core_is_an_object():
    ids = touching_balls()
    ids[0, 0, :4] = 100
    ids[0, :3, 0] = 100
    recipe = ObjectRecipe(BoundariesTarget(width=3))
    thin = objects_of(ids, recipe)[0, 0, 0]
    assert thin > 0


def test_a_map_without_any_slope_is_one_object():
    evidence = np.full((2, 3, 8, 8), 255, np.uint8)
    assert (make_objects(evidence, ObjectRecipe(DistancesTarget())) == 1).all()


def test_small_objects_are_left_out():
    ids = np.zeros((1, 20, 30), np.int32)
    ids[0, 2:12, 2:12], ids[0, 5:8, 20:23] = 1, 2
    recipe = ObjectRecipe(BoundariesTarget(width=1), min_voxels=10)
    assert objects_of(ids, recipe).max() == 1
    assert objects_of(ids, replace(recipe, min_voxels=9)).max() == 2


def test_the_prominence_decides_whether_a_neck_parts_an_object():
    depth = np.zeros((1, 9, 30), np.float32)
    depth[0, 2:7, 2:28] = 0.9
    depth[0, :, 14:16] *= 0.6 / 0.9
    foreground = (depth > 0).astype(np.float32)
    evidence = np.rint(np.stack([foreground, depth]) * 255).astype(np.uint8)
    recipe = ObjectRecipe(DistancesTarget(), smoothing=(0, 0, 0))
    assert make_objects(evidence, replace(recipe, prominence=0.29)).max() == 2
    assert make_objects(evidence, replace(recipe, prominence=0.31)).max() == 1


def test_smoothing_keeps_noise_from_breaking_an_object():
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.6, 0.9, (1, 30, 30))
    evidence = np.rint(np.stack([np.ones_like(depth), depth]) * 255).astype(np.uint8)
    recipe = ObjectRecipe(DistancesTarget(), prominence=0.1)
    assert make_objects(evidence, replace(recipe, smoothing=(0, 0, 0))).max() > 10
    assert make_objects(evidence, replace(recipe, smoothing=(0, 2, 2))).max() == 1


@pytest.mark.parametrize("target", PARTED, ids=str)
def test_objects_of_blocks_are_those_of_the_whole(target, monkeypatch):
    ids = touching_balls((24, 40, 40), n=12, radius=8)
    recipe = ObjectRecipe(target)
    whole = objects_of(ids, recipe)
    monkeypatch.setattr(seeded, "_BLOCK_VOXELS", 40 * 40 * 5)
    monkeypatch.setattr(seeded, "_HALO", 12)
    in_blocks = objects_of(ids, recipe)
    assert in_blocks.max() == whole.max()
    has_moved = (in_blocks != whole).mean()
    assert has_moved < 1e-3, "only voxels as near to one seed as to another"
