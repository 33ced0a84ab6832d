"""Voxel counts of slices, kept so that after an edit only changed ones are counted.

Class scores are sums over slices. Objects, surfaces and probabilities are not: they are
always computed of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.boxes import box_shape, iter_blocks
from napari_segtrain.evaluation.aligned import BLOCK_VOXELS, may_go_on
from napari_segtrain.evaluation.samples import parts_of
from napari_segtrain.image import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping

    from napari_segtrain.axes import ZYX
    from napari_segtrain.boxes import Box
    from napari_segtrain.config import EvaluationConfig
    from napari_segtrain.control import RunControl
    from napari_segtrain.data.targets import BoxReader
    from napari_segtrain.evaluation.exclusion import Band
    from napari_segtrain.evaluation.pairs import LabelPair
    from napari_segtrain.evaluation.samples import SampleCounter
    from napari_segtrain.evaluation.slices import SliceCurve
    from napari_segtrain.image import ClassTable

Place = tuple[tuple[tuple[str, int], ...], int]
"""Axis and position on each item axis, and slice along Z."""

_Part = tuple[int, ...]


def place_of(index: Mapping[str, int], z: int) -> Place:
    """Place of a slice of an item."""
    return tuple(sorted(index.items())), z


@dataclass(frozen=True, eq=False)
class _Sparse:
    """A matrix of counts of which few are not 0."""

    shape: tuple[int, ...]
    where: npt.NDArray[np.intp]
    values: npt.NDArray[np.int64]

    @classmethod
    def of(cls, counts: npt.NDArray[np.int64]) -> _Sparse:
        where = np.flatnonzero(counts)
        return cls(counts.shape, where, counts.ravel()[where])

    def dense(self) -> npt.NDArray[np.int64]:
        counts = np.zeros(self.shape, np.int64)
        counts.ravel()[self.where] = self.values
        return counts


class KeptSlices:
    """Counts of the slices of one pair; an evaluation fills it, and reads it later.

    Attributes
    ----------
    n_counted : int
        Slices that the last evaluation counted, rather than took from before.
    """

    def __init__(self) -> None:
        self._key: Hashable = None
        self._n_classes = 0
        self._changed: set[Place] = set()
        self._counts: dict[Place, dict[_Part, _Sparse]] = {}
        self.n_counted = 0

    def copy(self) -> KeptSlices:
        """Another one with the same slices, to be filled apart."""
        other = KeptSlices()
        other._key, other._n_classes = self._key, self._n_classes
        other._changed, other._counts = set(self._changed), dict(self._counts)
        return other

    def forget(self, changed: Iterable[Place]) -> None:
        """Say which slices of either side are not what they were."""
        self._changed.update(changed)

    def start(
        self,
        pair: LabelPair,
        classes: ClassTable,
        config: EvaluationConfig,
        band: Band | None,
    ) -> None:
        """Keep what an evaluation may use: nothing after one of something else.

        A band around boundaries spoils the slices that it reaches from changed ones.
        """
        key = _key(pair, classes, config, band)
        if key != self._key:
            self._counts.clear()
        reach = 0 if band is None else band.reach[0]
        for item, z in self._changed:
            for near in range(z - reach, z + reach + 1):
                self._counts.pop((item, near), None)
        self._key, self._n_classes, self.n_counted = key, classes.n_classes, 0
        self._changed = set()

    def fill(
        self,
        index: Mapping[str, int],
        truth: BoxReader,
        prediction: BoxReader,
        shape: ZYX,
        control: RunControl | None = None,
    ) -> Iterator[int]:
        """Count the slices of an item that are not known.

        Parameters
        ----------
        index : mapping of str to int
            The item.
        truth, prediction : BoxReader
            Class indices.
        shape : ZYX
            Size of the item.
        control : RunControl, optional
            A stop ends the counting; what is begun is not kept.

        Yields
        ------
        int
            Voxels that are done.
        """
        unknown = [z for z in range(shape[0]) if place_of(index, z) not in self._counts]
        yield (shape[0] - len(unknown)) * shape[1] * shape[2]
        n_codes = self._n_classes + 1
        begun: dict[int, dict[_Part, npt.NDArray[np.int64]]] = {}
        for box in slice_boxes(shape, unknown, BLOCK_VOXELS):
            if not may_go_on(control):
                return
            codes = self._codes(truth.read(box), prediction.read(box))
            for number, part in parts_of(box, shape):
                for z, plane in zip(
                    range(box[0].start + part[0].start, box[0].start + part[0].stop),
                    codes[part],
                    strict=True,
                ):
                    found = np.bincount(plane.ravel(), minlength=n_codes**2)
                    counts = begun.setdefault(z, {})
                    counts[number] = counts.get(number, 0) + found
            if (box[1].stop, box[2].stop) == shape[1:]:
                self._keep(index, begun)
                begun = {}
            depth, height, width = box_shape(box)
            yield depth * height * width

    def pass_on(
        self,
        index: Mapping[str, int],
        n_slices: int,
        curve: SliceCurve,
        counter: SampleCounter,
    ) -> None:
        """Give the counts of an item to what makes scores of them."""
        shape = (self._n_classes, self._n_classes + 1)
        for z in range(n_slices):
            total = np.zeros(shape, np.int64)
            for number, sparse in self._counts[place_of(index, z)].items():
                counts = sparse.dense()
                counter.add_counts(index, number, counts)
                total += counts
            curve.add_counts(dict(index), z, total)

    def _codes(
        self, truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.uint16]:
        """Both classes as one number; `IGNORE_INDEX` is the class after the last."""
        lookup = np.arange(IGNORE_INDEX + 1, dtype=np.uint16)
        lookup[IGNORE_INDEX] = self._n_classes
        rows: npt.NDArray[np.uint16] = lookup * np.uint16(self._n_classes + 1)
        return rows[truth] + lookup[predicted]

    def _keep(
        self,
        index: Mapping[str, int],
        begun: Mapping[int, Mapping[_Part, npt.NDArray[np.int64]]],
    ) -> None:
        shape = (self._n_classes + 1, self._n_classes + 1)
        for z, parts in begun.items():
            self._counts[place_of(index, z)] = {
                number: _Sparse.of(counts.reshape(shape)[:-1])
                for number, counts in parts.items()
            }
        self.n_counted += len(begun)


def slice_boxes(shape: ZYX, slices: Collection[int], max_voxels: int) -> Iterator[Box]:
    """Boxes of at most so many voxels that cover some slices, in their order.

    Parameters
    ----------
    shape : ZYX
        Of the item.
    slices : collection of int
        Rising.
    max_voxels : int
    """
    numbers = np.array(list(slices), np.intp)
    gaps = np.flatnonzero(np.diff(numbers) > 1) + 1
    for run in np.split(numbers, gaps) if len(numbers) else ():
        first, size = int(run[0]), len(run)
        for z, y, x in iter_blocks((size, shape[1], shape[2]), max_voxels):
            yield slice(z.start + first, z.stop + first), y, x


def _key(
    pair: LabelPair, classes: ClassTable, config: EvaluationConfig, band: Band | None
) -> Hashable:
    """What counts depend on, beside the voxels."""
    return meaning_of(pair, classes), config.exclusion_side, band


def meaning_of(pair: LabelPair, classes: ClassTable) -> Hashable:
    """Size of a pair and what its values mean, whatever they are."""
    tables = (pair.truth.classes, pair.prediction.classes, classes)
    return (
        tuple(map(int, pair.truth.array.shape)),
        pair.truth.axes,
        tuple(_meaning(table) for table in tables),
    )


def _meaning(table: ClassTable | None) -> Any:
    """Class table without its voxel counts."""
    if table is None:
        return None
    rows = tuple(replace(row, n_voxels=0) for row in table.rows)
    return rows, table.is_objects, table.zero
