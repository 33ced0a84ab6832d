"""Objects from what a network says of their parts: peaks are seeds, and seeds grow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import local_maxima
from skimage.segmentation import watershed

from napari_segtrain.boxes import grown_box, iter_blocks, relative
from napari_segtrain.config.objects import BoundariesTarget, DistancesTarget
from napari_segtrain.objects.holes import fill_holes
from napari_segtrain.objects.instances import label_objects, remove_small
from napari_segtrain.objects.merging import merge_shallow

if TYPE_CHECKING:
    from napari_segtrain.data.object_recipe import ObjectRecipe

FOREGROUND, DEPTH = 0, 1
"""Channels of evidence."""

_FULL = 255
_HALF = 128
_TRUNCATED = 3.0
"""Reach of the smoothing, in sigma."""
_BLOCK_VOXELS = 1 << 23
_HALO = 64

Evidence = npt.NDArray[np.uint8]
Ids = npt.NDArray[np.uint32]
Depth = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


def evidence_of(
    probabilities: npt.NDArray[np.float32], recipe: ObjectRecipe
) -> Evidence:
    """What is kept of a network's output to make objects of.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (K, ...)
        Of the background, and of each part of ``recipe.parts``.
    recipe : ObjectRecipe
        Which parts there are.

    Returns
    -------
    ndarray of uint8, shape (2, ...)
        `FOREGROUND`: probability of an object; `DEPTH`: of its interior, or the
        expected depth. 255 is 1.
    """
    foreground = 1 - probabilities[0]
    depth = foreground
    if isinstance(recipe.target, BoundariesTarget):
        depth = probabilities[1]
    elif isinstance(recipe.target, DistancesTarget):
        steps = np.arange(1, len(probabilities), dtype=np.float32)
        depth = np.tensordot(steps / len(steps), probabilities[1:], axes=1)
    both = np.stack([foreground, depth])
    return np.rint(both.clip(0, 1) * np.float32(_FULL)).astype(np.uint8)


def make_objects(evidence: Evidence, recipe: ObjectRecipe) -> Ids:
    """Make objects.

    Peaks of the smoothed depth are seeds; they grow over the foreground, the deepest
    voxels first (seeded watershed), and objects that no saddle parts are merged. So
    each piece of foreground holds at least one object.

    Parameters
    ----------
    evidence : ndarray of uint8, shape (2, Z, Y, X)
        As `evidence_of` returns it, for a whole image.
    recipe : ObjectRecipe
        Smoothing, prominence, smallest size, and whether holes are filled.

    Returns
    -------
    ndarray of uint32, shape (Z, Y, X)
        Ids 1, 2, ... without gaps; 0 elsewhere.
    """
    mask = evidence[FOREGROUND] >= _HALF
    if recipe.parts:
        ids = _parted(_smooth(evidence[DEPTH], mask, recipe.smoothing), mask, recipe)
    else:
        ids = label_objects(mask).astype(np.uint32)
    if recipe.fill_holes:
        fill_holes(ids)
    return _consecutive(remove_small(ids, recipe.min_voxels))


def _parted(depth: Depth, mask: Mask, recipe: ObjectRecipe) -> Ids:
    """Basin of each peak of the depth; basins without a saddle between are one."""
    seeds = np.empty(depth.shape, np.int32)
    ndimage.label(_peaks(depth), output=seeds)
    ids = _grow(seeds, depth, mask)
    return merge_shallow(ids, depth, round(recipe.prominence * _FULL))[ids]


def _peaks(depth: Depth) -> Mask:
    """Voxels that no way leads up from; all of a map without any slope."""
    surrounded = np.pad(depth, 1)
    inner = tuple(slice(1, -1) for _ in depth.shape)
    peaks: Mask = local_maxima(surrounded, connectivity=1)[inner]
    return peaks


def _smooth(depth: Depth, mask: Mask, sigmas: tuple[float, float, float]) -> Depth:
    """Smooth the depth block by block; it is 0 outside, and at least 1 inside."""
    smooth = np.zeros_like(depth)
    z, y, x = (math.ceil(_TRUNCATED * sigma) for sigma in sigmas)
    for box in iter_blocks(depth.shape, _BLOCK_VOXELS):
        grown = grown_box(box, (z, y, x), depth.shape)
        part = np.where(mask[grown], depth[grown], np.float32(0))
        part = ndimage.gaussian_filter(part, sigmas, truncate=_TRUNCATED)
        smooth[box] = np.rint(part[relative(box, grown)].clip(1))
    smooth[~mask] = 0
    return smooth


def _grow(seeds: npt.NDArray[np.int32], depth: Depth, mask: Mask) -> Ids:
    """Flood the mask from the seeds, block by block with what lies around.

    Seeds have the same id in all blocks, so objects go on across their borders.
    """
    ids = np.zeros(seeds.shape, np.uint32)
    halo = (_HALO, _HALO, _HALO)
    for box in iter_blocks(seeds.shape, _BLOCK_VOXELS):
        grown = grown_box(box, halo, seeds.shape)
        flooded = watershed(~depth[grown], seeds[grown], mask=mask[grown])
        ids[box] = flooded[relative(box, grown)]
    return ids


def _consecutive(ids: Ids) -> Ids:
    """Close the gaps in the ids."""
    is_present = np.zeros(int(ids.max(initial=0)) + 1, bool)
    is_present[ids] = True
    is_present[0] = False
    new_ids = (np.cumsum(is_present) * is_present).astype(np.uint32)
    return new_ids[ids]
