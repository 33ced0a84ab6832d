"""Objects summed up: by class, and slice by slice."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.objects.runs import locate_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_segtrain.objects.measurements import ObjectTable

Names = npt.NDArray[Any]
Row = dict[str, Any]


def summarize_classes(
    table: ObjectTable, class_names: Names, size: tuple[float, float, float]
) -> Iterator[Row]:
    """Sum up the objects of each class.

    Parameters
    ----------
    table : ObjectTable
    class_names : ndarray of str, shape (n,)
        Class of each object.
    size : tuple of float
        Of the image along Z, Y, X, in the unit of the table.

    Yields
    ------
    dict
        ``class``; ``n_objects``; ``density``, objects per unit of volume (area, in a
        flat image); ``share`` of the image that they fill; mean, median and standard
        deviation of their ``volume`` (``area``); mean distance to the nearest neighbor
        of any class. ``None`` is what one or no object does not have.
    """
    name = "area" if table.is_flat else "volume"
    whole = math.prod(size[1:] if table.is_flat else size)
    for class_name in dict.fromkeys(class_names.tolist()):
        chosen = class_names == class_name
        sizes = table.columns[name][chosen]
        distances = table.columns["neighbor_distance"][chosen]
        known = distances[~np.isnan(distances)]
        n = len(sizes)
        yield {
            "class": class_name,
            "n_objects": n,
            "density": n / whole,
            "share": float(sizes.sum()) / whole,
            f"mean_{name}": float(sizes.mean()),
            f"median_{name}": float(np.median(sizes)),
            f"sd_{name}": float(sizes.std(ddof=1)) if n > 1 else None,
            "neighbor_distance": float(known.mean()) if len(known) else None,
        }


def summarize_slices(
    ids: npt.NDArray[Any], labels: npt.NDArray[Any], class_names: Names
) -> Iterator[Row]:
    """Sum up each slice of each class.

    Parameters
    ----------
    ids : ndarray of int, shape (Z, Y, X)
        0 is background.
    labels : ndarray of int, shape (n,)
        Rising ids.
    class_names : ndarray of str, shape (n,)
        Class of each.

    Yields
    ------
    dict
        ``z``; ``class``; ``n_objects`` that have voxels there; ``voxels``; ``share`` of
        the slice.
    """
    names = list(dict.fromkeys(class_names.tolist()))
    class_index = np.array([names.index(name) for name in class_names], np.intp)
    for z in range(ids.shape[0]):
        runs = locate_runs(ids[z : z + 1])
        inside = runs.ids != 0
        rows = np.searchsorted(labels, runs.ids[inside])
        voxels = np.bincount(rows, runs.lengths[inside], minlength=len(labels))
        for number, name in enumerate(names):
            own = voxels[class_index == number]
            yield {
                "z": z,
                "class": name,
                "n_objects": int((own > 0).sum()),
                "voxels": int(own.sum()),
                "share": float(own.sum()) / ids[z].size,
            }
