"""Pairs of label images -> an evaluation report, block by block."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_segtrain.boxes import box_shape, iter_blocks
from napari_segtrain.config.evaluation import EvaluationConfig
from napari_segtrain.errors import DataError
from napari_segtrain.evaluation.aligned import BLOCK_VOXELS, aligned_items, may_go_on
from napari_segtrain.evaluation.boundary import (
    BoundaryScores,
    score_boundary,
)
from napari_segtrain.evaluation.events import (
    BlockScored,
    EvaluationEvent,
    ImageScored,
)
from napari_segtrain.evaluation.exclusion import BandedItem, band_of
from napari_segtrain.evaluation.object_pass import FoundObjects, ObjectItem
from napari_segtrain.evaluation.pairs import LabelPair, check_pair
from napari_segtrain.evaluation.probability_pass import count_maps
from napari_segtrain.evaluation.report import (
    EvaluationReport,
    ImageScores,
    total_scores,
)
from napari_segtrain.evaluation.rulers import Ruler, rulers_of
from napari_segtrain.evaluation.samples import SampleCounter
from napari_segtrain.evaluation.semantic import ConfusionMatrix
from napari_segtrain.evaluation.slices import SliceCurve, SliceScores
from napari_segtrain.evaluation.sums import sum_scores
from napari_segtrain.evaluation.surfaces import SurfaceFinder

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from napari_segtrain.control import RunControl
    from napari_segtrain.evaluation.kept_slices import KeptSlices
    from napari_segtrain.evaluation.probability import ProbabilityScores
    from napari_segtrain.image import ClassTable, Image


def iter_evaluation(
    pairs: Iterable[LabelPair],
    *,
    classes: ClassTable,
    config: EvaluationConfig | None = None,
    control: RunControl | None = None,
    kept: KeptSlices | None = None,
) -> Generator[EvaluationEvent, None, EvaluationReport]:
    """Score predictions against ground truth.

    Class scores are streamed and need little memory; surfaces need some for their
    voxels, and for objects one item at a time is in memory. Unlabelled voxels of the
    ground truth count nowhere.

    Parameters
    ----------
    pairs : iterable of LabelPair
        What to compare.
    classes : ClassTable
        Classes of both sides, see `common_classes`.
    config : EvaluationConfig, optional
        What is scored beside the classes. Objects are ids where the class table of a
        label image says so, otherwise the connected components of each foreground
        class.
    control : RunControl, optional
        Stop ends the evaluation after the present block; images that are not done
        are left out of the report.
    kept : KeptSlices, optional
        Of an earlier evaluation of the one pair: class scores of slices that did not
        change are taken from there, and all are left there. What else is measured is
        measured of the whole.

    Yields
    ------
    EvaluationEvent
        `BlockScored` for each block, `ImageScored` for each image.

    Returns
    -------
    EvaluationReport
        Scores of each image and of all voxels together.

    Raises
    ------
    DataError
        When there is nothing to compare, the sizes of a pair differ (before anything
        is scored), or no voxel of any ground truth is labelled.
    """
    todo = list(pairs)
    _check(todo, classes)
    work = _Work(todo, classes, config or EvaluationConfig(), control)
    work.kept = kept if len(todo) == 1 else None
    while work.has_next:
        is_complete = yield from work.score_next()
        if not is_complete:
            break
    return work.report()


class _Work:
    """State of `iter_evaluation`."""

    def __init__(
        self,
        todo: Sequence[LabelPair],
        classes: ClassTable,
        config: EvaluationConfig,
        control: RunControl | None,
    ) -> None:
        self._todo = todo
        self._classes = classes
        self._config = config
        self._control = control
        self.kept: KeptSlices | None = None
        self._rulers = rulers_of(todo)
        self._lengths = [_lengths(ruler, config) for ruler in self._rulers]
        self._total = ConfusionMatrix(classes.n_classes)
        self._counter = SampleCounter(classes)
        self._images: list[ImageScores] = []
        self._slices: list[SliceScores] = []
        n_voxels = sum(_n_voxels(pair) for pair in todo)
        n_maps = sum(_n_voxels(pair) for pair in todo if pair.probabilities)
        n_passes = 1 + config.wants_objects + config.boundaries
        self._n_total = n_voxels * n_passes + n_maps
        self._n_done = 0

    @property
    def has_next(self) -> bool:
        """Whether an image is left."""
        return len(self._images) < len(self._todo)

    def score_next(self) -> Generator[EvaluationEvent, None, bool]:
        """Score the next image; false when stopped before its end."""
        number = len(self._images)
        pair, ruler = self._todo[number], self._rulers[number]
        tolerance, distance = self._lengths[number]
        curve = SliceCurve(pair.name, self._classes)
        found = FoundObjects()
        boundaries, probabilities = None, None
        is_complete = yield from self._compare(pair, curve, ruler)
        if is_complete and self._config.wants_objects:
            found = yield from self._objects(pair, ruler, distance)
        if is_complete and self._config.boundaries:
            boundaries = yield from self._boundaries(pair, ruler, tolerance)
        if is_complete and pair.probabilities is not None:
            probabilities = yield from self._maps(pair, pair.probabilities)
        if not may_go_on(self._control):
            self._counter.drop_image()
            return False
        self._slices += curve.slices()
        self._total += curve.total
        scores = ImageScores(
            pair.name,
            curve.total.scores(self._classes),
            found.scores,
            found.summaries,
            found.centers,
            boundaries,
            probabilities,
            found.lists,
        )
        self._images.append(scores)
        yield ImageScored(pair.name, number + 1, len(self._todo), scores)
        return True

    def _compare(
        self, pair: LabelPair, curve: SliceCurve, ruler: Ruler
    ) -> Generator[EvaluationEvent, None, bool]:
        items = pair.truth.items()
        sides = aligned_items(pair, self._classes, self._control)
        band = band_of(self._config, self._classes, ruler)
        self._counter.start_image()
        if self.kept is not None:
            self.kept.start(pair, self._classes, self._config, band)
        for item, (labelled, prediction) in zip(items, sides, strict=True):
            truth = BandedItem(labelled, band) if band else labelled
            if self.kept is not None:
                known = truth, prediction, truth.shape
                for n in self.kept.fill(item.index, *known, self._control):
                    yield self._progress(pair, n)
                if not may_go_on(self._control):
                    return False
                counts = curve, self._counter
                self.kept.pass_on(item.index, truth.shape[0], *counts)
                continue
            for box in iter_blocks(truth.shape, BLOCK_VOXELS):
                if not may_go_on(self._control):
                    return False
                blocks = truth.read(box), prediction.read(box)
                curve.add(item.index, box[0], *blocks)
                self._counter.add(item.index, box, truth.shape, *blocks)
                yield self._progress(pair, math.prod(box_shape(box)))
        return True

    def _objects(
        self, pair: LabelPair, ruler: Ruler, distance: float
    ) -> Generator[EvaluationEvent, None, FoundObjects]:
        """Object scores of all items of a pair, class by class."""
        found = FoundObjects()
        foreground = self._classes.foreground
        every = aligned_items(pair, self._classes, self._control)
        for place, sides in zip(pair.truth.items(), every, strict=True):
            item = ObjectItem(pair, sides)
            for index in foreground:
                if not may_go_on(self._control):
                    return found
                objects = item.objects(index, self._classes.names[index])
                at = dict(place.index)
                found += objects.scores(at, self._config, ruler, distance)
                yield self._progress(pair, item.n_voxels // len(foreground))
        return found

    def _boundaries(
        self, pair: LabelPair, ruler: Ruler, tolerance: float
    ) -> Generator[EvaluationEvent, None, tuple[BoundaryScores, ...]]:
        """Scores of the surfaces of all items of a pair, class by class."""
        scores = []
        foreground = self._classes.foreground
        for sides in aligned_items(pair, self._classes, self._control):
            finder = SurfaceFinder(*sides, foreground)
            for n_voxels in finder.find(self._control):
                yield self._progress(pair, n_voxels)
            for index in foreground:
                if not may_go_on(self._control):
                    return ()
                name, found = self._classes.names[index], finder.surfaces(index)
                score = score_boundary(found, name, ruler, tolerance, self._control)
                scores.append((score,))
                yield self._progress(pair, 0)
        return sum_scores(scores)

    def _maps(
        self, pair: LabelPair, maps: Image
    ) -> Generator[EvaluationEvent, None, tuple[ProbabilityScores, ...] | None]:
        """Scores of the probabilities of all items of a pair."""
        work = count_maps(pair, maps, self._classes, self._control)
        while True:
            try:
                n_voxels = next(work)
            except StopIteration as end:
                scores: tuple[ProbabilityScores, ...] | None = end.value
                return scores
            yield self._progress(pair, n_voxels)

    def _progress(self, pair: LabelPair, n_voxels: int) -> BlockScored:
        self._n_done += n_voxels
        return BlockScored(pair.name, self._n_done, self._n_total)

    def report(self) -> EvaluationReport:
        """Everything that was scored.

        Raises
        ------
        DataError
            When all images were, and none has a labelled voxel.
        """
        images = tuple(self._images)
        if not self.has_next and not self._total.counts.any():
            raise DataError(
                f"The ground truth has no labelled voxel ({len(images)} images), so "
                "there is nothing to score; check which values are unlabelled, and "
                "the region or the mask where only a part counts"
                f"{self._exclusion_hint()}."
            )
        scores = self._total.scores(self._classes)
        return EvaluationReport(
            images,
            total_scores(scores, images),
            self._classes,
            is_complete=not self.has_next,
            slices=tuple(self._slices),
            samples=self._counter.samples(),
        )

    def _exclusion_hint(self) -> str:
        width = self._config.exclusion_width
        return f", or leave out less than {width} voxels at boundaries" if width else ""


def _lengths(ruler: Ruler, config: EvaluationConfig) -> tuple[float, float]:
    """Tolerance of boundaries and distance of centers, in the unit of a ruler."""
    used = config.boundaries, config.wants_objects
    values = config.tolerance, config.center_distance
    tolerance, distance = (
        ruler.length(value, config.unit) if is_used and value else 0.0
        for is_used, value in zip(used, values, strict=True)
    )
    return tolerance, distance


def _n_voxels(pair: LabelPair) -> int:
    return math.prod(int(size) for size in pair.truth.array.shape)


def _check(pairs: Sequence[LabelPair], classes: ClassTable) -> None:
    if not pairs:
        raise DataError(
            "There is no pair of ground truth and prediction to compare; check that "
            "their file names match."
        )
    if not classes.n_classes:
        raise DataError(
            "Every label value is unlabelled, so there is nothing to score; check "
            "which values are unlabelled."
        )
    for pair in pairs:
        check_pair(pair)
