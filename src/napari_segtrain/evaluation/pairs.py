"""What is compared with what, and by which classes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.axes import format_voxel_size, item_axes, spatial_axes
from napari_segtrain.errors import DataError
from napari_segtrain.evaluation.class_matching import matched_rows
from napari_segtrain.image import (
    MAX_CLASSES,
    ClassInfo,
    ClassTable,
    Image,
    LabelImage,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_EQUAL_VOXELS = 0.01
"""Relative difference up to which voxels are of one size, as files round them."""


@dataclass(frozen=True)
class LabelPair:
    """A ground truth and the prediction that is compared with it.

    Parameters
    ----------
    name : str
        Name of the image in reports.
    truth, prediction : LabelImage
        The same shape in voxels and the same number of items. Where a class table
        says that values are object ids, objects are scored by these ids.
    probabilities : Image, optional
        Maps of the prediction, a channel per class.
    """

    name: str
    truth: LabelImage
    prediction: LabelImage
    probabilities: Image | None = None


def check_pair(pair: LabelPair) -> None:
    """Check that both label images of a pair are of the same voxels.

    Raises
    ------
    DataError
        When shapes, axes other than Z, Y and X, or known voxel sizes differ; names
        both.
    """
    what = _difference(pair.truth, pair.prediction)
    if what is not None:
        raise DataError(
            f"The ground truth and the prediction of {pair.name} differ in {what}: "
            f"{_describe(pair.truth)} against {_describe(pair.prediction)}; "
            "compare label images of the same image."
        )
    true, predicted = pair.truth.voxel_size, pair.prediction.voxel_size
    if true and predicted and not np.allclose(true, predicted, _EQUAL_VOXELS, 0):
        raise DataError(
            f"The ground truth and the prediction of {pair.name} differ in voxel size: "
            f"{format_voxel_size(true)} against {format_voxel_size(predicted)}; "
            "compare label images of the same resolution, or correct the voxel size of "
            "the file where it is wrong."
        )


def _difference(truth: LabelImage, prediction: LabelImage) -> str | None:
    """What keeps voxels from being compared: axes or size."""
    letters = item_axes(truth.axes), item_axes(prediction.axes)
    is_ambiguous = len(letters[0]) > 1 and letters[0] != letters[1]
    if is_ambiguous or ("Z" in truth.axes) != ("Z" in prediction.axes):
        return "axes"
    sizes = [
        [labels.array.shape[labels.axes.index(axis)] for axis in own + spatial]
        for labels, own, spatial in (
            (truth, letters[0], spatial_axes(truth.axes)),
            (prediction, letters[1], spatial_axes(prediction.axes)),
        )
    ]
    return None if sizes[0] == sizes[1] else "size"


def common_classes(
    truth_tables: Iterable[ClassTable], prediction_tables: Iterable[ClassTable]
) -> ClassTable:
    """Classes of both sides, matched by name where both have it, else by value.

    The background of one side is that of the other. Of a class that both sides know,
    name and color are those of the prediction, which came from the model; value and
    role are those of the ground truth, which says what counts. When a table is of
    object ids, all foreground is one class.

    Parameters
    ----------
    truth_tables, prediction_tables : iterable of ClassTable
        One or more in all.

    Returns
    -------
    ClassTable
        Background first, then by value; voxel counts are those of the ground truth.
        A class of the prediction alone may have a value of another class; use
        `class_indices` to translate.

    Raises
    ------
    DataError
        When a side has object ids and the other several classes, when the sides
        number their classes differently and the names do not tell which is which, or
        when there are more than 254 classes.
    ValueError
        Without any table.
    """
    truth, prediction = tuple(truth_tables), tuple(prediction_tables)
    tables = (*prediction, *truth)
    if not tables:
        raise ValueError("common_classes needs at least one class table")
    is_objects = any(table.is_objects for table in tables)
    if is_objects:
        truth, prediction = _with_one_foreground(truth, prediction)
    rows = matched_rows(_one_side(truth), _one_side(prediction))
    zero = truth[0].zero if truth else tables[0].zero
    classes = ClassTable(rows, is_objects=is_objects, zero=zero)
    if classes.n_classes > MAX_CLASSES:
        raise DataError(
            f"The labels hold {classes.n_classes} values, more than the {MAX_CLASSES} "
            "classes that can be compared; if the values are object ids, say so with "
            "--target instances."
        )
    return classes


def _one_side(tables: Sequence[ClassTable]) -> list[ClassInfo]:
    """Rows of all tables of a side, united by value."""
    rows: dict[int, ClassInfo] = {}
    for row in (row for table in tables for row in table.rows):
        known = rows.get(row.value)
        n_voxels = row.n_voxels + (known.n_voxels if known else 0)
        rows[row.value] = replace(known or row, n_voxels=n_voxels)
    return list(rows.values())


def _with_one_foreground(
    truth: Sequence[ClassTable], prediction: Sequence[ClassTable]
) -> tuple[tuple[ClassTable, ...], tuple[ClassTable, ...]]:
    """Give the foreground of every table the same value."""
    for table in (*truth, *prediction):
        if len(table.foreground) > 1:
            names = ", ".join(table.classes[index].name for index in table.foreground)
            raise DataError(
                "One side holds object ids and the other several classes "
                f"({names}), which cannot be compared; say what the values mean with "
                "--target semantic or --target instances."
            )
    found = [
        row
        for table in (*prediction, *truth)
        for row in table.rows
        if row.role == "class"
    ]
    value = found[0].value if found else 1
    return (
        tuple(_with_foreground_value(table, value) for table in truth),
        tuple(_with_foreground_value(table, value) for table in prediction),
    )


def _with_foreground_value(table: ClassTable, value: int) -> ClassTable:
    rows = (
        replace(row, value=value) if row.role == "class" else row for row in table.rows
    )
    return replace(table, rows=tuple(rows))


def _describe(labels: LabelImage) -> str:
    shape = "×".join(str(size) for size in labels.array.shape)
    return f"{shape} ({labels.axes}) in {labels.source or labels.name}"
