"""What is in the labels: values, counts and slices that hold any label."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.boxes import iter_blocks
from napari_segtrain.data.blobs import is_one_blob_each
from napari_segtrain.data.runs import find_runs
from napari_segtrain.data.strokes import MAX_COVERAGE, look_drawn
from napari_segtrain.errors import DataError
from napari_segtrain.image import OUTSIDE, Item

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_MIN_OBJECTS = 8
_MIN_ONE_BLOB_SHARE = 0.8
_MAX_CHECKED_VOXELS = 1 << 22
_MAX_CHECKED_WIDTH = 2048
_MAX_TAPERED = 0.5
"""Share of the usual labelled area up to which labels count as tapering off."""
_MAX_FLOAT = 2.0**53
_Values = tuple[npt.NDArray[Any], npt.NDArray[np.int64]]


@dataclass(frozen=True)
class LabelFacts:
    """Values of one label item.

    Parameters
    ----------
    counts : dict of int to int
        Voxels per label value, 0 included, `OUTSIDE` not.
    n_labelled, n_zero, n_covered : tuple of int
        For each slice along Z, how many of its voxels hold a label, how many 0, and
        how many the labels cover (all but `OUTSIDE`).
    one_blob_share : float
        Share of the values whose voxels form one connected component, in the part of
        the item that was checked.
    is_drawn : bool
        Whether the labels of that part look like strokes of a brush.
    image : int
        Number of the label image that the item is part of.
    unlabelled : tuple of int
        Values that are known to be no labels.
    """

    counts: dict[int, int]
    n_labelled: tuple[int, ...]
    n_zero: tuple[int, ...]
    n_covered: tuple[int, ...]
    one_blob_share: float
    is_drawn: bool
    image: int = 0
    unlabelled: tuple[int, ...] = ()

    @property
    def painted(self) -> tuple[bool, ...]:
        """For each slice along Z, whether it holds any label."""
        return tuple(n > 0 for n in self.n_labelled)

    @property
    def n_zero_painted(self) -> int:
        """Voxels of value 0 in slices that hold any label."""
        pairs = zip(self.n_zero, self.painted, strict=True)
        return sum(n for n, is_painted in pairs if is_painted)

    @property
    def foreground_values(self) -> tuple[int, ...]:
        """Labels, sorted."""
        no_labels = {0, *self.unlabelled}
        return tuple(sorted(value for value in self.counts if value not in no_labels))


def as_integers(
    labels: npt.NDArray[Any], *, name: str = "the labels"
) -> npt.NDArray[Any]:
    """Return label values as integers.

    Raises
    ------
    DataError
        When a value is not whole, NaN, infinite or too large, or the dtype is not
        numeric.
    """
    if labels.dtype.kind in "iu":
        return labels
    if labels.dtype.kind == "b":
        return labels.astype(np.uint8)
    if labels.dtype.kind != "f":
        raise DataError(
            f"Labels of type {labels.dtype} cannot be used (in {name}); save them as "
            "integers."
        )
    is_whole = (np.rint(labels) == labels) & (np.abs(labels) < _MAX_FLOAT)
    if not is_whole.all():
        raise DataError(
            f"The value {labels[~is_whole].flat[0]:g} in {name} cannot be a label; "
            "save labels as whole numbers (threshold probability maps first)."
        )
    integers: npt.NDArray[np.int64] = labels.astype(np.int64)
    return integers


def inspect_labels(
    item: Item,
    *,
    image: int = 0,
    name: str = "the labels",
    unlabelled: Collection[int] = (),
) -> LabelFacts:
    """Count the values of a label item, block by block.

    Parameters
    ----------
    item : Item
        Labels.
    image : int
        Number of the label image that the item is part of.
    name : str
        For messages.
    unlabelled : collection of int
        Values that are known to be no labels; `OUTSIDE` never is one.
    """
    counts: Counter[int] = Counter()
    per_slice = np.zeros((3, item.shape[0]), np.int64)
    sample: npt.NDArray[Any] | None = None
    hidden = [value for value in (OUTSIDE, *unlabelled) if value]
    for box in iter_blocks(item.shape):
        block = as_integers(item.read(box)[0], name=name)
        found = [_values_of(plane) for plane in block]
        _count(found, counts)
        in_slices = np.array([_label_counts(*each, hidden) for each in found]).T
        per_slice[:, box[0]] += in_slices
        if sample is None and in_slices[0].any():
            sample = _part_to_check(_without(block, hidden), in_slices[0])
    n_labelled, n_zero, n_covered = per_slice.tolist()
    share, is_drawn = (0.0, False) if sample is None else _shapes(sample)
    counts.pop(OUTSIDE, None)
    return LabelFacts(
        counts=dict(counts),
        n_labelled=tuple(n_labelled),
        n_zero=tuple(n_zero),
        n_covered=tuple(n_covered),
        one_blob_share=share,
        is_drawn=is_drawn,
        image=image,
        unlabelled=tuple(unlabelled),
    )


def _values_of(plane: npt.NDArray[Any]) -> _Values:
    """Values of a slice, and the voxels of each; slice by slice to save memory."""
    values = plane.ravel()
    starts, lengths = find_runs(values)
    return _summed(values[starts], lengths)


def _summed(values: npt.NDArray[Any], numbers: npt.NDArray[Any]) -> _Values:
    """Values without repetition, and the sum of the numbers of each."""
    distinct, index = np.unique(values, return_inverse=True)
    return distinct, np.bincount(index, numbers, len(distinct)).astype(np.int64)


def _count(found: Sequence[_Values], counts: Counter[int]) -> None:
    values, numbers = _summed(*map(np.concatenate, zip(*found, strict=True)))
    for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
        counts[value] += number


def _label_counts(
    values: npt.NDArray[Any], numbers: npt.NDArray[np.int64], hidden: Sequence[int]
) -> tuple[int, int, int]:
    """Voxels of a slice that hold a label, that are 0, and that are covered."""
    is_label = ~(_is_any(values, hidden) | (values == 0))
    wanted = is_label, values == 0, ~_is_any(values, [OUTSIDE])
    n_labelled, n_zero, n_covered = (int(numbers[each].sum()) for each in wanted)
    return n_labelled, n_zero, n_covered


def _without(block: npt.NDArray[Any], values: Sequence[int]) -> npt.NDArray[Any]:
    """Labels with 0 in the place of some values; the same array if there is none."""
    is_hidden = _is_any(block, values) if _fitting(values, block) else None
    if is_hidden is None or not is_hidden.any():
        return block
    return np.where(is_hidden, np.zeros(1, block.dtype), block)


def _is_any(labels: npt.NDArray[Any], values: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Which labels are one of some values, of which not all need fit their type."""
    return np.isin(labels, np.array(_fitting(values, labels), labels.dtype))


def _fitting(values: Sequence[int], labels: npt.NDArray[Any]) -> list[int]:
    limits = np.iinfo(labels.dtype)
    return [value for value in values if limits.min <= value <= limits.max]


def _part_to_check(
    block: npt.NDArray[Any], in_slices: npt.NDArray[np.intp]
) -> npt.NDArray[Any]:
    """Part of a block around the middle of its labels."""
    if block.size <= _MAX_CHECKED_VOXELS:
        return block
    plane = block[np.argmax(in_slices)] != 0
    rows = _middle(plane.sum(axis=1), _MAX_CHECKED_WIDTH)
    columns = _middle(plane.sum(axis=0), _MAX_CHECKED_WIDTH)
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    slices = _middle(in_slices, max(1, _MAX_CHECKED_VOXELS // area))
    return block[slices, rows, columns].copy()


def _middle(counts: npt.NDArray[Any], size: int) -> slice:
    """Interval of at most ``size`` around the median of the counted voxels."""
    summed = np.cumsum(counts)
    center = int(np.searchsorted(summed, summed[-1] / 2))
    first = max(0, min(center - size // 2, len(counts) - size))
    return slice(first, min(first + size, len(counts)))


def _shapes(sample: npt.NDArray[Any]) -> tuple[float, bool]:
    values, _ = _values_of(sample)
    values = values[values != 0]
    if not len(values):
        return 0.0, False
    plane = sample[np.argmax(np.count_nonzero(sample, axis=(1, 2)))]
    return float(is_one_blob_each(sample, values)), look_drawn(plane)


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
    """Whether 0 is rather unlabelled: strokes of several classes on a little area.

    Only slices that hold any label are looked at.
    """
    shown = [fact for fact in facts if fact.foreground_values]
    values = {value for fact in shown for value in fact.foreground_values}
    if len(values) < 2:  # noqa: PLR2004 - without a second class 0 is the other one
        return False
    n_labelled = sum(sum(fact.n_labelled) for fact in shown)
    n_seen = n_labelled + sum(fact.n_zero_painted for fact in shown)
    is_sparse = n_labelled < MAX_COVERAGE * n_seen
    return bool(is_sparse and np.mean([fact.is_drawn for fact in shown]) > 1 / 2)


def look_like_painted_slices(facts: Sequence[LabelFacts]) -> bool:
    """Whether only some slices of the stacks, or frames of the series, were labelled.

    Fewer than half hold a label, or empty ones lie between labelled ones, and the
    labels end abruptly: those of a volume with empty slices taper off.
    """
    stacks = [_covered_slices(f) for f in facts if len(f.n_labelled) > 1]
    if _are_partly_painted([stack for stack in stacks if len(stack) > 1]):
        return True
    series: dict[int, list[int]] = {}
    for fact in facts:
        if any(fact.n_covered):
            series.setdefault(fact.image, []).append(sum(fact.n_labelled))
    return _are_partly_painted([np.array(s) for s in series.values() if len(s) > 1])


def _covered_slices(fact: LabelFacts) -> npt.NDArray[np.intp]:
    """Labelled voxels of each slice that the labels cover a part of."""
    return np.array(fact.n_labelled)[np.array(fact.n_covered) > 0]


def _are_partly_painted(stacks: Sequence[npt.NDArray[np.intp]]) -> bool:
    n_slices = sum(len(stack) for stack in stacks)
    n_painted = sum(np.count_nonzero(stack) for stack in stacks)
    if not 0 < n_painted < n_slices:
        return False
    has_gaps = any(_has_inner_gap(stack > 0) for stack in stacks)
    if not has_gaps and n_painted >= n_slices / 2:
        return False
    ends = np.concatenate([_ends(stack) for stack in stacks if stack.any()])
    return bool(np.median(ends) > _MAX_TAPERED)


def _has_inner_gap(painted: npt.NDArray[np.bool_]) -> bool:
    where = np.flatnonzero(painted)
    return len(where) > 0 and bool(where[-1] - where[0] + 1 > len(where))


def _ends(n_labelled: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Labelled voxels of the slices beside empty ones, over the usual number."""
    is_painted = n_labelled > 0
    padded = np.pad(is_painted, 1, constant_values=True)
    is_end = is_painted & ~(padded[:-2] & padded[2:])
    shares: npt.NDArray[np.float64] = n_labelled[is_end] / np.median(
        n_labelled[is_painted]
    )
    return shares
