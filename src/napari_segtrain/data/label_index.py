"""Where the labelled voxels of each class are: counts along the axes and positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_segtrain.boxes import Box, iter_blocks
from napari_segtrain.image import IGNORE_INDEX

if TYPE_CHECKING:
    from napari_segtrain.data.targets import TargetItem

MAX_POSITIONS = 4096
_BLOCK_VOXELS = 1 << 22


@dataclass(frozen=True)
class Positions:
    """Voxels of one class in one block, or an even random part of them.

    Parameters
    ----------
    class_index : int
        The class.
    n_voxels : int
        How many there are in the block.
    zyx : ndarray of int32, shape (N, 3)
        At most `MAX_POSITIONS` of them.
    """

    class_index: int
    n_voxels: int
    zyx: npt.NDArray[np.int32]


@dataclass(frozen=True)
class LabelIndex:
    """Labelled voxels of one item.

    Parameters
    ----------
    marginals : tuple of three ndarray of int64, shape (n_classes, size)
        Voxels per class at each position along Z, Y and X.
    positions : tuple of Positions
        Of every class and block that has any.
    changes : ndarray of int64, shape (2, 3)
        Pairs of labelled voxels beside each other along Z, Y and X: those whose classes
        differ, and all. Pairs in two blocks are not counted.
    recurrence : ndarray of int64, shape (2, n_classes)
        In such pairs along Z: voxels of each class beside one of the same class, and
        all voxels of the class.
    """

    marginals: tuple[npt.NDArray[np.int64], ...]
    positions: tuple[Positions, ...]
    changes: npt.NDArray[np.int64]
    recurrence: npt.NDArray[np.int64]

    @property
    def labelled_slices(self) -> tuple[bool, ...]:
        """For each slice along Z, whether any of its voxels is labelled."""
        return tuple((self.marginals[0].sum(axis=0) > 0).tolist())

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Labelled voxels per class, shape (n_classes,)."""
        total: npt.NDArray[np.int64] = self.marginals[0].sum(axis=1)
        return total


def index_labels(target: TargetItem, rng: np.random.Generator) -> LabelIndex:
    """Find the labelled voxels of an item in one pass over its blocks."""
    n = target.classes.n_classes
    marginals = tuple(np.zeros((n, size), np.int64) for size in target.shape)
    positions: list[Positions] = []
    changes = np.zeros((2, 3), np.int64)
    recurrence = np.zeros((2, n), np.int64)
    for box in iter_blocks(target.shape, _BLOCK_VOXELS):
        if not any(target.used[box[0]]):
            continue
        block = target.read(box)
        changes += _changes(block)
        recurrence += _recurrence(block, n)
        for class_index in _present(block):
            mask = block == class_index
            _add_marginals(marginals, mask, class_index, box)
            positions.append(_positions(mask, class_index, box, rng))
    return LabelIndex(marginals, tuple(positions), changes, recurrence)


def _changes(block: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Labelled pairs along each axis: of different classes, and all."""
    labelled = block != IGNORE_INDEX
    counts = []
    for axis in range(block.ndim):
        first, second = (
            np.moveaxis(block, axis, 0)[:-1],
            np.moveaxis(block, axis, 0)[1:],
        )
        both = np.moveaxis(labelled, axis, 0)
        seen = both[:-1] & both[1:]
        counts.append((int(((first != second) & seen).sum()), int(seen.sum())))
    return np.array(counts, np.int64).T


def _recurrence(block: npt.NDArray[np.uint8], n_classes: int) -> npt.NDArray[np.int64]:
    """Voxels of each class that are of it in the next slice, too, and all of them."""
    seen = (block[:-1] != IGNORE_INDEX) & (block[1:] != IGNORE_INDEX)
    first, second = block[:-1][seen], block[1:][seen]
    same = np.bincount(first[first == second], minlength=n_classes)
    both = np.bincount(first, minlength=n_classes)
    both += np.bincount(second, minlength=n_classes)
    return np.stack([2 * same, both])


def _present(block: npt.NDArray[np.uint8]) -> list[int]:
    counts = np.bincount(block.ravel(), minlength=IGNORE_INDEX + 1)
    return np.flatnonzero(counts[:IGNORE_INDEX]).tolist()


def _add_marginals(
    marginals: tuple[npt.NDArray[np.int64], ...],
    mask: npt.NDArray[np.bool_],
    class_index: int,
    box: Box,
) -> None:
    for axis, others in enumerate(((1, 2), (0, 2), (0, 1))):
        marginals[axis][class_index, box[axis]] += mask.sum(axis=others)


def _positions(
    mask: npt.NDArray[np.bool_],
    class_index: int,
    box: Box,
    rng: np.random.Generator,
) -> Positions:
    flat = np.flatnonzero(mask)
    n_voxels = len(flat)
    if n_voxels > MAX_POSITIONS:
        flat = flat[np.sort(rng.choice(n_voxels, MAX_POSITIONS, replace=False))]
    zyx = np.stack(np.unravel_index(flat, mask.shape), axis=1)
    zyx += [part.start for part in box]
    return Positions(class_index, n_voxels, zyx.astype(np.int32))
