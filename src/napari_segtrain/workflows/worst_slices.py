"""Pictures of the slices in which a segmentation is worst."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_segtrain.errors import DataError
from napari_segtrain.evaluation.aligned import aligned_items
from napari_segtrain.evaluation.overlay import write_overlay
from napari_segtrain.workflows.overlays import read_plane, read_slice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_segtrain.evaluation.pairs import LabelPair
    from napari_segtrain.evaluation.report import EvaluationReport
    from napari_segtrain.evaluation.slices import SliceScores
    from napari_segtrain.image import Image

N_WORST = 6
"""Slices that are shown, those with the lowest IoU."""


def worst_slices(slices: Sequence[SliceScores], n: int = N_WORST) -> list[SliceScores]:
    """Return the slices with the lowest IoU, the worst first."""
    scored = [part for part in slices if part.iou is not None]
    return sorted(scored, key=lambda part: part.iou or 0.0)[:n]


def write_worst_slices(
    folder: Path,
    pair: LabelPair,
    image: Image,
    report: EvaluationReport,
    *,
    n: int = N_WORST,
    origin: Mapping[str, int] | None = None,
) -> list[Path]:
    """Write image, ground truth, segmentation and errors of the worst slices.

    Parameters
    ----------
    folder : Path
        Of the pictures.
    pair : LabelPair
        That was compared, with class tables.
    image : Image
        With the items and the size of the pair; only what is shown is read.
    report : EvaluationReport
        Of this pair alone.
    n : int
        Pictures at most.
    origin : mapping of str to int, optional
        Numbers of the first voxel of the pair, by axis, where it is a part of a
        larger image.

    Returns
    -------
    list of Path
        PNG files, the worst slice first, named by slice and score.

    Raises
    ------
    DataError
        When the image differs in size from its labels.
    """
    items, truths = image.items(), pair.truth.items()
    if len(items) != len(truths) or items[0].shape != truths[0].shape:
        raise DataError(
            f"The image {image.name} has {len(items)} items of {items[0].shape} voxels "
            f"(Z, Y, X), its ground truth {len(truths)} of {truths[0].shape}; give the "
            "image that the labels belong to."
        )
    sides = list(aligned_items(pair, report.classes))
    numbers = {tuple(item.index.values()): k for k, item in enumerate(truths)}
    written = []
    for part in worst_slices(report.slices, n):
        number = numbers[tuple(part.index.values())]
        truth, prediction = (
            read_plane(side.read, side.shape, part.z) for side in sides[number]
        )
        name = describe_slice(part, pair.truth.axes, origin or {})
        written.append(folder / f"{name}.png")
        write_overlay(
            written[-1],
            read_slice(items[number], part.z),
            truth_indices=truth,
            predicted_indices=prediction,
            classes=report.classes,
        )
    return written


def describe_slice(part: SliceScores, axes: str, origin: Mapping[str, int]) -> str:
    """Name of a slice with its score, that may be one of a file."""
    index = {**part.index, "Z": part.z}
    at = [f"{key} {index[key] + origin.get(key, 0)}" for key in axes if key in index]
    return ", ".join([*at, f"IoU {part.iou:.3f}"])
