"""Splits of a cross-validation: each part of the data is held out once.

Whole samples are held out where there are enough; of fewer, each fold holds out a slab
of every sample with labels, with a gap beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.data.overlaps import groups_of
from napari_segtrain.data.split import (
    MAX_GAP,
    MIN_CLASS_VOXELS,
    Region,
    Split,
    whole,
    without_overlap,
)
from napari_segtrain.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.axes import ZYX
    from napari_segtrain.data.dataset import Pair
    from napari_segtrain.data.label_index import LabelIndex

_SLICES_PER_FOLD = 2
_LEAST_SIDE = 32
"""Voxels of the thinnest slab within a slice."""


def plan_folds(
    pairs: Sequence[Pair],
    indices: Sequence[LabelIndex],
    k: int,
    rng: np.random.Generator,
) -> tuple[Split, ...]:
    """Divide the labelled data k times.

    Parameters
    ----------
    pairs, indices
        The items and their labelled voxels.
    k : int
        Number of folds.
    rng : numpy.random.Generator
        Decides between equals.

    Raises
    ------
    DataError
        When some fold would lack a class on either side.
    """
    groups = np.array(groups_of(pairs))
    labelled = np.array([index.counts.sum() for index in indices])
    sizes = np.bincount(groups, labelled)
    if (sizes > 0).sum() >= k:
        folds = _by_samples(pairs, groups, _assign(sizes, k, rng), k)
    else:
        folds = _by_slabs(pairs, indices, k)
    splits = tuple(without_overlap(fold, pairs) for fold in folds)
    for split in splits:
        _check(split, indices, k)
    return splits


def _assign(
    sizes: npt.NDArray[Any], k: int, rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """Fold of each group of samples, so that all hold about as many labels."""
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled = np.zeros(k)
    fold_of = np.zeros(len(sizes), np.intp)
    for group in order:
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return fold_of


def _by_samples(
    pairs: Sequence[Pair],
    groups: npt.NDArray[np.intp],
    fold_of: npt.NDArray[np.intp],
    k: int,
) -> list[Split]:
    folds = []
    for number in range(k):
        sides: tuple[list[Region], list[Region]] = ([], [])
        for place, pair in enumerate(pairs):
            is_held = bool(fold_of[groups[place]] == number)
            sides[is_held].append(whole(place, pair.shape))
        n_held = len({pairs[region.pair].sample for region in sides[1]})
        reason = (
            f"{n_held} of {len({pair.sample for pair in pairs})} images are held out"
        )
        folds.append(_fold(number, k, *sides, reason))
    return folds


def _by_slabs(
    pairs: Sequence[Pair], indices: Sequence[LabelIndex], k: int
) -> list[Split]:
    """Slabs along Z where there are enough slices with labels, or within slices."""
    n_slices = min(
        sum(index.labelled_slices) for index in indices if index.counts.any()
    )
    axis = 0 if n_slices >= _SLICES_PER_FOLD * k else _longer_side(pairs, k)
    folds = []
    for number in range(k):
        training: list[Region] = []
        validation: list[Region] = []
        for place, (pair, index) in enumerate(zip(pairs, indices, strict=True)):
            if not index.counts.any():
                training.append(whole(place, pair.shape))
                continue
            edges = _edges(index.marginals[axis].sum(axis=0), k)
            kept, held = _cut(place, pair.shape, axis, edges[number : number + 2])
            training += kept
            validation.append(held)
        unit = "slices" if axis == 0 else f"voxels along {'ZYX'[axis]}"
        size = validation[0].shape[axis]
        reason = f"{size} {unit} of each image are held out"
        folds.append(_fold(number, k, training, validation, reason))
    return folds


def _fold(
    number: int, k: int, training: list[Region], validation: list[Region], reason: str
) -> Split:
    reason = f"fold {number + 1} of {k}: {reason}"
    return Split(tuple(training), tuple(validation), reason)


def _longer_side(pairs: Sequence[Pair], k: int) -> int:
    """Axis in the plane along which slabs are cut."""
    sides = np.min([pair.shape for pair in pairs], axis=0)
    axis = 1 + int(np.argmax(sides[1:]))
    if sides[axis] < _LEAST_SIDE * k:
        raise DataError(
            f"{k} folds are not possible: there are fewer images and slices with "
            f"labels, and slices of {sides[axis]} voxels are too small to be cut into "
            f"{k} parts; use a smaller validation.k, or label more."
        )
    return axis


def _edges(along: npt.NDArray[np.int64], k: int) -> list[int]:
    """Ends of k parts with about as many labels each."""
    summed = np.cumsum(along)
    wanted = summed[-1] * np.arange(1, k) / k
    inner = np.searchsorted(summed, wanted) + 1
    return [0, *inner.tolist(), len(along)]


def _cut(
    place: int, shape: ZYX, axis: int, span: Sequence[int]
) -> tuple[list[Region], Region]:
    """Regions on both sides of a slab, and the slab."""
    start, stop = span
    length = shape[axis]
    gap = min(MAX_GAP, max(1, length // 20))
    ends = [(0, start - gap), (stop + gap, length)]
    kept = [_part(place, shape, axis, a, b) for a, b in ends if a < b]
    return kept, _part(place, shape, axis, start, stop)


def _part(place: int, shape: ZYX, axis: int, start: int, stop: int) -> Region:
    first, last = [0, 0, 0], list(shape)
    first[axis], last[axis] = start, stop
    return Region(place, (first[0], first[1], first[2]), (last[0], last[1], last[2]))


def _check(split: Split, indices: Sequence[LabelIndex], k: int) -> None:
    total = np.sum([index.counts for index in indices], axis=0)
    for side in (split.training, split.validation):
        counts = np.zeros_like(total)
        for region in side:
            counts += _counts(region, indices[region.pair])
        if (counts[total > 0] < MIN_CLASS_VOXELS).any():
            raise DataError(
                f"{k} folds are not possible: in {split.reason.partition(':')[0]} some "
                "class would have hardly any labels on one side; use a smaller "
                "validation.k, or label more."
            )


def _counts(region: Region, index: LabelIndex) -> npt.NDArray[np.int64]:
    """Labelled voxels per class of a region that is cut along one axis at most."""
    sizes = [marginal.shape[1] for marginal in index.marginals]
    pairs = zip(region.shape, sizes, strict=True)
    axis = next((n for n, (size, full) in enumerate(pairs) if size < full), 0)
    found: npt.NDArray[np.int64] = index.marginals[axis][:, region.box[axis]].sum(
        axis=1
    )
    return found
