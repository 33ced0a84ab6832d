"""Objects of each class of a segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.config.separation import MembraneSeparation
from napari_segtrain.objects.separation import Spacing, select_objects, separate_objects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_segtrain.config.separation import SeparationConfig
    from napari_segtrain.image import ClassTable

Ids = npt.NDArray[Any]

FOREGROUND = "object"
"""Class of objects where there is a single class without a name."""

_CELLS = "between {}"


@dataclass(frozen=True, eq=False)
class ClassedObjects:
    """Objects, and the class of each.

    Parameters
    ----------
    ids : ndarray of int, shape (Z, Y, X)
        0 is background.
    labels : ndarray of int, shape (n,)
        Rising ids of the objects.
    class_names : ndarray of str, shape (n,)
        Class of each.
    """

    ids: Ids
    labels: npt.NDArray[Any]
    class_names: npt.NDArray[Any]


def class_masks(
    labels: npt.NDArray[Any], classes: ClassTable
) -> dict[str, npt.NDArray[np.bool_]]:
    """Mask of each class that is no background; classes of one name are one.

    Parameters
    ----------
    labels : ndarray
        Label values.
    classes : ClassTable
        Not of ids.
    """
    indices = classes.to_index(labels)
    masks: dict[str, npt.NDArray[np.bool_]] = {}
    for index in classes.foreground:
        name, mask = classes.names[index], indices == index
        masks[name] = masks[name] | mask if name in masks else mask
    return masks


def no_objects(shape: tuple[int, ...]) -> ClassedObjects:
    """Nothing, of some shape."""
    none = np.zeros(0, np.uint32)
    return ClassedObjects(np.zeros(shape, np.uint32), none, np.zeros(0, object))


def separate_classes(
    masks: Mapping[str, npt.NDArray[Any]],
    config: SeparationConfig,
    *,
    spacing: Spacing = (1.0, 1.0, 1.0),
) -> ClassedObjects:
    """Make objects of each class by itself, with ids that differ.

    Parameters
    ----------
    masks : mapping of str to ndarray, shape (Z, Y, X)
        Name of a class to its mask or probabilities, as `separate_objects` takes it.
        Of membranes cells are made, which are no longer of that class.
        Where two give an object (probabilities below a half), the first has the voxel.
    config : SeparationConfig
    spacing : tuple of float
        Length of a voxel along Z, Y, X.

    Raises
    ------
    ValueError
        When there are no masks.
    """
    if not masks:
        raise ValueError("masks must have a class at least")
    first = next(iter(masks.values()))
    fills_membranes = isinstance(config.method, MembraneSeparation)
    ids = np.zeros(first.shape, np.uint32)
    names: list[str] = []
    for name, values in masks.items():
        found = separate_objects(values, config, spacing=spacing)
        free = (ids == 0) & (found > 0)
        ids[free] = found[free] + np.uint32(len(names))
        own_name = _CELLS.format(name) if fills_membranes else name
        names += [own_name] * int(found.max(initial=0))
    labels = np.unique(ids)
    labels = labels[labels > 0]
    return ClassedObjects(ids, labels, np.array(names, object)[labels - 1])


def kept_objects(
    ids: Ids, config: SeparationConfig, class_name: str = FOREGROUND
) -> ClassedObjects:
    """Leave out objects that are told apart already; the others keep their ids.

    Parameters
    ----------
    ids : ndarray of int, shape (Z, Y, X)
        0 and less is background.
    config : SeparationConfig
        Its sizes and its rule for the border.
    class_name : str
        Of all of them.
    """
    chosen = select_objects(
        ids,
        min_voxels=config.min_voxels,
        max_voxels=config.max_voxels,
        drop_border=config.drop_border,
        in_slices=config.mode == "slices",
    )
    kept = np.where((chosen > 0) & (ids > 0), ids, 0)
    labels = np.unique(kept)
    labels = labels[labels != 0]
    return ClassedObjects(kept, labels, np.full(len(labels), class_name, object))
