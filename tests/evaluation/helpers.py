"""Class tables and label images that several tests share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_segtrain.image import ClassInfo, ClassTable, LabelImage, default_color


def class_table(
    *names: str, ignored: int | None = None, is_objects: bool = False
) -> ClassTable:
    """Background 0 and a class for each name: 1, 2, ..."""
    rows = [ClassInfo(0, "background", "#000000", "background")]
    rows += [
        ClassInfo(value, name, default_color(value))
        for value, name in enumerate(names, start=1)
    ]
    if ignored is not None:
        rows.append(ClassInfo(ignored, "unlabelled", "#808080", "unlabelled"))
    return ClassTable(tuple(rows), is_objects=is_objects)


def label_image(values: npt.ArrayLike, **options: object) -> LabelImage:
    """Label image from nested lists or an array."""
    return LabelImage(np.asarray(values), **options)  # type: ignore[arg-type]
