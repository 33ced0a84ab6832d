"""What is in the labels: values, counts and slices that hold any label."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_segtrain.data.blobs import is_one_blob_each
from napari_segtrain.errors import DataError
from napari_segtrain.image import Item, iter_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

_MIN_OBJECTS = 8
_MIN_ONE_BLOB_SHARE = 0.8
_MAX_CHECKED_VOXELS = 1 << 22
_STROKE_ELONGATION = 12.0
_STROKE_COVERAGE = 0.25


@dataclass(frozen=True)
class LabelFacts:
    """Values of one label item.

    Parameters
    ----------
    counts : dict of int to int
        Voxels per label value, 0 included.
    painted : tuple of bool
        For each slice along Z, whether it holds any value but 0.
    one_blob_share : float
        Share of the values whose voxels form one connected component, in the part of
        the item that was checked.
    elongation : float
        Median over components of area / (π · greatest inscribed radius²): about 1 for
        discs, large for thin strokes.
    """

    counts: dict[int, int]
    painted: tuple[bool, ...]
    one_blob_share: float
    elongation: float

    @property
    def foreground_values(self) -> tuple[int, ...]:
        """Values other than 0, sorted."""
        return tuple(sorted(value for value in self.counts if value != 0))


def as_integers(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return label values as integers.

    Raises
    ------
    DataError
        When a value is not whole, NaN or infinite, or the dtype is not numeric.
    """
    if labels.dtype.kind in "iu":
        return labels
    if labels.dtype.kind == "b":
        return labels.astype(np.uint8)
    if labels.dtype.kind != "f":
        raise DataError(
            f"Labels of type {labels.dtype} cannot be used; save them as integers."
        )
    whole = np.rint(labels)
    wrong = ~(whole == labels)
    if wrong.any():
        raise DataError(
            f"The labels hold the value {labels[wrong].flat[0]}, which is not a whole "
            "number; labels are integers (probability maps must be thresholded first)."
        )
    integers: npt.NDArray[np.int64] = whole.astype(np.int64)
    return integers


def inspect_labels(item: Item) -> LabelFacts:
    """Count the values of a label item, block by block."""
    counts: Counter[int] = Counter()
    painted = np.zeros(item.shape[0], bool)
    sample: npt.NDArray[Any] | None = None
    for box in iter_blocks(item.shape):
        block = as_integers(item.read(box)[0])
        has_label = np.asarray(block.reshape(len(block), -1).any(axis=1))
        painted[box[0]] |= has_label
        _count(block, has_label, counts)
        if has_label.any() and sample is None:
            sample = _part_to_check(block, has_label)
    share, elongation = (0.0, 0.0) if sample is None else _shapes(sample)
    return LabelFacts(dict(counts), tuple(painted.tolist()), share, elongation)


def _count(
    block: npt.NDArray[Any], has_label: npt.NDArray[np.bool_], counts: Counter[int]
) -> None:
    n_empty = int((~has_label).sum()) * block[0].size
    if n_empty:
        counts[0] += n_empty
    block = block[has_label]
    if block.dtype == np.uint8:
        numbers = np.bincount(block.ravel(), minlength=256)
        values = np.flatnonzero(numbers)
        numbers = numbers[values]
    else:
        values, numbers = np.unique(block, return_counts=True)
    for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
        counts[value] += number


def _part_to_check(
    block: npt.NDArray[Any], has_label: npt.NDArray[np.bool_]
) -> npt.NDArray[Any]:
    if block.size <= _MAX_CHECKED_VOXELS:
        return block
    n_slices = max(1, _MAX_CHECKED_VOXELS // block[0].size)
    first = int(np.flatnonzero(has_label)[len(np.flatnonzero(has_label)) // 2])
    first = max(0, min(first - n_slices // 2, len(block) - n_slices))
    return block[first : first + n_slices, :2048, :2048].copy()


def _shapes(sample: npt.NDArray[Any]) -> tuple[float, float]:
    values = np.unique(sample)
    values = values[values != 0]
    if not len(values):
        return 0.0, 0.0
    plane = sample[np.argmax((sample != 0).sum(axis=(1, 2)))]
    return float(is_one_blob_each(sample, values)), _elongation(plane)


def _elongation(plane: npt.NDArray[Any]) -> float:
    ratios = []
    for value in np.unique(plane[plane != 0])[:8]:
        mask = plane == value
        components, n = ndimage.label(mask)
        radius = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
        index = np.arange(1, n + 1)
        area = ndimage.sum_labels(mask, components, index)
        inscribed = ndimage.maximum(radius, components, index)
        ratios += list(area / (np.pi * np.maximum(inscribed, 0.5) ** 2))
    return float(np.median(ratios))


def look_like_objects(facts: Sequence[LabelFacts]) -> bool:
    """Whether label values are object ids: many values, one blob each."""
    shown = [fact for fact in facts if fact.foreground_values]
    if not shown:
        return False
    n_values = np.array([len(fact.foreground_values) for fact in shown])
    shares = np.array([fact.one_blob_share for fact in shown])
    mean_share = float(np.average(shares, weights=n_values))
    return bool(n_values.max() >= _MIN_OBJECTS and mean_share >= _MIN_ONE_BLOB_SHARE)


def look_like_strokes(facts: Sequence[LabelFacts]) -> bool:
    """Whether 0 is rather unlabelled: thin strokes of several classes on a little area.

    Only slices that hold any label are looked at.
    """
    values = {value for fact in facts for value in fact.foreground_values}
    n_labelled = sum(
        sum(fact.counts.values()) - fact.counts.get(0, 0) for fact in facts
    )
    n_seen = sum(sum(fact.counts.values()) * np.mean(fact.painted) for fact in facts)
    if len(values) < 2 or n_labelled == 0:  # noqa: PLR2004 - two classes can be told apart
        return False
    elongation = float(np.median([f.elongation for f in facts if f.foreground_values]))
    is_sparse = n_labelled / n_seen < _STROKE_COVERAGE
    return bool(is_sparse and elongation > _STROKE_ELONGATION)


def look_like_painted_slices(facts: Sequence[LabelFacts]) -> bool:
    """Whether a stack was labelled on some slices only.

    Fewer than half of the slices of the stacks hold a label, or empty slices lie
    between labelled ones.
    """
    stacks = [np.array(fact.painted) for fact in facts if len(fact.painted) > 1]
    if not stacks:
        return False
    n_painted = sum(int(stack.sum()) for stack in stacks)
    n_gaps = sum(_n_inner_gaps(stack) for stack in stacks)
    n_slices = sum(len(stack) for stack in stacks)
    return 0 < n_painted < n_slices and (n_painted < n_slices / 2 or n_gaps > 0)


def _n_inner_gaps(painted: npt.NDArray[np.bool_]) -> int:
    where = np.flatnonzero(painted)
    return int(where[-1] - where[0] + 1 - len(where)) if len(where) else 0
