from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_segtrain.config import BoundariesTarget, DistancesTarget, ObjectsConfig
from napari_segtrain.data import object_targets as module
from napari_segtrain.data.label_facts import inspect_labels
from napari_segtrain.data.object_recipe import (
    ObjectRecipe,
    object_sizes,
    plan_ring,
    radii,
    relative_spacing,
)
from napari_segtrain.data.object_targets import (
    BOUNDARY,
    INTERFACE,
    INTERIOR,
    UNKNOWN,
    ObjectTargetItem,
    encode_objects,
    object_targets,
)
from napari_segtrain.data.targets import TargetItem
from napari_segtrain.image import IGNORE_INDEX, ClassInfo, ClassTable, LabelImage

BACK = ClassInfo(0, "background", "#000000", "background")
OBJECTS = ClassTable((BACK, ClassInfo(1, "cell", "#ff0000")), is_objects=True)
SPARSE = replace(OBJECTS, zero="unlabelled")


def item_of(ids, axes="ZYX"):
    return LabelImage(ids, axes).items()[0]


def rows_of(parts):
    return ["".join(map(str, row)) for row in parts[0].tolist()]


def encode(ids, target, *, is_2d=True, **recipe):
    ids = np.asarray(ids, np.int32)
    ids = ids[np.newaxis] if ids.ndim == 2 else ids
    return encode_objects(ids, ObjectRecipe(target, **recipe), is_2d=is_2d)


def test_boundary_faces_the_background_and_interface_another_object():
    ids = np.zeros((7, 12), int)
    ids[1:6, 1:6], ids[1:6, 6:11] = 5, 9
    assert rows_of(encode(ids, BoundariesTarget(width=1))) == [
        "000000000000",
        "022223322220",
        "021113311120",
        "021113311120",
        "021113311120",
        "022223322220",
        "000000000000",
    ]
    assert (BOUNDARY, INTERFACE, INTERIOR) == (2, 3, 1)


def test_the_border_of_the_image_and_unlabelled_voxels_are_no_boundary():
    ids = np.ones((5, 6), int)
    ids[:, 5] = UNKNOWN
    parts = encode(ids, BoundariesTarget(width=2))
    assert (parts[..., :5] == INTERIOR).all()
    assert (parts[..., 5] == IGNORE_INDEX).all()


def test_slices_of_a_2d_network_know_nothing_of_each_other():
    ids = np.zeros((3, 9, 9), int)
    ids[0, 2:7, 2:7], ids[1, 2:7, 2:7] = 1, 2
    flat = encode(ids, BoundariesTarget(width=1), is_2d=True)
    assert INTERFACE not in flat
    deep = encode(ids, BoundariesTarget(width=1), is_2d=False)
    assert (deep[:2, 3:6, 3:6] == INTERFACE).all()
    steps = encode(ids, DistancesTarget(steps=3), is_2d=True)
    assert (steps[:2, 4, 4] == 3).all()


def test_a_width_spans_fewer_of_longer_voxels_but_one():
    assert radii(4, (1.0, 1.0, 1.0), is_2d=False) == (4, 4, 4)
    assert radii(4, relative_spacing((1.0, 0.5, 0.5)), is_2d=False) == (2, 4, 4)
    assert radii(2, relative_spacing((9.0, 1.0, 1.0)), is_2d=False) == (1, 2, 2)
    assert radii(2, relative_spacing((0.5, 0.5)), is_2d=True) == (0, 2, 2)


def test_depth_is_measured_in_micrometers():
    ids = np.zeros((9, 27, 27), int)
    ids[1:8, 3:24, 3:24] = 1
    spacing = relative_spacing((3.0, 1.0, 1.0))
    depth = encode(ids, DistancesTarget(steps=4), is_2d=False, spacing=spacing)
    assert depth[4, 13, 13] == 4
    np.testing.assert_array_equal(depth[1:4, 13, 13], depth[4, 13, 5:12:3])


def test_depth_falls_to_the_edge_between_touching_objects():
    ids = np.zeros((11, 22), int)
    ids[1:10, 2:11], ids[1:10, 11:20] = 1, 2
    depth = encode(ids, DistancesTarget(steps=5))[0]
    np.testing.assert_array_equal(depth[5, 2:11], depth[5, 2:11][::-1])
    assert (depth[5, 6], depth[5, 10], depth[5, 11], depth[5, 15]) == (5, 1, 1, 5)


def test_nothing_is_known_where_nothing_is_labelled():
    ids = np.full((6, 6), UNKNOWN)
    assert np.all(encode(ids, DistancesTarget()) == encode(ids, BoundariesTarget()))


def test_small_objects_are_as_deep_as_large_ones():
    ids = np.zeros((40, 60), int)
    ids[2:34, 2:34], ids[5:10, 45:50] = 1, 2
    depth = encode(ids, DistancesTarget(steps=5))[0]
    assert depth[ids == 1].max() == depth[ids == 2].max() == 5


@pytest.mark.parametrize("target", [BoundariesTarget(), DistancesTarget()], ids=str)
@pytest.mark.parametrize("is_2d", [False, True])
def test_a_patch_has_the_parts_of_the_whole(target, is_2d, monkeypatch):
    rng = np.random.default_rng(0)
    ids = np.kron(rng.permutation(64).reshape(4, 4, 4), np.ones((4, 6, 6), int))
    recipe = ObjectRecipe(target, reach=(0 if is_2d else 5, 7, 7))
    (target_item,) = object_targets(
        [TargetItem(item_of(ids), OBJECTS, (True,) * len(ids))], recipe, is_2d=is_2d
    )
    whole = target_item.read((slice(0, 16), slice(0, 24), slice(0, 24)))
    box = (slice(3, 9), slice(5, 17), slice(8, 20))
    np.testing.assert_array_equal(target_item.read(box), whole[box])
    monkeypatch.setattr(module, "_BLOCK_VOXELS", 24 * 24 * 3)
    np.testing.assert_array_equal(target_item.read(box), whole[box])
    np.testing.assert_array_equal(target_item.in_memory().read(box), whole[box])
    monkeypatch.setattr(module, "_MAX_KEPT_VOXELS", 10)
    kept = target_item.in_memory()
    assert isinstance(kept, ObjectTargetItem)
    np.testing.assert_array_equal(kept.read(box), whole[box])


def test_only_the_box_and_its_surroundings_are_read():
    class Watched:
        shape, dtype = (1, 4000, 4000), np.dtype(np.uint16)

        def __init__(self):
            self.keys = []

        def __getitem__(self, key):
            self.keys.append(key)
            return np.zeros(self.shape, self.dtype)[key]

    watched = Watched()
    recipe = ObjectRecipe(BoundariesTarget(), reach=(0, 2, 2))
    item = ObjectTargetItem(
        item_of(watched), OBJECTS, (True,), recipe=recipe, is_2d=True
    )
    item.read((slice(0, 1), slice(100, 200), slice(0, 50)))
    assert watched.keys == [(slice(0, 1), slice(98, 202), slice(0, 52))]


def test_of_sparse_objects_a_ring_around_each_is_background():
    ids = np.zeros((1, 20, 30), np.uint16)
    ids[0, 8:12, 8:12] = 7
    target = TargetItem(item_of(ids), SPARSE, (True,), ring=(1, 3, 3))
    found = target.read((slice(0, 1), slice(0, 20), slice(0, 30)))[0]
    ring = np.zeros_like(found, bool)
    ring[5:15, 5:15] = True
    assert (found[8:12, 8:12] == 1).all()
    assert (found[ring & (ids[0] == 0)] == 0).all()
    assert (found[~ring] == IGNORE_INDEX).all()
    part = target.read((slice(0, 1), slice(0, 7), slice(0, 30)))[0]
    np.testing.assert_array_equal(part, found[:7])
    parts = ObjectTargetItem(
        item_of(ids), SPARSE, (True,), (1, 3, 3), ObjectRecipe(BoundariesTarget())
    ).read((slice(0, 1), slice(0, 20), slice(0, 30)))[0]
    assert (parts[8:12, 8:12] > 0).all()
    assert (parts[~ring] == IGNORE_INDEX).all()


def test_the_ring_knows_the_voxel_size_and_painted_background():
    config = ObjectsConfig(ring_width=6)
    assert plan_ring(config, SPARSE, (1.0, 0.5, 0.5)) == (3, 6, 6)
    assert plan_ring(config, OBJECTS, None) == (0, 0, 0)
    unknown = ClassInfo(0, "unlabelled", "#808080", "unlabelled")
    back = ClassInfo(3, "background", "#000000", "background")
    painted = replace(SPARSE, rows=(back, OBJECTS.rows[1], unknown))
    assert plan_ring(config, painted, None) == (0, 0, 0)


def test_ids_of_any_size_are_told_apart():
    ids = np.zeros((1, 9, 12), np.int64)
    ids[0, 2:7, 1:6], ids[0, 2:7, 6:11] = 1 << 40, (1 << 40) + 1
    item = ObjectTargetItem(
        item_of(ids),
        OBJECTS,
        (True,),
        recipe=ObjectRecipe(BoundariesTarget(width=1)),
        is_2d=True,
    )
    assert INTERFACE in item.read((slice(0, 1), slice(0, 9), slice(0, 12)))


def test_sizes_of_objects_leave_background_and_unlabelled_out():
    ids = np.zeros((1, 10, 10), np.uint8)
    ids[0, 0, :4], ids[0, 2, :6], ids[0, 4, :8] = 1, 2, 3
    table = replace(
        OBJECTS,
        rows=(*OBJECTS.rows, ClassInfo(3, "unlabelled", "#808080", "unlabelled")),
    )
    facts = [inspect_labels(item_of(ids))]
    assert object_sizes(facts, table)[1] == 5
    assert object_sizes(facts, replace(table, is_objects=False)) == ()
