"""Scores of slices, arranged along one axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_segtrain.ui.compare.slice_curve import Curve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_segtrain.evaluation.report import EvaluationReport
    from napari_segtrain.evaluation.slices import SliceScores
    from napari_segtrain.image import ClassTable
    from napari_segtrain.ui.compare.overlap import Overlap

_NAMES = {"Z": "slice", "T": "time", "S": "image"}
_N_WORST = 3


@dataclass(frozen=True)
class Place:
    """A slice of the ground truth: its index on each axis that has several."""

    index: dict[str, int]

    def describe(self) -> str:
        """Name of the slice, such as ``time 3, slice 12``."""
        return ", ".join(f"{axis_name(axis)} {at}" for axis, at in self.index.items())


@dataclass(frozen=True)
class WorstSlice:
    """A slice with a low score."""

    place: Place
    iou: float


class SliceSeries:
    """Scores of the slices of one comparison, by their place in the ground truth.

    Parameters
    ----------
    report : EvaluationReport
    overlap : Overlap
        Of its ground truth and segmentation.
    """

    def __init__(self, report: EvaluationReport, overlap: Overlap) -> None:
        self._classes: ClassTable = report.classes
        self._origin = overlap.origin
        sizes = dict(zip(overlap.axes, overlap.shape, strict=True))
        self.axes = tuple(a for a in overlap.axes if a not in "YX" and sizes[a] > 1)
        self._sizes = {axis: sizes[axis] for axis in self.axes}
        self._scores = {self._key(part): part for part in report.slices}

    def numbers(self, axis: str) -> range:
        """Slices of the ground truth along an axis."""
        first = self._origin[axis]
        return range(first, first + self._sizes[axis])

    def curves(self, axis: str, at: Mapping[str, float | None]) -> tuple[Curve, ...]:
        """IoU of each foreground class along an axis.

        Parameters
        ----------
        axis : str
        at : mapping
            Slice on the other axes; the nearest that was compared counts.
        """
        places = [{**self._fixed(at), axis: n} for n in self.numbers(axis)]
        found = [self._at(place) for place in places]
        return tuple(
            Curve(row.name, row.color, tuple(_iou(part, index) for part in found))
            for index, row in enumerate(self._classes.classes)
            if row.role == "class"
        )

    def worst(self, n: int = _N_WORST) -> list[WorstSlice]:
        """Slices with the lowest IoU, the worst first."""
        scored = [part for part in self._scores.values() if part.iou is not None]
        scored.sort(key=lambda part: part.iou or 0.0)
        return [WorstSlice(self._place(part), part.iou or 0.0) for part in scored[:n]]

    def describe(self, place: Mapping[str, int]) -> str:
        """Scores of a slice in words."""
        name = Place(dict(place)).describe()
        part = self._at(place)
        if part is None or not part.n_truth:
            return f"{name}: not compared"
        rows = [
            f"{row.name} {_number(part.class_iou[index])}"
            for index, row in enumerate(self._classes.classes)
            if row.role == "class"
        ]
        return f"{name}: {', '.join(rows)}"

    def _fixed(self, at: Mapping[str, float | None]) -> dict[str, int]:
        fixed = {}
        for axis in self.axes:
            numbers = self.numbers(axis)
            here = round(at.get(axis) or 0)
            fixed[axis] = min(max(here, numbers[0]), numbers[-1])
        return fixed

    def _key(self, part: SliceScores) -> tuple[int, ...]:
        index = {**part.index, "Z": part.z}
        return tuple(index[axis] for axis in self.axes)

    def _at(self, place: Mapping[str, int]) -> SliceScores | None:
        key = tuple(place[axis] - self._origin[axis] for axis in self.axes)
        return self._scores.get(key)

    def _place(self, part: SliceScores) -> Place:
        key = zip(self.axes, self._key(part), strict=True)
        return Place({axis: at + self._origin[axis] for axis, at in key})


def axis_name(axis: str) -> str:
    """Word for one step along an axis."""
    return _NAMES.get(axis, axis)


def _iou(part: SliceScores | None, index: int) -> float | None:
    return None if part is None else part.class_iou[index]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def describe_worst(worst: Sequence[WorstSlice], color: str) -> str:
    """Links to slices, as rich text; the target is the number in the list."""
    return ", ".join(
        f'<a href="{number}" style="color:{color}">{part.place.describe()}</a> '
        f"({part.iou:.2f})"
        for number, part in enumerate(worst)
    )
