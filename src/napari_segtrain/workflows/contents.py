"""Numbers about a segmentation: shares of its classes, or how many objects it has."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_segtrain.boxes import iter_blocks
from napari_segtrain.image import IGNORE_INDEX, ClassTable, Item, LabelImage
from napari_segtrain.io.levels import open_levels

if TYPE_CHECKING:
    from pathlib import Path

    from napari_segtrain.workflows.records import Contents

_MAX_VOXELS = 1 << 30
"""Of a store that are counted; of larger ones a lower resolution is."""


def content_names(classes: ClassTable) -> list[str]:
    """Names of the numbers that `count_labels` gives, in order."""
    if classes.is_objects:
        return ["n_objects"]
    names = classes.names
    return [
        f"share_{row.name}" if names.count(row.name) == 1 else f"share_{row.value}"
        for row in classes.classes
    ]


def count_labels(labels: LabelImage, classes: ClassTable) -> Contents:
    """Count voxels of each class, or objects.

    Parameters
    ----------
    labels : LabelImage
        Read block by block.
    classes : ClassTable
        What its values mean.

    Returns
    -------
    dict of str to number
        ``n_objects``, those of all items together; or ``share_<class>``, of all
        voxels.
    """
    if classes.is_objects:
        return {"n_objects": sum(_n_objects(item, classes) for item in labels.items())}
    counts = sum(
        (_voxels(item, classes) for item in labels.items()), np.zeros(256, np.int64)
    )
    shares = counts[: classes.n_classes] / max(1, counts.sum())
    return dict(zip(content_names(classes), map(float, shares), strict=True))


def count_store(path: Path, classes: ClassTable) -> Contents:
    """Count what a store of labels holds; see `count_labels`.

    Classes of a large store are counted at a lower resolution; objects, of which that
    would lose the small ones, are not counted there (``None``).

    Raises
    ------
    DataError
        When the store is damaged.
    """
    levels = open_levels(path)
    sizes = [math.prod(array.shape) for array in levels.arrays]
    fitting = [
        array
        for array, size in zip(levels.arrays, sizes, strict=True)
        if size <= _MAX_VOXELS
    ]
    if classes.is_objects and len(fitting) < len(sizes):
        return {"n_objects": None}
    array = fitting[0] if fitting else levels.arrays[-1]
    return count_labels(LabelImage(array, levels.axes), classes)


def _voxels(item: Item, classes: ClassTable) -> npt.NDArray[np.int64]:
    """Voxels of each class index."""
    counts = np.zeros(256, np.int64)
    for box in iter_blocks(item.shape):
        indices = classes.to_index(item.read(box))
        counts += np.bincount(indices.ravel(), minlength=256)
    return counts


def _n_objects(item: Item, classes: ClassTable) -> int:
    found: set[int] = set()
    for box in iter_blocks(item.shape):
        found.update(np.unique(item.read(box)).tolist())
    values = np.array(sorted(found), np.int64)
    indices = classes.to_index(values)
    is_object = (indices != IGNORE_INDEX) & np.isin(indices, classes.foreground)
    return int((is_object & (values != 0)).sum())
