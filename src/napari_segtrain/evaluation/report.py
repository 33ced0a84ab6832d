"""The result of an evaluation, and how it is written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segtrain.evaluation.boundary import BoundaryScores
from napari_segtrain.evaluation.centers import CenterScores
from napari_segtrain.evaluation.confusion import NO_PREDICTION, distinct_names
from napari_segtrain.evaluation.instance import ObjectScores
from napari_segtrain.evaluation.object_list import ObjectList
from napari_segtrain.evaluation.object_summary import ObjectSummary
from napari_segtrain.evaluation.probability import ProbabilityScores, held_out_iou
from napari_segtrain.evaluation.samples import (
    Comparison,
    Interval,
    Samples,
    compare_samples,
)
from napari_segtrain.evaluation.semantic import SemanticScores
from napari_segtrain.evaluation.slices import SliceScores
from napari_segtrain.evaluation.sums import sum_scores
from napari_segtrain.evaluation.table import format_rows, to_csv
from napari_segtrain.image import ClassTable
from napari_segtrain.io.atomic import write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_segtrain.evaluation.semantic import (
        ClassScores,
        OverallScores,
    )

FORMAT_VERSION = 1
TOTAL_NAME = "all images"
OVERALL_NAME = "overall"

Row = dict[str, str | int | float | None]

_SCORES = ("iou", "dice", "precision", "recall", "specificity", "mcc")
_OVERALL = ("accuracy", "mean_accuracy", "weighted_iou")
_CLASS_COLUMNS = ("class", *_SCORES, "truth_voxels", "predicted_voxels")
_IMAGE_COLUMNS = ("image", *_SCORES, "accuracy", "truth_voxels")
PARTS = {
    "objects": "objects",
    "object_summary": "summaries",
    "centers": "centers",
    "boundaries": "boundaries",
    "probabilities": "probabilities",
}
"""Scores beside those of classes: name in files, and attribute of `ImageScores`."""

PART_COLUMNS: dict[str, tuple[str, ...]] = {
    "objects": (
        *("class", "threshold", "precision", "recall", "f1", "ap", "pq"),
        *("mean_matched_iou", "n_truth", "n_predicted"),
    ),
    "object_summary": (
        *("class", "mean_ap", "n_truth", "n_predicted", "n_split", "n_merged"),
        *("rand_f", "voi_split", "voi_merge"),
    ),
    "centers": (
        *("class", "center_distance", "unit", "precision", "recall", "f1"),
        *("mean_distance", "n_truth", "n_predicted"),
    ),
    "boundaries": (
        *("class", "boundary_f1", "boundary_precision", "boundary_recall"),
        *("surface_dice", "mean_distance", "hausdorff95", "hausdorff", "unit"),
    ),
    "probabilities": (
        *("class", "average_precision", "iou_at_half", "best_threshold"),
        *("iou_at_best", "held_out_iou", "calibration_error"),
    ),
}
"""What of them people are shown."""


@dataclass(frozen=True)
class ImageScores:
    """Scores of one image, or of all together.

    Parameters
    ----------
    name : str
        Name of the image; `TOTAL_NAME` for all together.
    scores : SemanticScores
        Per class and overall.
    objects : tuple of ObjectScores, optional
        Per foreground class and threshold; ``None`` when objects were not scored.
    summaries : tuple of ObjectSummary, optional
        Per foreground class, what no single threshold gives.
    centers : tuple of CenterScores, optional
        Per foreground class.
    boundaries : tuple of BoundaryScores, optional
        Per foreground class.
    probabilities : tuple of ProbabilityScores, optional
        Per foreground class that has a map.
    lists : tuple of ObjectList, optional
        Every object, by item and class; not of all images together.
    """

    name: str
    scores: SemanticScores
    objects: tuple[ObjectScores, ...] | None = None
    summaries: tuple[ObjectSummary, ...] | None = None
    centers: tuple[CenterScores, ...] | None = None
    boundaries: tuple[BoundaryScores, ...] | None = None
    probabilities: tuple[ProbabilityScores, ...] | None = None
    lists: tuple[ObjectList, ...] | None = field(
        default=None, compare=False, repr=False
    )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        parts = {name: self.part_rows(name) or None for name in PARTS}
        return {"name": self.name, **self.scores.to_dict(), **parts}

    def part_rows(self, part: str) -> list[dict[str, Any]]:
        """Rows of one of `PARTS`; empty when that was not scored."""
        return [scores.to_dict() for scores in getattr(self, PARTS[part]) or ()]


@dataclass(frozen=True)
class EvaluationReport:
    """Scores of each image and of all voxels (and objects) together.

    Parameters
    ----------
    images : tuple of ImageScores
        In the order of evaluation.
    total : ImageScores
        From the summed voxel and object counts, not a mean over images.
    classes : ClassTable
        Classes that were compared.
    is_complete : bool
        False when the evaluation was stopped before its last image.
    slices : tuple of SliceScores
        Of all images, items and slices along Z, in their order.
    samples : Samples, optional
        Counts of images or blocks, for intervals and comparisons.
    """

    images: tuple[ImageScores, ...]
    total: ImageScores
    classes: ClassTable
    is_complete: bool = True
    slices: tuple[SliceScores, ...] = ()
    samples: Samples | None = field(default=None, compare=False, repr=False)

    @cached_property
    def intervals(self) -> dict[str, list[Interval | None]]:
        """95 % intervals of IoU and Dice of all images: per class, overall at last."""
        return self.samples.intervals() if self.samples else {}

    def compare(self, other: EvaluationReport) -> Comparison | None:
        """Say whether another segmentation of the same images is better.

        ``None`` when there are too few images, or blocks of one, to tell.

        Raises
        ------
        ValueError
            When it is not of the same images, or has other classes.
        """
        if self.samples is None or other.samples is None:
            return None
        return compare_samples(self.samples, other.samples)

    @property
    def iou(self) -> float | None:
        """Mean IoU over the foreground classes, of all voxels together."""
        return self.total.scores.overall.iou

    @property
    def dice(self) -> float | None:
        """Mean Dice over the foreground classes, of all voxels together."""
        return self.total.scores.overall.dice

    def to_rows(self) -> list[Row]:
        """Class scores as a flat table, the total last.

        For each image a row per class and one named `OVERALL_NAME`, the only kind
        with accuracies and a weighted IoU; ``None`` is a score that is undefined.
        The total has 95 % intervals of IoU and Dice, see `Samples.intervals`.
        """
        rows = [row for image in self.images for row in _class_rows(image, {})]
        return rows + list(_class_rows(self.total, self.intervals))

    def to_part_rows(self, part: str) -> list[Row]:
        """Scores beside those of classes as a flat table, the total last.

        Parameters
        ----------
        part : str
            One of `PARTS`; empty when that was not scored.
        """
        rows = [
            {"image": image.name, **row}
            for image in self._all()
            for row in image.part_rows(part)
        ]
        return self._with_held_out(rows) if part == "probabilities" else rows

    def held_out_iou(self, class_name: str) -> float | None:
        """IoU of a class at thresholds of its probability that are tuned elsewhere.

        Each image is cut at the best threshold of the others; ``None`` with one image.
        """
        maps = [
            scores
            for image in self.images
            for scores in image.probabilities or ()
            if scores.class_name == class_name
        ]
        return held_out_iou(maps)

    def to_curve_rows(self) -> list[Row]:
        """Scores at every threshold, of all images together; empty without maps."""
        maps = self.total.probabilities or ()
        return [row for scores in maps for row in scores.to_rows()]

    def total_rows(self, part: str) -> list[Row]:
        """Rows of all images together, without the column of their name."""
        rows = [dict(row) for row in self.to_part_rows(part)]
        return [row for row in rows if row.pop("image") == self.total.name]

    def _with_held_out(self, rows: Sequence[Row]) -> list[Row]:
        """Add the IoU at held-out thresholds to the rows of all images."""
        names = {str(row["class"]) for row in rows}
        total = {name: self.held_out_iou(name) for name in names}
        is_total = [row["image"] == self.total.name for row in rows]
        return [
            {**row, "held_out_iou": total[str(row["class"])] if is_all else None}
            for row, is_all in zip(rows, is_total, strict=True)
        ]

    def to_list_rows(self) -> list[Row]:
        """Every object as a flat table, see `ObjectList`; empty without objects."""
        return [
            {"image": image.name, **row}
            for image in self.images
            for objects in image.lists or ()
            for row in objects.to_rows()
        ]

    @property
    def n_objects(self) -> int:
        """Objects of the ground truth, and predicted ones that match none of them."""
        return sum(len(part) for image in self.images for part in image.lists or ())

    def worst_objects(self, n: int) -> list[Row]:
        """Rows of the objects with the lowest IoU, the largest of equals first."""
        found = [
            (float(iou), -int(size), image.name, part, position)
            for image in self.images
            for part in image.lists or ()
            for position, iou, size in part.worst(n)
        ]
        found.sort(key=lambda worst: worst[:2])
        return [
            {"image": name, **part.row(position)}
            for *_, name, part, position in found[:n]
        ]

    def to_confusion_rows(self) -> list[Row]:
        """Voxels by true and predicted class as a flat table, the total last.

        A row per image and true class; a column per predicted class and one for voxels
        without a prediction. A class of the same name as another has its value added.
        """
        names = distinct_names([(row.name, row.value) for row in self.classes.classes])
        return [
            {
                "image": image.name,
                "true_class": name,
                **dict(zip((*names, NO_PREDICTION), counts, strict=True)),
            }
            for image in self._all()
            for name, counts in zip(names, image.scores.confusion, strict=True)
        ]

    def to_slice_rows(self) -> list[Row]:
        """Scores of the slices as a flat table; empty without slices.

        Columns: image, each item axis, z, IoU overall and of each class, voxels of the
        ground truth.
        """
        axes = dict.fromkeys(axis for part in self.slices for axis in part.index)
        return [
            {
                "image": part.image,
                **{axis.lower(): part.index.get(axis) for axis in axes},
                "z": part.z,
                "iou": part.iou,
                **_class_columns(self.classes, part.class_iou),
                "truth_voxels": part.n_truth,
            }
            for part in self.slices
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = self.classes.rows
        return {
            "format_version": FORMAT_VERSION,
            "is_complete": self.is_complete,
            "class_table": [
                {"value": r.value, "name": r.name, "color": r.color, "role": r.role}
                for r in rows
            ],
            "total": {
                **self.total.to_dict(),
                "probabilities": self.total_rows("probabilities") or None,
            },
            "images": [image.to_dict() for image in self.images],
            "slices": self.to_slice_rows(),
        }

    def write_csv(self, path: Path | str) -> list[Path]:
        """Write the flat table; return all files, that of the classes first.

        The confusion matrices go to ``<stem>_confusion.csv`` beside it, each of `PARTS`
        that was scored to a file of its name, every object to
        ``<stem>_object_list.csv``, scores at every threshold to
        ``<stem>_curves.csv``, and where an image has several slices these go to
        ``<stem>_slices.csv``. An undefined score is an empty cell.
        """
        path = Path(path)
        tables = {"": self.to_rows(), "_confusion": self.to_confusion_rows()}
        tables |= {f"_{part}": self.to_part_rows(part) for part in PARTS}
        tables |= {"_curves": self.to_curve_rows(), "_object_list": self.to_list_rows()}
        if len(self.slices) > len(self.images):
            tables["_slices"] = self.to_slice_rows()
        written = []
        for ending, rows in tables.items():
            if rows:
                written.append(path.with_stem(f"{path.stem}{ending}"))
                write_text(written[-1], to_csv(rows))
        return written

    def write_json(self, path: Path | str) -> None:
        """Write everything as JSON; an undefined score is ``null``."""
        write_json(Path(path), self.to_dict())

    def format_table(self) -> str:
        """Plain text for a terminal; ``-`` is a score that is undefined."""
        total = [row for row in self.to_rows() if row["image"] == self.total.name]
        parts = [format_rows(total, _CLASS_COLUMNS), self.summary()]
        if len(self.images) > 1:
            rows = [row for row in self.to_rows() if row["class"] == OVERALL_NAME]
            parts.append(format_rows(rows, _IMAGE_COLUMNS))
        for part, columns in PART_COLUMNS.items():
            found = self.total_rows(part)
            if found:
                parts.append(format_rows(found, columns))
        return "\n\n".join(parts) + "\n"

    def summary(self) -> str:
        """Number of images, what overall means, and the share of right voxels."""
        accuracy = self.total.scores.overall.accuracy
        share = "-" if accuracy is None else f"{accuracy:.1%}"
        names = [self.classes.names[index] for index in self.classes.foreground]
        count = f"{len(self.images)} image{'s' * (len(self.images) != 1)}"
        note = "" if self.is_complete else " (stopped before the last image)"
        return (
            f"{count}{note}; overall = mean over "
            f"{', '.join(names) or 'no class'}; {share} of the labelled voxels are "
            "right."
        )

    def _all(self) -> Iterator[ImageScores]:
        yield from self.images
        yield self.total


def total_scores(scores: SemanticScores, images: Sequence[ImageScores]) -> ImageScores:
    """Sum what was scored of images.

    Parameters
    ----------
    scores : SemanticScores
        Of all voxels.
    images : sequence of ImageScores
    """
    return ImageScores(
        TOTAL_NAME,
        scores,
        _summed([image.objects for image in images]),
        _summed([image.summaries for image in images]),
        _summed([image.centers for image in images]),
        _summed([image.boundaries for image in images]),
        _summed([image.probabilities for image in images]),
    )


def _summed(parts: Sequence[tuple[Any, ...] | None]) -> tuple[Any, ...] | None:
    known = [part for part in parts if part is not None]
    return sum_scores(known) if known else None


def _class_columns(
    classes: ClassTable, class_iou: Sequence[float | None]
) -> dict[str, float | None]:
    """IoU by name of the class."""
    names = distinct_names([(f"iou_{row.name}", row.value) for row in classes.classes])
    return dict(zip(names, class_iou, strict=True))


def _class_rows(
    image: ImageScores, intervals: Mapping[str, Sequence[Interval | None]]
) -> Iterator[Row]:
    rows = [_row(image.name, scores.name, scores) for scores in image.scores.classes]
    rows.append(_row(image.name, OVERALL_NAME, image.scores.overall))
    for position, row in enumerate(rows):
        for score in ("iou", "dice"):
            found = intervals[score][position] if intervals else None
            row[f"{score}_low"] = None if found is None else found.low
            row[f"{score}_high"] = None if found is None else found.high
        yield row


def _row(image: str, class_name: str, scores: ClassScores | OverallScores) -> Row:
    return {
        "image": image,
        "class": class_name,
        **{key: getattr(scores, key) for key in _SCORES},
        "truth_voxels": scores.n_truth,
        "predicted_voxels": scores.n_predicted,
        **{key: getattr(scores, key, None) for key in _OVERALL},
    }
