"""Several segmentations of the same images beside one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_segtrain.evaluation.ratios import mean_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.evaluation.report import EvaluationReport, Row

SEGMENTATION_COLUMNS = ("segmentation", "iou", "dice", "precision", "recall", "f1")


def segmentation_rows(named: Sequence[tuple[str, EvaluationReport]]) -> list[Row]:
    """Overall scores of each segmentation, a row each.

    Parameters
    ----------
    named : sequence of (str, EvaluationReport)
        Name and scores of each.

    Returns
    -------
    list of dict
        `SEGMENTATION_COLUMNS`; ``f1`` is that of objects at the first threshold, the
        mean over the classes, and left out where no segmentation has objects.
    """
    rows: list[Row] = []
    for name, report in named:
        overall = report.total.scores.overall
        row: Row = {"segmentation": name, "iou": overall.iou, "dice": overall.dice}
        row |= {"precision": overall.precision, "recall": overall.recall}
        rows.append({**row, "f1": object_f1(report)})
    if all(row["f1"] is None for row in rows):
        rows = [{key: row[key] for key in row if key != "f1"} for row in rows]
    return rows


def object_f1(report: EvaluationReport) -> float | None:
    """F1 of objects at the first threshold, mean over the classes that have one."""
    scores = report.total.objects or ()
    first = scores[0].threshold if scores else None
    return mean_of(each.f1 for each in scores if each.threshold == first)


def verdict_on(
    first: tuple[str, EvaluationReport], second: tuple[str, EvaluationReport]
) -> str:
    """Say in a sentence which of two segmentations of the same images is better.

    Parameters
    ----------
    first, second : (str, EvaluationReport)
        Name and scores of each.
    """
    names = first[0], second[0]
    try:
        found = first[1].compare(second[1])
    except ValueError:
        return (
            f"{names[0]} and {names[1]} were not compared with the same labels, so it "
            "cannot be said which is better."
        )
    if found is None:
        return "There are too few labels to say which segmentation is better."
    return found.describe(*names)
