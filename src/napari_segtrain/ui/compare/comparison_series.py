"""One or several segmentations, compared with the same ground truth in a thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_segtrain.errors import DataError
from napari_segtrain.ui.compare.comparison import Comparison, Progress, iter_comparison

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_segtrain.control import Event, RunControl
    from napari_segtrain.evaluation.report import (
        Row,  # noqa: TC004 - loads SciPy
    )
    from napari_segtrain.ui.compare.comparison import Request


@dataclass(frozen=True)
class ComparedSeries:
    """Results of comparisons with one ground truth.

    Parameters
    ----------
    comparisons : tuple of Comparison
        One per segmentation, in the order they were chosen.
    rows : list of dict
        Their overall scores, see `segmentation_rows`.
    verdict : str
        Of exactly two: which is better.
    """

    comparisons: tuple[Comparison, ...]
    rows: list[Row]
    verdict: str


def iter_comparisons(
    requests: Sequence[Request], control: RunControl
) -> Generator[Event, None, ComparedSeries | None]:
    """Compare one after another; ``None`` when it was stopped before the end.

    Raises
    ------
    DataError
        When the values of two sides cannot be compared, or none counts.
    """
    found = []
    for number, request in enumerate(requests):
        work = _named(request, control, is_one_of_several=len(requests) > 1)
        comparison = yield from _scaled(work, number, len(requests))
        if comparison is None:
            return None
        found.append(comparison)
    return _series(requests, found)


def _named(
    request: Request, control: RunControl, *, is_one_of_several: bool
) -> Generator[Event, None, Comparison | None]:
    """Say of several which one cannot be compared."""
    try:
        return (yield from iter_comparison(request, control))
    except DataError as error:
        if not is_one_of_several:
            raise
        name = request.overlaid.prediction.name
        raise DataError(f"'{name}' cannot be compared: {error}") from error


def _scaled(
    work: Generator[Event, None, Comparison | None], number: int, n_total: int
) -> Generator[Event, None, Comparison | None]:
    """Count progress over all of them."""
    while True:
        try:
            event = next(work)
        except StopIteration as end:
            comparison: Comparison | None = end.value
            return comparison
        if isinstance(event, Progress) and (event.share is not None or number):
            event = Progress((number + (event.share or 0.0)) / n_total)
        yield event


def _series(
    requests: Sequence[Request], comparisons: Sequence[Comparison]
) -> ComparedSeries:
    from napari_segtrain.evaluation.ranking import segmentation_rows, verdict_on

    named = [
        (request.overlaid.prediction.name, comparison.report)
        for request, comparison in zip(requests, comparisons, strict=True)
    ]
    rows = segmentation_rows(named)
    verdict = ""
    if len(named) == 2:  # noqa: PLR2004 - a pair
        first, second = comparisons
        if _part(first) == _part(second):
            verdict = verdict_on(*named)
        else:
            verdict = (
                f"{named[0][0]} and {named[1][0]} cover different parts of the ground "
                "truth, so it cannot be said which is better."
            )
    if len(named) > 1:
        comparisons = [
            replace(each, context=replace(each.context, verdict=verdict, others=rows))
            for each in comparisons
        ]
    return ComparedSeries(tuple(comparisons), rows, verdict)


def _part(comparison: Comparison) -> tuple[object, ...]:
    """Voxels of the ground truth that counted."""
    overlap = comparison.overlap
    return overlap.axes, overlap.truth_start, overlap.shape
