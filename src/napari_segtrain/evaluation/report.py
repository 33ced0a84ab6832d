"""The result of an evaluation, and how it is written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_segtrain.evaluation.instance import ObjectScores
from napari_segtrain.evaluation.semantic import SemanticScores
from napari_segtrain.evaluation.slices import SliceScores
from napari_segtrain.evaluation.table import format_rows, to_csv
from napari_segtrain.image import ClassTable
from napari_segtrain.io.atomic import write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_segtrain.evaluation.semantic import (
        ClassScores,
        OverallScores,
    )

FORMAT_VERSION = 1
TOTAL_NAME = "all images"
OVERALL_NAME = "overall"

Row = dict[str, str | int | float | None]

_SCORES = ("iou", "dice", "precision", "recall")
_CLASS_COLUMNS = ("class", *_SCORES, "truth_voxels", "predicted_voxels")
_IMAGE_COLUMNS = ("image", *_SCORES, "accuracy", "truth_voxels")
_OBJECT_COLUMNS = (
    *("class", "threshold", "precision", "recall", "f1", "ap", "mean_matched_iou"),
    *("n_truth", "n_predicted"),
)


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
    """

    name: str
    scores: SemanticScores
    objects: tuple[ObjectScores, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        objects = self.objects
        return {
            "name": self.name,
            **self.scores.to_dict(),
            "objects": objects and [scores.to_dict() for scores in objects],
        }


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
    """

    images: tuple[ImageScores, ...]
    total: ImageScores
    classes: ClassTable
    is_complete: bool = True
    slices: tuple[SliceScores, ...] = ()

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
        with an accuracy; ``None`` is a score that is undefined.
        """
        return [row for image in self._all() for row in _class_rows(image)]

    def to_object_rows(self) -> list[Row]:
        """Object scores as a flat table, the total last; empty without objects."""
        return [
            {"image": image.name, **scores.to_dict()}
            for image in self._all()
            for scores in image.objects or ()
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
            "total": self.total.to_dict(),
            "images": [image.to_dict() for image in self.images],
            "slices": self.to_slice_rows(),
        }

    def write_csv(self, path: Path) -> None:
        """Write the flat table.

        Objects go to ``<stem>_objects.csv`` beside it, and where an image has several
        slices these go to ``<stem>_slices.csv``. An undefined score is an empty cell.
        """
        write_text(path, to_csv(self.to_rows()))
        objects = self.to_object_rows()
        if objects:
            write_text(path.with_stem(f"{path.stem}_objects"), to_csv(objects))
        if len(self.slices) > len(self.images):
            slices = to_csv(self.to_slice_rows())
            write_text(path.with_stem(f"{path.stem}_slices"), slices)

    def write_json(self, path: Path) -> None:
        """Write everything as JSON; an undefined score is ``null``."""
        write_json(path, self.to_dict())

    def format_table(self) -> str:
        """Plain text for a terminal; ``-`` is a score that is undefined."""
        total = [row for row in self.to_rows() if row["image"] == self.total.name]
        parts = [format_rows(total, _CLASS_COLUMNS), self._summary()]
        if len(self.images) > 1:
            rows = [row for row in self.to_rows() if row["class"] == OVERALL_NAME]
            parts.append(format_rows(rows, _IMAGE_COLUMNS))
        if self.total.objects:
            objects = [scores.to_dict() for scores in self.total.objects]
            parts.append(format_rows(objects, _OBJECT_COLUMNS))
        return "\n\n".join(parts) + "\n"

    def _summary(self) -> str:
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


def _class_columns(
    classes: ClassTable, class_iou: Sequence[float | None]
) -> dict[str, float | None]:
    """IoU by name; a name that two classes have gets the value of the second, too."""
    columns: dict[str, float | None] = {}
    for row, iou in zip(classes.classes, class_iou, strict=True):
        name = f"iou_{row.name}"
        columns[f"{name}_{row.value}" if name in columns else name] = iou
    return columns


def _class_rows(image: ImageScores) -> Iterator[Row]:
    for scores in image.scores.classes:
        yield _row(image.name, scores.name, scores, None)
    overall = image.scores.overall
    yield _row(image.name, OVERALL_NAME, overall, overall.accuracy)


def _row(
    image: str,
    class_name: str,
    scores: ClassScores | OverallScores,
    accuracy: float | None,
) -> Row:
    return {
        "image": image,
        "class": class_name,
        **{key: getattr(scores, key) for key in _SCORES},
        "truth_voxels": scores.n_truth,
        "predicted_voxels": scores.n_predicted,
        "accuracy": accuracy,
    }
