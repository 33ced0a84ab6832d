"""Pictures of predictions for people: some slices of each image, with its result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.evaluation.overlay import MAX_READ, write_overlay
from napari_segtrain.image import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_segtrain.axes import ZYX
    from napari_segtrain.boxes import Box
    from napari_segtrain.image import ClassTable, Image, Item, LabelImage

N_SLICES = 8
"""Of an image that are shown, at equal distances; all when there are no more."""

_BAND_ROWS = 512


@dataclass(frozen=True)
class ShownSlice:
    """One slice of an image that is shown.

    Parameters
    ----------
    path : Path
        PNG to write.
    item : int
        Number of the item of the image.
    z : int
        Slice of the image along Z.
    """

    path: Path
    item: int
    z: int


def choose_slices(folder: Path, name: str, image: Image, box: Box) -> list[ShownSlice]:
    """Choose what is shown of an image.

    Parameters
    ----------
    folder : Path
        Of the pictures.
    name : str
        They begin with; followed by the position along item axes and Z where there is
        more than one.
    image : Image
        What is predicted.
    box : Box
        Of each item that is predicted, ZYX voxels.
    """
    items = image.items()
    slices = range(box[0].start, box[0].stop)
    places = [(number, z) for number in range(len(items)) for z in slices]
    n_shown = min(N_SLICES, len(places))
    middles = [(2 * k + 1) * len(places) // (2 * n_shown) for k in range(n_shown)]
    shown = [places[middle] for middle in middles]
    return [
        ShownSlice(folder / f"{name}{_suffix(items[item], z)}.png", item, z)
        for item, z in shown
    ]


def write_prediction_overlays(
    shown: Sequence[ShownSlice],
    image: Image,
    labels: LabelImage,
    classes: ClassTable,
    *,
    first_slice: int = 0,
) -> None:
    """Write image and result side by side, in the colors of the classes.

    Parameters
    ----------
    shown : sequence of ShownSlice
        See `choose_slices`.
    image : Image
        What was predicted; only the slices that are shown are read.
    labels : LabelImage
        Its result.
    classes : ClassTable
        Of the result.
    first_slice : int
        Slice of the image that the result begins with.

    Raises
    ------
    OutputError
        When a picture cannot be written.
    """
    images, results = image.items(), labels.items()
    for each in shown:
        values = read_slice(results[each.item], each.z - first_slice)[0]
        write_overlay(
            each.path,
            read_slice(images[each.item], each.z),
            truth_indices=None,
            predicted_indices=_indices(values, classes),
            classes=classes,
        )


def _suffix(item: Item, z: int) -> str:
    sizes = dict(zip(item.axes, item.array.shape, strict=True))
    index = {**item.index, "Z": z}
    return "".join(
        f"_{axis.lower()}{position:04d}"
        for axis, position in index.items()
        if sizes.get(axis, 1) > 1
    )


def read_slice(item: Item, z: int) -> npt.NDArray[Any]:
    """Read a slice of an item (C, Y, X); of a long one every so many pixels."""
    return read_plane(item.read, item.shape, z)


def read_plane(
    read: Callable[[Box], npt.NDArray[Any]], shape: ZYX, z: int
) -> npt.NDArray[Any]:
    """Read a slice in bands of rows, so that it may be larger than memory.

    Parameters
    ----------
    read : callable
        Returns a box, ([C], Z, Y, X).
    shape : ZYX
        Of what is read from.
    z : int
        The slice.

    Returns
    -------
    ndarray, shape ([C], Y, X)
        Every so many pixels where a side is longer than `MAX_READ`.
    """
    _, n_y, n_x = shape
    step = max(1, -(-max(n_y, n_x) // MAX_READ))
    bands = [
        read(
            (slice(z, z + 1), slice(y, min(y + step * _BAND_ROWS, n_y)), slice(0, n_x))
        )[..., 0, ::step, ::step]
        for y in range(0, n_y, step * _BAND_ROWS)
    ]
    return np.concatenate(bands, axis=-2)


def _indices(values: npt.NDArray[Any], classes: ClassTable) -> npt.NDArray[np.uint8]:
    """Class indices; objects that touch are parted by a line."""
    indices = classes.to_index(values)
    if classes.is_objects:
        below, right = values[1:] != values[:-1], values[:, 1:] != values[:, :-1]
        indices[:-1][below & (values[1:] != 0) & (values[:-1] != 0)] = IGNORE_INDEX
        is_line = right & (values[:, 1:] != 0) & (values[:, :-1] != 0)
        indices[:, :-1][is_line] = IGNORE_INDEX
    return indices
