"""Label images of touching objects, and networks that are always right."""

from __future__ import annotations

import numpy as np

from napari_segtrain.config import BoundariesTarget, DistancesTarget
from napari_segtrain.data.object_targets import encode_objects
from napari_segtrain.evaluation.contingency import Contingency
from napari_segtrain.evaluation.instance import score_objects

PARTED = [BoundariesTarget(width=1), BoundariesTarget(), DistancesTarget()]


def touching_balls(shape=(1, 64, 64), spacing=(1, 1, 1), radius=9, n=9, seed=0):
    """Ids of balls that are cut where they meet, each voxel to the nearest center."""
    rng = np.random.default_rng(seed)
    size = np.array(shape) * spacing
    centers: list = []
    while len(centers) < n:
        center = rng.uniform(0, size)
        if all(np.linalg.norm(center - c) > 1.4 * radius for c in centers):
            centers.append(center)
    grid = np.indices(shape).transpose(1, 2, 3, 0) * spacing
    away = np.stack([np.linalg.norm(grid - c, axis=-1) for c in centers])
    nearest = away.argmin(0) + 1
    return np.where(away.min(0) < radius, nearest, 0).astype(np.int32)


def perfect(ids, recipe, *, is_2d):
    """Probabilities (K, Z, Y, X) of a network that has learned the ids by heart."""
    parts = encode_objects(ids, recipe, is_2d=is_2d)
    n = 1 + max(1, len(recipe.parts))
    return np.stack([parts == part for part in range(n)]).astype(np.float32)


def f1(truth, predicted, threshold=0.5):
    """Object F1 at an IoU threshold."""
    table = Contingency()
    table.add(truth, predicted)
    (scores,) = score_objects(table.table(), (threshold,))
    return scores.f1
