"""What a person should know before reading scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_segtrain.evaluation.report import EvaluationReport

_CHECK = "check that it is the right one, and which values are classes"


def remarks(report: EvaluationReport) -> list[str]:
    """Say what makes scores mean less than they seem to, a sentence each.

    That a side holds no class at all, voxels whose value means nothing in the
    segmentation, a mask among objects, and slices without labels, which do not count;
    empty when there is nothing to say.
    """
    found = (
        *(_emptiness(report), _strangers(report), _single_objects(report)),
        _unlabelled_slices(report),
    )
    return [text for text in found if text]


def _single_objects(report: EvaluationReport) -> str:
    """A mask whose value was taken for the id of one object."""
    for row in report.total.objects or ():
        is_single = 0 < row.n_predicted <= len(report.images) < row.n_truth
        if report.classes.is_objects and is_single:
            return (
                f"The segmentation holds {row.n_predicted} object"
                f"{'s' * (row.n_predicted > 1)} where the ground truth has "
                f"{row.n_truth:,}; if it is a mask, make objects of it first "
                "('segtrain objects --target semantic', or the Objects dock)."
            )
    return ""


def _emptiness(report: EvaluationReport) -> str:
    scores = report.total.scores.classes
    foreground = [scores[index] for index in report.classes.foreground]
    has_truth = any(row.n_truth for row in foreground)
    has_prediction = any(row.n_predicted for row in foreground)
    if has_truth and has_prediction:
        return ""
    if has_truth:
        return (
            "The segmentation holds no class where the ground truth is labelled, only "
            f"background, so all of the ground truth is missed; {_CHECK}."
        )
    if has_prediction:
        return (
            "The ground truth holds no class, only background, so all that the "
            f"segmentation finds is counted as wrong; {_CHECK}."
        )
    return (
        "Neither the ground truth nor the segmentation holds a class, so there is "
        "only background to score; check which values are classes."
    )


def _strangers(report: EvaluationReport) -> str:
    overall = report.total.scores.overall
    n_unknown = overall.n_truth - overall.n_predicted
    if not n_unknown:
        return ""
    return (
        f"{n_unknown:,} of {overall.n_truth:,} labelled voxels are unlabelled in the "
        "segmentation or have a value that its classes do not have; they count as "
        "missed."
    )


def _unlabelled_slices(report: EvaluationReport) -> str:
    """Slices that were taken as not labelled, in which nothing can be wrong."""
    n_empty = sum(not part.n_truth for part in report.slices)
    if report.classes.zero != "painted-slices" or not n_empty:
        return ""
    return (
        f"{n_empty:,} of {len(report.slices):,} slices have no label in the ground "
        "truth and do not count; if nothing is there, say that 0 is the background."
    )
