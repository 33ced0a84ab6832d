"""Surface voxels of the classes of an item, gathered block by block.

A voxel of a class is on its surface when a face neighbor is of another class. The edge
of the image is no surface, and neither is the edge of what is labelled: nobody knows
where a class goes on there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.boxes import box_shape, grown_box, iter_blocks, relative
from napari_segtrain.evaluation.aligned import BLOCK_VOXELS, may_go_on
from napari_segtrain.image import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_segtrain.boxes import Box
    from napari_segtrain.control import RunControl
    from napari_segtrain.evaluation.class_matching import ClassItem

Points = npt.NDArray[np.integer[Any]]
_FACE = (1, 1, 1)


@dataclass(frozen=True, eq=False)
class Surfaces:
    """Surface voxels of one class of an item.

    Parameters
    ----------
    truth, predicted : ndarray of unsigned int, shape (n, 3)
        ZYX indices, in the order of the slices.
    counts : ndarray of bool, shape (n_predicted,)
        Which of the predicted lie where the ground truth is labelled; the others may
        only be near to true ones.
    """

    truth: Points
    predicted: Points
    counts: npt.NDArray[np.bool_]


class SurfaceFinder:
    """Gathers the surfaces of an item.

    Parameters
    ----------
    truth, prediction : ClassItem
        Indices of the same classes, the same size.
    classes : sequence of int
        Indices of the classes that are looked at.
    """

    def __init__(
        self, truth: ClassItem, prediction: ClassItem, classes: Sequence[int]
    ) -> None:
        self._sides = truth, prediction
        self._classes = tuple(classes)
        self._found: dict[int, list[tuple[Points, Points, npt.NDArray[np.bool_]]]]
        self._found = {index: [] for index in self._classes}
        self._dtype = np.min_scalar_type(max(truth.shape))

    def find(self, control: RunControl | None = None) -> Iterator[int]:
        """Look at the item; yields the voxels of each block, and ends with a stop."""
        shape = self._sides[0].shape
        for box in iter_blocks(shape, BLOCK_VOXELS):
            if not may_go_on(control):
                return
            self._find_in(box, grown_box(box, _FACE, shape))
            depth, height, width = box_shape(box)
            yield depth * height * width

    def surfaces(self, index: int) -> Surfaces:
        """Surfaces of a class, of the blocks so far; frees them here."""
        nothing = np.zeros((0, 3), self._dtype)
        found = [(nothing, nothing, np.zeros(0, bool)), *self._found.pop(index)]
        sides = [list(parts) for parts in zip(*found, strict=True)]
        found.clear()
        truth, predicted, counts = (_joined(parts) for parts in sides)
        return Surfaces(truth, predicted, counts)

    def _find_in(self, box: Box, around: Box) -> None:
        truth, predicted = (side.read(around) for side in self._sides)
        inner = relative(box, around)
        start = np.array([side.start for side in box])
        is_labelled = truth != IGNORE_INDEX
        is_surface = surface_mask(truth, is_labelled)[inner]
        true_points = (np.argwhere(is_surface) + start).astype(self._dtype)
        true_classes = truth[inner][is_surface]
        is_known = is_labelled | (predicted != IGNORE_INDEX)
        is_surface = surface_mask(predicted, is_known)[inner]
        points = (np.argwhere(is_surface) + start).astype(self._dtype)
        classes = predicted[inner][is_surface]
        counts = is_labelled[inner][is_surface]
        for index, parts in self._found.items():
            here = classes == index
            parts.append(
                (true_points[true_classes == index], points[here], counts[here])
            )


def surface_mask(
    labels: npt.NDArray[np.uint8], is_known: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.bool_]:
    """Say which voxels have a face neighbor with another value.

    Parameters
    ----------
    labels : ndarray of uint8, shape (Z, Y, X)
    is_known : ndarray of bool, same shape, optional
        The others are no other value for their neighbors, and have no surface.

    Returns
    -------
    ndarray of bool, same shape
    """
    is_surface = np.zeros(labels.shape, bool)
    if is_known is not None and is_known.all():
        is_known = None
    for axis in range(labels.ndim):
        head, tail = _neighbors(labels.ndim, axis)
        differs = labels[head] != labels[tail]
        if is_known is not None:
            differs &= is_known[head]
            differs &= is_known[tail]
        is_surface[head] |= differs
        is_surface[tail] |= differs
    return is_surface


def _neighbors(n_dims: int, axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """All voxels but the last, and all but the first, along an axis."""
    whole = [slice(None)] * n_dims
    head, tail = list(whole), list(whole)
    head[axis], tail[axis] = slice(None, -1), slice(1, None)
    return tuple(head), tuple(tail)


def _joined(parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Concatenate, and let the parts go."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole
