"""Weights of voxels that stress the gaps between objects (PyJAMAS, U-Net 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import measure

from napari_segtrain.image import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Iterator

_REACH = 5.0
"""Distance, in sigma, beyond which a border weighs less than 4e-6 of its peak."""


def boundary_weights(
    target: npt.NDArray[np.uint8],
    *,
    border_weight: float = 10.0,
    sigma: float = 5.0,
    background: int | None = 0,
) -> npt.NDArray[np.float32]:
    """Weigh each voxel by its class, and by how near two objects it is.

    The weight is ``border_weight * exp(-(d1 + d2)**2 / (2 * sigma**2))``, of the
    distances to the inner boundaries of the two nearest objects (of the only one, when
    there is one), plus the share of labelled voxels that are background in the
    foreground, and foreground in the background. Objects are the connected components,
    corners included, of each class that is not background. As in PyJAMAS's
    ``rimneuralnet.weight_map``, except that voxels next to unlabelled ones are no
    boundary for that; and without objects, or without background, the second term is 1.

    Parameters
    ----------
    target : ndarray of uint8, shape ([Z], Y, X)
        Class indices; `IGNORE_INDEX` is unlabelled.
    border_weight : float
        Greatest weight of a border.
    sigma : float
        Reach of a border, voxels.
    background : int, optional
        Class index of the background; ``None`` when no class is.

    Returns
    -------
    ndarray of float32, same shape
        Unlabelled voxels have weights too, which mean nothing.
    """
    is_labelled = target != IGNORE_INDEX
    foreground = is_labelled & (target != background)
    weights = _class_term(foreground, is_labelled)
    objects = _label(target, foreground)
    boundary = np.where(_inner_boundary(objects, is_labelled), objects, 0)
    reach = int(np.ceil(_REACH * sigma))
    nearest, second, n_objects = _two_distances(boundary, reach)
    distance = nearest if n_objects == 1 else nearest + second
    if n_objects:
        weights += border_weight * np.exp(-np.square(distance / sigma) / 2)
    return weights


def _class_term(
    foreground: npt.NDArray[np.bool_], is_labelled: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    share = float(foreground.sum()) / max(1, int(is_labelled.sum()))
    if share in (0, 1):
        return np.ones(foreground.shape, np.float32)
    return np.where(foreground, 1 - share, share).astype(np.float32)


def _label(
    target: npt.NDArray[np.uint8], foreground: npt.NDArray[np.bool_]
) -> npt.NDArray[Any]:
    """Object ids 1, 2, ...; voxels of different classes never form one object."""
    classes = np.where(foreground, target.astype(np.int16) + 1, 0)
    labels: npt.NDArray[Any] = measure.label(classes, background=0)
    return labels


def _inner_boundary(
    objects: npt.NDArray[Any], is_labelled: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Voxels of objects with a labelled face neighbor that is not of the object."""
    found = np.zeros(objects.shape, bool)
    for axis in range(objects.ndim):
        rest = (slice(None),) * axis
        here, there = (*rest, slice(None, -1)), (*rest, slice(1, None))
        differs = objects[here] != objects[there]
        differs &= is_labelled[here] & is_labelled[there]
        found[here] |= differs
        found[there] |= differs
    return found & (objects > 0)


def _two_distances(
    boundary: npt.NDArray[Any], reach: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], int]:
    """Distances to the nearest and second nearest object, and how many there are.

    Each object is looked at within its reach only; farther away it is at infinity.
    """
    nearest = np.full(boundary.shape, np.inf, np.float32)
    second = nearest.copy()
    n_objects = 0
    for index, box in _boxes(boundary, reach):
        away = ndimage.distance_transform_edt(boundary[box] != index)
        away = away.astype(np.float32)
        near, next_near = nearest[box], second[box]
        np.minimum(next_near, np.maximum(near, away), out=next_near)
        np.minimum(near, away, out=near)
        n_objects += 1
    return nearest, second, n_objects


def _boxes(
    boundary: npt.NDArray[Any], reach: int
) -> Iterator[tuple[int, tuple[slice, ...]]]:
    """Each object's id, and its bounding box grown on all sides."""
    for index, box in enumerate(ndimage.find_objects(boundary), start=1):
        if box is not None:
            grown = (slice(max(0, s.start - reach), s.stop + reach) for s in box)
            yield index, tuple(grown)
