"""The decision of a model, applied to probabilities and to class maps.

Thresholds are applied block by block: a voxel needs nothing but its probabilities. The
rest needs neighbors and is applied to the class map of the whole region that was asked
for, in slabs along Z that overlap by `Decision.reach`, so that the result does not
depend on tiles, blocks or slabs: a component smaller than m voxels that touches a slab
ends less than m slices beyond it, and its neighbors are known to be small or not
within another m.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_segtrain.boxes import relative
from napari_segtrain.inference.items import most_likely
from napari_segtrain.inference.rescaling import rescaling_of
from napari_segtrain.objects.cleaning import (
    give_away_small,
    is_cut_off,
    take_majority,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_segtrain.boxes import Box
    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.image import Image
    from napari_segtrain.inference.protocol import Array32, TrainedModel
    from napari_segtrain.models import Decision

SLAB_VOXELS = 1 << 24
"""Voxels that are cleaned at once, when the reach allows it."""

Indices = npt.NDArray[np.uint8]


def chosen_decision(
    model: TrainedModel, config: InferenceConfig, image: Image | None = None
) -> Decision | None:
    """Return the decision of a model; ``None`` when it has none or none is wanted.

    With an image that is rescaled, in its voxels.
    """
    decision = model.spec.decision if config.decision == "tuned" else None
    rescaling = None if image is None else rescaling_of(model, image, config)
    if decision is None or rescaling is None:
        return decision
    return rescaling.decision(decision)


def decide(probabilities: Array32, decision: Decision | None) -> Indices:
    """Choose a class for each voxel by the thresholds of a decision.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (K, Z, Y, X)
        One channel per class.
    decision : Decision, optional
        The most likely class without it.

    Returns
    -------
    ndarray of uint8, shape (Z, Y, X)
        Class indices.
    """
    if decision is None or not decision.has_thresholds:
        return most_likely(probabilities)
    weights = (1 / np.array(decision.thresholds)).astype(np.float32)
    return most_likely(probabilities * weights[:, None, None, None])


def needs_neighbors(decision: Decision | None) -> bool:
    """Whether `clean` changes anything."""
    return decision is not None and (decision.has_window or decision.has_minimum)


def clean(
    indices: Indices, decision: Decision, *, slab_voxels: int = SLAB_VOXELS
) -> Indices:
    """Apply what of a decision needs neighbors.

    Parameters
    ----------
    indices : ndarray of uint8, shape (Z, Y, X)
        Class indices of a whole region, `IGNORE_INDEX` where there are none.
    decision : Decision
        Window and least sizes.
    slab_voxels : int
        Bounds the memory; the result does not depend on it.

    Returns
    -------
    ndarray of uint8, same shape
    """
    result = np.empty_like(indices)
    for core, read in _slabs(indices.shape, decision.reach, slab_voxels):
        part = _cleaned(indices[read], decision)
        first = core.start - read.start
        result[core] = part[first : first + core.stop - core.start]
    return result


def _cleaned(indices: Indices, decision: Decision) -> Indices:
    if decision.has_window:
        n_classes = len(decision.thresholds)
        indices = take_majority(indices, decision.window, n_classes)
    if decision.has_minimum:
        return give_away_small(
            indices, decision.min_voxels, per_slice=decision.per_slice
        )
    return indices


def sees_enough(indices: Indices, core: Box, decision: Decision) -> bool:
    """Whether `clean` of a part of an image is right in the core of it.

    Parameters
    ----------
    indices : ndarray of uint8, shape (Z, Y, X)
        Class indices of the part.
    core : Box
        What is kept of it; the image ends where core and part do.
    decision : Decision
        Window and least sizes.
    """
    if not decision.has_minimum:
        return True
    if decision.has_window:
        indices = take_majority(indices, decision.window, len(decision.thresholds))
    # near the sides at which the image goes on, windows were cut off
    z, y, x = (
        slice(min(part.start, width // 2), n - min(n - part.stop, width // 2))
        for part, n, width in zip(core, indices.shape, decision.window, strict=True)
    )
    return not is_cut_off(
        indices[z, y, x],
        decision.min_voxels,
        relative(core, (z, y, x)),
        [
            (part.start > 0, part.stop < n)
            for part, n in zip(core, indices.shape, strict=True)
        ],
        per_slice=decision.per_slice,
    )


def _slabs(
    shape: tuple[int, ...], reach: int, slab_voxels: int
) -> Iterator[tuple[slice, slice]]:
    """Slices whose result is kept, and those that are read for it."""
    n_slices, n_y, n_x = shape
    depth = max(1, reach, slab_voxels // max(1, n_y * n_x) - 2 * reach)
    for start in range(0, n_slices, depth):
        stop = min(start + depth, n_slices)
        yield (
            slice(start, stop),
            slice(max(0, start - reach), min(stop + reach, n_slices)),
        )
