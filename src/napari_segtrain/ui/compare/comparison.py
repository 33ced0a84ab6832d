"""Scoring two label images in a thread, and its result."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segtrain.axes import VoxelSize
from napari_segtrain.config import EvaluationConfig
from napari_segtrain.control import Event
from napari_segtrain.data.restricted import RegionMask
from napari_segtrain.image import ClassTable, LazyArray
from napari_segtrain.io.lazy import Block, BlockArray, Slices
from napari_segtrain.ui.classes.value_kinds import Target
from napari_segtrain.ui.compare.kept_comparison import Kept, Reuse, region_key
from napari_segtrain.ui.compare.label_watch import Sums, array_sums
from napari_segtrain.ui.compare.overlap import Overlaid, Overlap

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_segtrain.config import DataConfig
    from napari_segtrain.control import RunControl
    from napari_segtrain.evaluation.kept_slices import KeptSlices
    from napari_segtrain.evaluation.object_marks import (
        ItemMarks,
    )
    from napari_segtrain.evaluation.pairs import LabelPair
    from napari_segtrain.evaluation.report import (
        EvaluationReport,  # noqa: TC004 - loads SciPy
    )
    from napari_segtrain.workflows.reports import (
        ReportContext,  # noqa: TC004 - loads SciPy
    )

_LARGE = 1 << 28
"""Voxels from which the error map of a store is computed where it is looked at."""

_TOO_LARGE = 1 << 31
"""Voxels from which that of an array in memory is, too."""


@dataclass(frozen=True)
class Progress(Event):
    """How far a comparison is, from 0 to 1; ``None`` while that is not known."""

    share: float | None


@dataclass(frozen=True)
class Request:
    """What is to be compared.

    Parameters
    ----------
    overlaid : Overlaid
        Ground truth and segmentation, cut to what both have.
    arrays : tuple of array
        Voxels of both layers as a whole.
    origin : dict, optional
        Where the segmentation is from, when it is a result of this plugin.
    target : Target
        What the values are, where the class tables do not say.
    config : EvaluationConfig, optional
        What is measured beside the classes.
    region : callable, optional
        Makes the region of the whole ground truth that counts; called in the thread.
    region_name : str
        Of the shapes.
    before : Kept, optional
        What an earlier comparison left; of other labels nothing of it is used.
    n_maps : int
        Error maps that are held at the same time.
    """

    overlaid: Overlaid
    arrays: tuple[Any, Any]
    origin: Mapping[str, Any] | None = None
    target: Target = "auto"
    config: EvaluationConfig | None = None
    region: Callable[[], RegionMask] | None = None
    region_name: str = ""
    before: Kept | None = None
    n_maps: int = 1


@dataclass(frozen=True)
class Comparison:
    """Scores and errors of a segmentation.

    Parameters
    ----------
    report : EvaluationReport
    overlap : Overlap
        What was compared.
    errors : LazyArray of uint8
        Error map of the overlap.
    legend : dict
        Value of the error map to name and color.
    sums : tuple
        Of both arrays when they were read, see `array_sum`.
    hint : str
        Why the scores may be too good, or too bad; empty when nothing is known.
    context : ReportContext
        What a written report says beside the scores.
    region_name : str
        Of the shapes inside which voxels count; empty where all do.
    kept : Kept, optional
        For a later comparison, when nothing was edited meanwhile.
    voxel_size : tuple of float, optional
        µm per voxel along the spatial axes; ``None`` when it is not known.
    tables : tuple of (ClassTable or None)
        What the values of ground truth and segmentation mean.
    """

    report: EvaluationReport
    overlap: Overlap
    errors: LazyArray
    legend: dict[int, tuple[str, str]]
    sums: Sums
    hint: str
    context: ReportContext
    region_name: str = ""
    kept: Kept | None = None
    voxel_size: VoxelSize | None = None
    tables: tuple[ClassTable | None, ClassTable | None] = (None, None)

    @property
    def n_voxels(self) -> int:
        """Voxels that both have, labelled or not."""
        return math.prod(self.overlap.shape)

    def write(self, path: Path) -> list[Path]:
        """Write the scores; return the files that were written.

        Parameters
        ----------
        path : Path
            Its suffix says as what: ``.html``, ``.pdf``, ``.xlsx``, ``.json``, else
            CSV, with more tables beside that of the classes.
        """
        from napari_segtrain.workflows.reports import write_reports

        kinds = {".html": "html", ".pdf": "pdf", ".xlsx": "excel"}
        kind = kinds.get(path.suffix.lower())
        if kind is not None:
            write_reports(self.report, self.context, **{kind: path})
            return [path]
        if path.suffix.lower() == ".json":
            self.report.write_json(path)
            return [path]
        path = path if path.suffix else path.with_suffix(".csv")
        return self.report.write_csv(path)


class _StoppedError(Exception):
    """Stop was asked for while labels were read."""


def iter_comparison(
    request: Request, control: RunControl
) -> Generator[Event, None, Comparison | None]:
    """Compare; ``None`` when it was stopped before the end.

    Raises
    ------
    DataError
        When the values of both sides cannot be compared, or none counts.
    """
    yield Progress(None)
    try:
        return (yield from _compared(request, control))
    except _StoppedError:
        return None


def _compared(
    request: Request, control: RunControl
) -> Generator[Event, None, Comparison | None]:
    from napari_segtrain.config import DataConfig
    from napari_segtrain.evaluation.error_map import error_classes
    from napari_segtrain.evaluation.pairs import common_classes

    sums = array_sums(request.arrays)
    pair = _described(request, DataConfig(target=request.target), control)
    sides = (pair.truth.classes, pair.prediction.classes)
    classes = common_classes(*([table] if table else [] for table in sides))
    region = None if request.region is None else request.region()
    pair = _limited(pair, request, region)
    overlap = request.overlaid.overlap
    reuse = Reuse.of(request.before, overlap, sums, region_key(region))
    report = yield from _scored(pair, classes, request, reuse.slices, control)
    if not report.is_complete:
        return None
    errors = yield from _errors(pair, classes, request, reuse, control)
    if control.is_stopping:
        return None
    rows = error_classes(classes, has_objects=_wants_objects(request))
    legend = {row.value: (row.name, row.color) for row in rows}
    hint = _hint(request.origin, report)
    return Comparison(
        report,
        overlap,
        errors,
        legend,
        sums,
        hint,
        _context(pair, request),
        request.region_name,
        _left(pair, classes, request, reuse, errors),
        pair.truth.voxel_size,
        sides,
    )


def _left(
    pair: LabelPair,
    classes: ClassTable,
    request: Request,
    reuse: Reuse,
    errors: LazyArray,
) -> Kept | None:
    """What a later comparison may use."""
    from napari_segtrain.evaluation.kept_slices import meaning_of

    is_plain = isinstance(errors, np.ndarray) and not _wants_objects(request)
    return reuse.left(
        array_sums(request.arrays),
        meaning_of(pair, classes),
        np.asarray(errors) if is_plain else None,
    )


def _limited(pair: LabelPair, request: Request, region: RegionMask | None) -> LabelPair:
    """Let only the region count, whose place in the overlap is found here."""
    from napari_segtrain.evaluation.limits import ShiftedRegion, limit_pair

    if region is None:
        return pair
    overlap = request.overlaid.overlap
    origin = dict.fromkeys(overlap.truth_axes, 0) | overlap.origin
    return limit_pair(pair, ShiftedRegion(region, origin))


def _context(pair: LabelPair, request: Request) -> ReportContext:
    """Data, settings and the model of the segmentation, if it is still there."""
    from napari_segtrain.config import EvaluationConfig
    from napari_segtrain.workflows.reports import ReportContext, data_facts

    run = (request.origin or {}).get("run")
    model = Path(str(run)) if run and Path(str(run)).exists() else None
    facts = {
        **data_facts([pair]),
        "Ground truth": pair.truth.name,
        "Segmentation": pair.prediction.name,
    }
    if request.region_name:
        facts["Only inside"] = request.region_name
    return ReportContext(facts, request.config or EvaluationConfig(), model)


def _hint(origin: Mapping[str, Any] | None, report: EvaluationReport) -> str:
    """Why scores of a result say less than they seem to."""
    from napari_segtrain.evaluation.remarks import remarks

    partial = ""
    if (origin or {}).get("is_whole") is False:
        partial = (
            "Only a part of the image was predicted; what was not predicted counts as "
            "background, so look at the scores of the predicted slices, or predict "
            "everything."
        )
    return " ".join(
        text for text in (partial, _training_hint(origin), *remarks(report)) if text
    )


def _training_hint(origin: Mapping[str, Any] | None) -> str:
    """Warn when the model was trained on the image that it segmented, by its name."""
    from napari_segtrain.workflows.run_info import read_run_info

    source = (origin or {}).get("source")
    if origin is None or not source or not Path(str(origin.get("run"))).exists():
        return ""
    if source not in read_run_info(Path(str(origin["run"]))).images:
        return ""
    return (
        f"The model was trained on an image named '{source}', so these scores are "
        "better than those of other images; compare an image that it has not seen."
    )


def _described(request: Request, data: DataConfig, control: RunControl) -> LabelPair:
    """Find out what the values mean; a stop ends the reading."""
    from napari_segtrain.workflows.evaluation import open_label_pairs

    sides = (request.overlaid.truth, request.overlaid.prediction)
    readable = [replace(side, array=_stoppable(side.array, control)) for side in sides]
    (pair,) = open_label_pairs(readable[:1], readable[1:], data).pairs
    truth, prediction = (
        side.with_classes(found.classes) if found.classes else side
        for side, found in zip(sides, (pair.truth, pair.prediction), strict=True)
    )
    return replace(pair, truth=truth, prediction=prediction)


def _stoppable(array: LazyArray, control: RunControl) -> BlockArray:
    """Array that cannot be read any more after a stop."""

    def read_box(box: Slices) -> Block:
        if control.is_stopping:
            raise _StoppedError
        return np.asarray(array[box])

    return BlockArray(tuple(array.shape), np.dtype(array.dtype), read_box)


def _scored(
    pair: LabelPair,
    classes: ClassTable,
    request: Request,
    slices: KeptSlices | None,
    control: RunControl,
) -> Generator[Event, None, EvaluationReport]:
    from napari_segtrain.evaluation.evaluate import iter_evaluation
    from napari_segtrain.evaluation.events import BlockScored

    work = iter_evaluation(
        [pair],
        classes=classes,
        config=request.config,
        control=control,
        kept=slices,
    )
    while True:
        try:
            event = next(work)
        except StopIteration as end:
            report: EvaluationReport = end.value
            return report
        if isinstance(event, BlockScored):
            yield Progress(0.75 * event.n_done / max(event.n_total, 1))


def _errors(
    pair: LabelPair,
    classes: ClassTable,
    request: Request,
    reuse: Reuse,
    control: RunControl,
) -> Generator[Event, None, LazyArray]:
    from napari_segtrain.evaluation.error_map import iter_error_map, write_block
    from napari_segtrain.evaluation.kept_slices import meaning_of

    shape = pair.truth.array.shape
    marks = yield from _object_marks(pair, classes, request, control)
    if control.is_stopping:
        return np.zeros(shape, np.uint8)
    in_memory = all(isinstance(array, np.ndarray) for array in request.arrays)
    if request.n_maps * math.prod(shape) > (_TOO_LARGE if in_memory else _LARGE):
        return _lazy_errors(pair, classes, marks, control)
    known = None if marks else reuse.errors(meaning_of(pair, classes))
    errors, places = known or (np.zeros(shape, np.uint8), None)
    work = iter_error_map(pair, classes, marks=marks, places=places, control=control)
    for block in work:
        write_block(errors, pair.truth.axes, block)
        yield Progress(0.75 + 0.25 * block.n_done / max(block.n_total, 1))
    return errors


def _wants_objects(request: Request) -> bool:
    return request.config is not None and request.config.wants_objects


def _object_marks(
    pair: LabelPair, classes: ClassTable, request: Request, control: RunControl
) -> Generator[Event, None, tuple[ItemMarks, ...]]:
    """Which objects are split or merged; nothing where objects are not matched."""
    from napari_segtrain.evaluation.object_marks import iter_object_marks

    if not _wants_objects(request):
        return ()
    work = iter_object_marks(pair, classes, control=control)
    while True:
        try:
            next(work)
        except StopIteration as end:
            marks: tuple[ItemMarks, ...] = end.value
            return marks
        yield Progress(0.75)


def _lazy_errors(
    pair: LabelPair,
    classes: ClassTable,
    marks: tuple[ItemMarks, ...],
    control: RunControl,
) -> LazyArray:
    """Error map as a Dask array, which napari draws slice by slice."""
    import dask.array as da

    from napari_segtrain.evaluation.lazy_errors import lazy_error_map

    errors = lazy_error_map(pair, classes, marks=marks, control=control)
    chunks = [1] * (len(errors.shape) - 2) + [-1, -1]
    lazy: LazyArray = da.from_array(errors, chunks=chunks, name=False)
    return lazy
