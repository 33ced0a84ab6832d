"""Counts of the parts that scores are made of, and how sure the scores are.

A score of few images, or of one volume, would be another one for other images. The
bootstrap (Efron 1979) draws the parts again and again with replacement: images where
there are several, else blocks, which depend less on one another than voxels do.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from napari_segtrain.evaluation.semantic import ConfusionMatrix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_segtrain.axes import ZYX
    from napari_segtrain.boxes import Box
    from napari_segtrain.image import ClassTable

Kind = Literal["images", "blocks"]
Draws = npt.NDArray[np.float64]

MIN_IMAGES = 5
"""From how many on images are drawn, not blocks of them."""
MIN_PARTS = 4
"""Fewer parts say nothing about how sure a score is."""
LEVEL = 0.95
_N_DRAWS = 2000
_SEED = 0
_MAX_UNDEFINED = 0.1
_N_IN_PLANE = 4
_SLICES = 16


@dataclass(frozen=True)
class Interval:
    """Where a score would lie for other data of the kind.

    Parameters
    ----------
    low, high : float
        Percentiles of the scores of all draws.
    """

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Samples:
    """Confusion matrices of parts that are taken for independent of one another.

    Parameters
    ----------
    counts : ndarray of int64, shape (n, n_classes, n_classes + 1)
        See `ConfusionMatrix.counts`.
    kind : "images" or "blocks"
    foreground : tuple of int
        Class indices of role ``class``.
    """

    counts: npt.NDArray[np.int64]
    kind: Kind
    foreground: tuple[int, ...]

    def intervals(self) -> dict[str, list[Interval | None]]:
        """Intervals of IoU and Dice: of each class, and overall at last.

        ``None`` where there are too few parts, or a class occurs in few of them.
        """
        n = len(self.counts)
        if n < MIN_PARTS:
            nothing: list[Interval | None] = [None] * (self.counts.shape[1] + 1)
            return {"iou": nothing, "dice": nothing}
        return {
            name: [_interval(column) for column in scores.T]
            for name, scores in _scores(self, _draws(n)).items()
        }


@dataclass(frozen=True)
class Comparison:
    """Which of two segmentations of the same images is better.

    Parameters
    ----------
    difference : float
        Overall IoU of the second minus that of the first.
    interval : Interval
        Of the difference, as both are drawn together.
    kind : "images" or "blocks"
    n : int
        Parts that were drawn.
    """

    difference: float
    interval: Interval
    kind: Kind
    n: int

    @property
    def better(self) -> Literal["first", "second"] | None:
        """Which is better in at least 97.5 % of the draws; ``None`` when neither is."""
        if self.interval.low > 0:
            return "second"
        return "first" if self.interval.high < 0 else None

    def describe(self, first: str, second: str) -> str:
        """Say it in a sentence, with the names of both."""
        low, high = self.interval.low, self.interval.high
        numbers = (
            f"the IoU of {second} is {self.difference:+.4f} from that of {first} "
            f"(95 % of draws of {self.n} {self.kind}: {low:+.4f} to {high:+.4f})"
        )
        if self.better is None:
            return f"No clear difference: {numbers}."
        name = second if self.better == "second" else first
        return f"{name} is better: {numbers}."


def compare_samples(first: Samples, second: Samples) -> Comparison | None:
    """Compare two segmentations of the same images; ``None`` with too few parts.

    Raises
    ------
    ValueError
        When they are not counted in the same parts.
    """
    is_same = (first.kind, first.counts.shape) == (second.kind, second.counts.shape)
    if not is_same or first.foreground != second.foreground:
        raise ValueError("only segmentations of the same images can be compared")
    n = len(first.counts)
    if n < MIN_PARTS:
        return None
    draws = np.concatenate([np.ones((1, n)), _draws(n)])
    gains = _scores(second, draws)["iou"][:, -1] - _scores(first, draws)["iou"][:, -1]
    interval = _interval(gains[1:])
    if interval is None or np.isnan(gains[0]):
        return None
    return Comparison(float(gains[0]), interval, first.kind, n)


class SampleCounter:
    """Counts images block by block.

    Parameters
    ----------
    classes : ClassTable
    """

    def __init__(self, classes: ClassTable) -> None:
        self._classes = classes
        self._images: list[dict[tuple[object, ...], ConfusionMatrix]] = []

    def start_image(self) -> None:
        """Count what follows for another image."""
        self._images.append({})

    def add(
        self,
        index: Mapping[str, int],
        box: Box,
        shape: ZYX,
        truth: npt.NDArray[np.uint8],
        predicted: npt.NDArray[np.uint8],
    ) -> None:
        """Count a box of an item.

        Parameters
        ----------
        index : mapping of str to int
            The item.
        box : Box
        shape : ZYX
            Size of the item.
        truth, predicted : ndarray of uint8, shape (Z, Y, X)
            Class indices in the box.
        """
        item = tuple(sorted(index.items()))
        blocks = self._images[-1]
        for number, inner in parts_of(box, shape):
            key = (item, number)
            if key not in blocks:
                blocks[key] = ConfusionMatrix(self._classes.n_classes)
            blocks[key].add(truth[inner], predicted[inner])

    def add_counts(
        self,
        index: Mapping[str, int],
        number: tuple[int, ...],
        counts: npt.NDArray[np.int64],
    ) -> None:
        """Add what was counted of a part, as numbered by `parts_of`."""
        key = (tuple(sorted(index.items())), number)
        blocks = self._images[-1]
        if key not in blocks:
            blocks[key] = ConfusionMatrix(self._classes.n_classes)
        blocks[key].add_counts(counts)

    def drop_image(self) -> None:
        """Forget the last image."""
        self._images.pop()

    def samples(self) -> Samples:
        """Everything that was counted; parts without a labelled voxel are left out."""
        whole = [list(blocks.values()) for blocks in self._images]
        kind: Kind = "images" if len(whole) >= MIN_IMAGES else "blocks"
        if kind == "images":
            counts = [sum(matrix.counts for matrix in blocks) for blocks in whole]
        else:
            counts = [matrix.counts for blocks in whole for matrix in blocks]
        n = self._classes.n_classes
        found = np.array(counts, np.int64).reshape(-1, n, n + 1)
        return Samples(found[found.any(axis=(1, 2))], kind, self._classes.foreground)


def parts_of(box: Box, shape: ZYX) -> list[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Blocks of an item that a box has a part of: number, and part counted from it."""
    per_axis = []
    for side, size, n in zip(box, shape, _numbers(shape), strict=True):
        edges = np.linspace(0, size, n + 1).round().astype(int)
        found = []
        for number, (low, high) in enumerate(pairwise(edges.tolist())):
            start, stop = max(low, side.start), min(high, side.stop)
            if start < stop:
                found.append((number, slice(start - side.start, stop - side.start)))
        per_axis.append(found)
    return [
        ((z, y, x), (depth, rows, columns))
        for z, depth in per_axis[0]
        for y, rows in per_axis[1]
        for x, columns in per_axis[2]
    ]


def _numbers(shape: ZYX) -> ZYX:
    """Blocks along each axis: up to 4 in the plane, one per 16 slices, up to 4."""
    z, y, x = shape
    return (
        int(np.clip(z // _SLICES, 1, _N_IN_PLANE)),
        min(_N_IN_PLANE, y),
        min(_N_IN_PLANE, x),
    )


def _draws(n: int) -> Draws:
    """How often each part is in each draw, (draws, n); the same for the same n."""
    rng = np.random.default_rng(_SEED)
    return rng.multinomial(n, np.full(n, 1 / n), size=_N_DRAWS).astype(np.float64)


def _scores(samples: Samples, draws: Draws) -> dict[str, Draws]:
    """IoU and Dice of each draw: of each class, and overall at last; NaN: undefined."""
    n_classes = samples.counts.shape[1]
    flat = samples.counts.reshape(len(samples.counts), -1).astype(np.float64)
    counts = (draws @ flat).reshape(len(draws), n_classes, n_classes + 1)
    hits = np.diagonal(counts, axis1=1, axis2=2)
    sizes = counts.sum(axis=2) + counts[:, :, :-1].sum(axis=1)
    with np.errstate(invalid="ignore"):
        each = {"iou": hits / (sizes - hits), "dice": 2 * hits / sizes}
    foreground: Sequence[int] = samples.foreground
    return {name: _with_mean(values, foreground) for name, values in each.items()}


def _with_mean(values: Draws, foreground: Sequence[int]) -> Draws:
    """Add the mean of the foreground classes that have the score."""
    chosen = values[:, list(foreground)]
    n = np.isfinite(chosen).sum(axis=1)
    mean = np.full(len(values), np.nan)
    np.divide(np.nansum(chosen, axis=1), n, out=mean, where=n > 0)
    return np.column_stack([values, mean])


def _interval(scores: Draws) -> Interval | None:
    """Percentiles of the draws; ``None`` when a class is missing in many of them."""
    if np.isnan(scores).mean() > _MAX_UNDEFINED:
        return None
    low, high = np.nanquantile(scores, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
