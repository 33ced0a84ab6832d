"""Ids of objects as parts of objects: interior, boundary, interface; or depth."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.boxes import (
    Box,
    absolute,
    box_shape,
    grown_box,
    iter_blocks,
    relative,
)
from napari_segtrain.config.objects import BoundariesTarget, DistancesTarget
from napari_segtrain.data.object_recipe import ObjectRecipe, radii
from napari_segtrain.data.targets import BoxReader, TargetItem
from napari_segtrain.image import IGNORE_INDEX, Item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.data.object_recipe import Spacing

INTERIOR, BOUNDARY, INTERFACE = 1, 2, 3
UNKNOWN = -1
"""Id of voxels that count nowhere."""

_BLOCK_VOXELS = 1 << 21
_MAX_KEPT_VOXELS = 1 << 25
_LARGEST = np.iinfo(np.int32).max

Ids = npt.NDArray[np.int32]
Parts = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ObjectTargetItem(TargetItem):
    """Parts of objects of a label item, read box by box with what lies around.

    Parameters
    ----------
    recipe : ObjectRecipe
        Which parts there are.
    is_2d : bool
        Whether each slice is an image by itself.
    """

    recipe: ObjectRecipe = field(default_factory=ObjectRecipe)
    is_2d: bool = False

    def read(self, box: Box) -> Parts:
        """Read indices of parts; `IGNORE_INDEX` where unlabelled."""
        parts = np.empty(box_shape(box), np.uint8)
        for block in iter_blocks(parts.shape, _BLOCK_VOXELS):
            parts[block] = self._read_block(absolute(block, box))
        return parts

    def in_memory(self) -> BoxReader:
        """Keep all parts in memory; of large items the labels, which is at once."""
        if math.prod(self.shape) <= _MAX_KEPT_VOXELS:
            return super().in_memory()
        kept = Item(self.labels.read()[0], SPATIAL_AXES)
        return replace(self, labels=kept)

    def read_ids(self, box: Box) -> Ids:
        """Read ids from 1 on, 0 for the background, `UNKNOWN` where unlabelled."""
        values, indices = self.read_both(box)
        return _as_ids(values, indices)

    def _read_block(self, box: Box) -> Parts:
        grown = grown_box(box, self.recipe.reach, self.shape)
        parts = encode_objects(self.read_ids(grown), self.recipe, is_2d=self.is_2d)
        return parts[relative(box, grown)]


def object_targets(
    targets: Sequence[TargetItem], recipe: ObjectRecipe, *, is_2d: bool
) -> list[ObjectTargetItem]:
    """Parts of the objects of targets."""
    return [
        ObjectTargetItem(t.labels, t.classes, t.used, t.ring, recipe, is_2d)
        for t in targets
    ]


def encode_objects(ids: Ids, recipe: ObjectRecipe, *, is_2d: bool) -> Parts:
    """Turn ids of objects into the parts that a network learns.

    Parameters
    ----------
    ids : ndarray of int32, shape (Z, Y, X)
        0 for the background, `UNKNOWN` where unlabelled.
    recipe : ObjectRecipe
        Which parts there are, and the size of voxels.
    is_2d : bool
        Whether each slice is an image by itself.

    Returns
    -------
    ndarray of uint8, same shape
        0 for the background, then the parts in the order of ``recipe.parts``;
        `IGNORE_INDEX` where unlabelled.
    """
    match recipe.target:
        case BoundariesTarget(width=width):
            sizes = [2 * r + 1 for r in radii(width, recipe.spacing, is_2d=is_2d)]
            parts = _boundaries(ids, sizes)
        case DistancesTarget(steps=steps) if is_2d:
            slices = [_steps(part[np.newaxis], steps, recipe.spacing) for part in ids]
            parts = np.concatenate(slices)
        case DistancesTarget(steps=steps):
            parts = _steps(ids, steps, recipe.spacing)
        case _:
            parts = (ids > 0).astype(np.uint8)
    parts[ids == UNKNOWN] = IGNORE_INDEX
    return parts


def _boundaries(ids: Ids, sizes: list[int]) -> Parts:
    """Interior; boundary next to background; interface next to another object.

    Next to unlabelled voxels, or the border of the image, is no boundary.
    """
    is_object = ids > 0
    highest = ndimage.maximum_filter(ids, sizes, mode="nearest")
    lowest = ndimage.minimum_filter(
        np.where(is_object, ids, _LARGEST), sizes, mode="nearest"
    )
    is_near_background = ndimage.maximum_filter(ids == 0, sizes, mode="nearest")
    parts: Parts = np.where(is_near_background, BOUNDARY, INTERIOR).astype(np.uint8)
    parts[(highest != ids) | (lowest != ids)] = INTERFACE
    parts[~is_object] = 0
    return parts


def _steps(ids: Ids, n_steps: int, spacing: Spacing) -> Parts:
    """Depth of each voxel in its object, in equal steps up to its deepest voxel."""
    depth = _depth(ids, spacing)
    deepest = ndimage.maximum(depth, ids, np.arange(max(0, int(ids.max())) + 1))
    share = depth / np.maximum(deepest, 1e-6)[np.maximum(ids, 0)]
    steps: Parts = np.clip(np.ceil(share * n_steps), 1, n_steps).astype(np.uint8)
    steps[ids <= 0] = 0
    return steps


def _depth(ids: Ids, spacing: Spacing) -> npt.NDArray[np.float32]:
    """Distance to the nearest voxel that is background or of another object.

    Towards another object it is that to the nearest voxel that touches one, and a
    voxel more: exact on flat faces, and less than a voxel wrong elsewhere.
    """
    to_background = _distance(ids == 0, spacing)
    to_interface = _distance(_interfaces(ids), spacing) + 1
    depth: npt.NDArray[np.float32] = np.minimum(to_background, to_interface)
    whole = np.float32(sum(ids.shape))
    return np.minimum(depth, whole)


def _distance(mask: npt.NDArray[np.bool_], spacing: Spacing) -> npt.NDArray[np.float32]:
    """Distance to the nearest voxel of a mask; infinite when it is empty."""
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    found = ndimage.distance_transform_edt(~mask, sampling=spacing)
    distance: npt.NDArray[np.float32] = found.astype(np.float32)
    return distance


def _interfaces(ids: Ids) -> npt.NDArray[np.bool_]:
    """Voxels of objects that share a face with another object."""
    found = np.zeros(ids.shape, bool)
    for axis in range(ids.ndim):
        rest = (slice(None),) * axis
        here, there = (*rest, slice(None, -1)), (*rest, slice(1, None))
        touches = (ids[here] != ids[there]) & (ids[here] > 0) & (ids[there] > 0)
        found[here] |= touches
        found[there] |= touches
    return found


def _as_ids(values: npt.NDArray[Any], indices: npt.NDArray[np.uint8]) -> Ids:
    """Label values as ids that fit in int32, by the class indices of the voxels."""
    is_object = (indices != 0) & (indices != IGNORE_INDEX)
    ids = np.zeros(values.shape, np.int32)
    objects = values[is_object]
    if len(objects):
        fits = objects.min() > 0 and objects.max() <= np.iinfo(np.int16).max
        found = objects if fits else np.unique(objects, return_inverse=True)[1] + 1
        ids[is_object] = found
    ids[indices == IGNORE_INDEX] = UNKNOWN
    return ids
