"""What a report of an evaluation says."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from napari_segtrain.evaluation.publishing.document import (
    Document,
    Picture,
    Section,
    Table,
)
from napari_segtrain.evaluation.publishing.figures import (
    confusion_picture,
    curve_pictures,
    slice_picture,
)
from napari_segtrain.evaluation.ranking import SEGMENTATION_COLUMNS
from napari_segtrain.evaluation.report import PART_COLUMNS, EvaluationReport, Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CLASS_COLUMNS = (
    *("class", "iou", "iou_low", "iou_high", "dice", "precision", "recall"),
    *("specificity", "mcc", "truth_voxels", "predicted_voxels"),
)
_IMAGE_COLUMNS = ("image", "iou", "dice", "precision", "recall", "accuracy")
_MAX_IMAGES = 200
_WORST = 10
_PARTS = {
    "objects": "Objects that match one to one at an IoU of at least the threshold.",
    "object_summary": "AP is the mean over IoU thresholds from 0.5 to 0.95. Split: "
    "objects in which more than half of each of several predicted objects lies; "
    "merged: predicted objects that hold several. Rand F and variation of information "
    "(bits) leave the true background out.",
    "centers": "Objects matched by their centers.",
    "boundaries": "Surfaces: shares within the tolerance, and distances in the unit.",
    "probabilities": "Thresholds are of the probability of the class. The best one is "
    "tuned on these data; held out is the IoU with each image cut at the best "
    "threshold of the others.",
}


def describe_report(
    report: EvaluationReport,
    *,
    title: str = "Segmentation report",
    facts: Mapping[str, Mapping[str, str]] | None = None,
    pictures: Mapping[str, Sequence[Picture]] | None = None,
    verdict: str = "",
    others: Sequence[Row] = (),
) -> Document:
    """Put a report in words, tables and pictures.

    Parameters
    ----------
    report : EvaluationReport
    title : str
    facts : mapping, optional
        Sections of names and values that come last: data, model, settings, versions.
    pictures : mapping, optional
        Sections of pictures that come before, such as overlays.
    verdict : str
        How it compares with another segmentation.
    others : sequence of dict
        Of several segmentations the scores of each, see `segmentation_rows`.
    """
    made = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    sections = [_overview(report, verdict), _several(others)]
    sections += [_images(report), _slices(report), *_parts(report)]
    sections += [
        Section(name, pictures=tuple(shown)) for name, shown in (pictures or {}).items()
    ]
    sections += [
        Section(name, facts=tuple(values.items()))
        for name, values in (facts or {}).items()
    ]
    return Document(title, f"Made by napari-segtrain on {made}.", tuple(sections))


def _overview(report: EvaluationReport, verdict: str) -> Section:
    rows = [row for row in report.to_rows() if row["image"] == report.total.name]
    overall = report.total.scores.overall
    text = [report.summary()]
    if report.samples is not None and rows[-1]["iou_low"] is not None:
        n, kind = len(report.samples.counts), report.samples.kind
        text.append(
            f"Low and high: 95 % interval of the IoU, bootstrap over {n} {kind}."
        )
    text += [verdict] if verdict else []
    values = {
        "Global accuracy": overall.accuracy,
        "Mean accuracy": overall.mean_accuracy,
        "Weighted IoU": overall.weighted_iou,
    }
    return Section(
        "Scores",
        tuple(text),
        tuple((k, "-" if v is None else f"{v:.4f}") for k, v in values.items()),
        (Table.of(rows, _CLASS_COLUMNS),),
        (confusion_picture(report.total.scores, report.classes),),
    )


def _several(rows: Sequence[Row]) -> Section:
    if not rows:
        return Section("Segmentations")
    columns = [name for name in SEGMENTATION_COLUMNS if name in rows[0]]
    caption = "Segmentations compared with the same ground truth, all classes together."
    return Section("Segmentations", tables=(Table.of(rows, columns, caption),))


def _images(report: EvaluationReport) -> Section:
    rows = [row for row in report.to_rows() if row["class"] == "overall"][:-1]
    if len(rows) < 2:  # noqa: PLR2004 - one image is the total
        return Section("Images")
    rows.sort(key=lambda row: _sort_key(row["iou"]))
    caption = "The worst first."
    if len(rows) > _MAX_IMAGES:
        caption = f"The worst {_MAX_IMAGES} of {len(rows)} images."
    table = Table.of(rows[:_MAX_IMAGES], _IMAGE_COLUMNS, caption)
    return Section("Images", tables=(table,))


def _slices(report: EvaluationReport) -> Section:
    if len(report.slices) <= len(report.images):
        return Section("Slices")
    rows = report.to_slice_rows()
    columns = [name for name in rows[0] if not name.startswith("iou_background")]
    worst = sorted(
        (row for row in rows if row["iou"] is not None),
        key=lambda row: _sort_key(row["iou"]),
    )
    return Section(
        "Slices",
        tables=(Table.of(worst[:_WORST], columns, "Slices with the lowest IoU."),),
        pictures=(slice_picture(report.slices, report.classes),),
    )


def _parts(report: EvaluationReport) -> list[Section]:
    sections = []
    names = {"objects": "Objects", "object_summary": "Objects as a whole"}
    for part, columns in PART_COLUMNS.items():
        rows = report.total_rows(part)
        if not rows:
            continue
        pictures: list[Picture] = []
        if part == "probabilities":
            pictures = curve_pictures(report.total.probabilities or ())
        tables = (Table.of(rows, columns, _PARTS[part]),)
        title = names.get(part, part.capitalize())
        sections.append(Section(title, tables=tables, pictures=tuple(pictures)))
    return sections


def _sort_key(value: object) -> float:
    return value if isinstance(value, float) else -1.0
