"""Objects of a part of a slice, quickly: as they will come out, as far as it shows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.config.separation import (
    DistanceSeparation,
    ErosionSeparation,
    MembraneSeparation,
)
from napari_segtrain.objects.by_class import ClassedObjects, separate_classes
from napari_segtrain.objects.separation import select_objects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_segtrain.config.separation import SeparationConfig
    from napari_segtrain.objects.preview_part import PreviewPart

Spacing = tuple[float, float, float]

_ROUGHNESS = 0.75
"""By how much distances in a coarse image rise and fall along a straight edge."""


def preview_objects(
    masks: Mapping[str, npt.NDArray[Any]],
    config: SeparationConfig,
    part: PreviewPart,
    *,
    spacing: Spacing = (1.0, 1.0, 1.0),
) -> ClassedObjects:
    """Make objects of a part of a slice.

    Sizes and lengths of the config are those of the whole image. What goes on above and
    below the slice is not looked at.

    Parameters
    ----------
    masks : mapping of str to ndarray, shape (1, Y, X)
        As `separate_classes` takes them, cut by ``part.key``.
    config : SeparationConfig
    part : PreviewPart
    spacing : tuple of float
        Length of a voxel of the whole image along Z, Y, X.
    """
    scaled = _scaled(config, part.step)
    found = separate_classes(masks, scaled, spacing=spacing)
    if not config.drop_border:
        return found
    kept = np.where(np.isin(found.ids, _at_edges(found.ids[0], part)), 0, found.ids)
    ids = select_objects(kept)
    old = np.zeros(int(ids.max(initial=0)) + 1, found.labels.dtype)
    old[ids.ravel()] = kept.ravel()
    names = found.class_names[np.searchsorted(found.labels, old[1:])]
    return ClassedObjects(ids, np.arange(1, len(old)), names)


def _scaled(config: SeparationConfig, step: int) -> SeparationConfig:
    """Config for a coarser image; the border is left for later.

    Lengths are in shortest edges of a voxel, all of which are longer by the step: that
    along Z plays no part in a slice.
    """
    most = config.max_voxels
    method: Any = config.method
    if isinstance(method, DistanceSeparation):
        least = _ROUGHNESS if step > 1 else 0.0
        prominence = max(method.prominence / step, least)
        method = method.model_copy(update={"prominence": prominence})
    elif isinstance(method, MembraneSeparation):
        method = method.model_copy(update={"smoothing": method.smoothing / step})
    elif isinstance(method, ErosionSeparation):
        width = max(1, round(method.width / step))
        method = method.model_copy(update={"width": width})
    return config.model_copy(
        update={
            "method": method,
            "mode": "volume",
            "smoothing": config.smoothing / step,
            "min_voxels": config.min_voxels // step**2,
            "max_voxels": None if most is None else math.ceil(most / step**2),
            "drop_border": False,
        }
    )


def _at_edges(ids: npt.NDArray[Any], part: PreviewPart) -> npt.NDArray[Any]:
    """Objects at the edges of the slice; those of the part are none."""
    faces = [ids[:0].ravel()]
    for axis, (window, size) in enumerate(zip(part.window, part.shape, strict=True)):
        if window.start == 0:
            faces.append(ids.take(0, axis))
        if window.stop == size:
            faces.append(ids.take(-1, axis))
    found = np.unique(np.concatenate(faces))
    return found[found > 0]
