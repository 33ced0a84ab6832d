"""A mask or probabilities -> objects, by rules that a person chooses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import local_maxima
from skimage.segmentation import watershed

from napari_segtrain.config.separation import (
    ComponentsSeparation,
    DistanceSeparation,
    ErosionSeparation,
    MembraneSeparation,
    SeparationConfig,
)
from napari_segtrain.objects.holes import fill_holes
from napari_segtrain.objects.instances import label_objects
from napari_segtrain.objects.linking import link_slices
from napari_segtrain.objects.merging import merge_shallow
from napari_segtrain.objects.runs import locate_runs

if TYPE_CHECKING:
    from collections.abc import Callable


Ids = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Spacing = tuple[float, float, float]
Scale = tuple[float, ...]

_STEPS = 16
"""Units of depth per shortest edge of a voxel."""
_LEVELS = 1 << 12
"""Units of depth per probability of 1."""
_DEEPEST = np.iinfo(np.uint16).max


def separate_objects(
    values: npt.NDArray[Any],
    config: SeparationConfig,
    *,
    spacing: Spacing = (1.0, 1.0, 1.0),
) -> Ids:
    """Make objects.

    Parameters
    ----------
    values : ndarray, shape (Z, Y, X)
        A boolean mask, or probabilities: uint8 (255 is 1) or floats from 0 to 1. With
        the method ``membranes`` they are those of membranes, and cells are made.
    config : SeparationConfig
    spacing : tuple of float
        Length of a voxel along Z, Y, X, in any unit; distances and smoothing honor it.

    Returns
    -------
    ndarray of uint32, shape (Z, Y, X)
        Ids 1, 2, ... without gaps, in the order of their first voxels; 0 elsewhere.

    Raises
    ------
    ValueError
        When the values are not three-dimensional, or floats beyond 0 to 1.
    """
    if values.ndim != 3:  # noqa: PLR2004
        raise ValueError(f"values must have three axes (Z, Y, X), not {values.ndim}")
    edge = min(spacing)
    scale = spacing[0] / edge, spacing[1] / edge, spacing[2] / edge
    if config.mode == "volume" or values.shape[0] == 1:
        ids = _separate(_shares(values), config, scale)
    else:
        ids = np.zeros(values.shape, np.uint32)
        n_before = 0
        for z in range(values.shape[0]):
            part = _separate(_shares(values[z : z + 1]), config, scale)
            part[part > 0] += n_before
            n_before = max(n_before, int(part.max(initial=0)))
            ids[z] = part[0]
        if config.mode == "linked-slices":
            ids = link_slices(ids, config.link_overlap)
    return select_objects(
        ids,
        min_voxels=config.min_voxels,
        max_voxels=config.max_voxels,
        drop_border=config.drop_border,
        in_slices=config.mode == "slices",
    )


def select_objects(
    ids: npt.NDArray[Any],
    *,
    min_voxels: int = 0,
    max_voxels: int | None = None,
    drop_border: bool = False,
    in_slices: bool = False,
) -> Ids:
    """Keep some objects, and close the gaps in the ids.

    Parameters
    ----------
    ids : ndarray of int, shape (Z, Y, X)
        0 is background.
    min_voxels : int
        Smaller objects are left out.
    max_voxels : int, optional
        Larger objects are left out.
    drop_border : bool
        Leave out objects that touch the border; axes of one voxel have none.
    in_slices : bool
        The first and the last slice are no border.
    """
    runs = locate_runs(ids)
    distinct, index = np.unique(runs.ids, return_inverse=True)
    sizes = np.bincount(index, runs.lengths, minlength=len(distinct))
    first = np.full(len(distinct), ids.size)
    np.minimum.at(first, index, runs.starts)
    keep = (distinct != 0) & (sizes >= min_voxels)
    if max_voxels is not None:
        keep &= sizes <= max_voxels
    if drop_border:
        keep &= ~np.isin(distinct, _at_border(ids, in_slices=in_slices))
    order = np.argsort(first, kind="stable")
    rank = np.zeros(len(distinct), np.uint32)
    rank[order[keep[order]]] = np.arange(1, np.count_nonzero(keep) + 1)
    new: Ids = np.repeat(rank[index], runs.lengths).reshape(ids.shape)
    return new


def _at_border(ids: npt.NDArray[Any], *, in_slices: bool) -> npt.NDArray[Any]:
    """Ids at the border along axes of several voxels."""
    faces = [
        ids.take(face, axis).ravel()
        for axis in range(1 if in_slices else 0, ids.ndim)
        if ids.shape[axis] > 1
        for face in (0, -1)
    ]
    return np.unique(np.concatenate([ids[:0].ravel(), *faces]))


def _separate(values: Floats, config: SeparationConfig, scale: Scale) -> Ids:
    """Objects of a volume, or of a slice; before any is left out."""
    if values.ndim > 2 and values.shape[0] == 1:  # noqa: PLR2004 - planes are faster
        return _separate(values[0], config, scale[1:])[np.newaxis]
    if config.smoothing:
        values = _smooth(values, config.smoothing, scale)
    method = config.method
    if isinstance(method, MembraneSeparation):
        ids = _cells(values, method, scale)
    else:
        mask = values >= config.threshold
        ids = _METHODS[type(method)](mask, method, scale)
    if config.fill_holes:
        fill_holes(ids)
    return ids


def _components(mask: Mask, method: ComponentsSeparation, _scale: Scale) -> Ids:
    connectivity = mask.ndim if method.corners else 1
    return label_objects(mask, connectivity=connectivity).astype(np.uint32)


def _by_distance(mask: Mask, method: DistanceSeparation, scale: Scale) -> Ids:
    """Watershed of the distance to the edge of the mask; the image's edge is none."""
    far = ndimage.distance_transform_edt(mask, sampling=scale)
    if mask.all():
        far = np.ones(mask.shape)
    depth = np.minimum(np.ceil(far * _STEPS), _DEEPEST).astype(np.uint16)
    return _basins(depth, mask, round(method.prominence * _STEPS))


def _cells(membranes: Floats, method: MembraneSeparation, scale: Scale) -> Ids:
    """Watershed of the probability of membranes, from its minima of some depth."""
    if method.smoothing:
        membranes = _smooth(membranes, method.smoothing, scale)
    mask = membranes < method.limit
    depth = np.rint((1 - membranes) * _LEVELS).astype(np.uint16) + 1
    depth = np.where(mask, depth, np.uint16(0))
    return _basins(depth, mask, round(method.h_minima * _LEVELS))


def _by_erosion(mask: Mask, method: ErosionSeparation, _scale: Scale) -> Ids:
    """Shrink, label, and give each piece the voxels that it shrunk by."""
    size = tuple(min(method.width, n) for n in mask.shape)
    around = [(n // 2, n - 1 - n // 2) for n in size]
    padded = np.pad(mask, around, constant_values=True)
    inner = tuple(slice(a, a + n) for (a, _), n in zip(around, mask.shape, strict=True))
    core = ndimage.binary_erosion(padded, np.ones(size, bool))[inner]
    ids = label_objects(core, connectivity=mask.ndim).astype(np.uint32)
    reach = tuple(2 * (n // 2) + 1 for n in size)
    grown = ndimage.maximum_filter(ids, size=reach)
    grown[~mask] = 0
    return np.where(ids > 0, ids, grown).astype(np.uint32)


_METHODS: dict[type, Callable[[Mask, Any, Scale], Ids]] = {
    ComponentsSeparation: _components,
    DistanceSeparation: _by_distance,
    ErosionSeparation: _by_erosion,
}


def _basins(depth: npt.NDArray[np.uint16], mask: Mask, prominence: int) -> Ids:
    """Basin of each peak; those without a deep enough saddle between are one."""
    around = tuple((1, 1) if n > 1 else (0, 0) for n in depth.shape)
    inner = tuple(slice(1, -1) if n > 1 else slice(None) for n in depth.shape)
    peaks = local_maxima(np.pad(depth, around), connectivity=1)[inner] & mask
    seeds = np.empty(depth.shape, np.int32)
    ndimage.label(peaks, output=seeds)
    ids = watershed(depth.max(initial=0) - depth, seeds, mask=mask).astype(np.uint32)
    merged: Ids = merge_shallow(ids, depth, prominence)[ids]
    return merged


def _smooth(values: Floats, sigma: float, scale: Scale) -> Floats:
    """Smooth by a Gaussian; not along axes of one voxel."""
    sigmas = [
        0.0 if n == 1 else sigma / s for n, s in zip(values.shape, scale, strict=True)
    ]
    smooth: Floats = ndimage.gaussian_filter(values, sigmas, mode="nearest")
    return smooth


def _shares(values: npt.NDArray[Any]) -> Floats:
    """Values from 0 to 1."""
    if values.dtype == np.bool_:
        return values.astype(np.float32)
    if values.dtype == np.uint8:
        return values.astype(np.float32) / np.float32(np.iinfo(np.uint8).max)
    shares = values.astype(np.float32)
    low, high = float(shares.min(initial=0)), float(shares.max(initial=0))
    if not (low >= 0 and high <= 1 and math.isfinite(low + high)):
        raise ValueError(f"values must be from 0 to 1, not from {low:g} to {high:g}")
    return shares
