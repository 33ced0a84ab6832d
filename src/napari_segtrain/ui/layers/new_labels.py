"""New Labels layers to paint training labels on.

napari's own button makes labels as large as the image; these cover the view, or lie in
a folder.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_segtrain.axes import CHANNEL_AXIS
from napari_segtrain.errors import DataError, OutputError
from napari_segtrain.image import ClassInfo
from napari_segtrain.ui.classes.class_metadata import PLUGIN_KEY, plugin_metadata
from napari_segtrain.ui.classes.class_rows import (
    Said,
    read_said,
    resolve_rows,
    save_rows,
    write_rows,
)
from napari_segtrain.ui.layers.reading import guess_axes
from napari_segtrain.ui.layers.stored_labels import (
    StoredLabels,
    create_stored_labels,
    reopen_stored_labels,
)
from napari_segtrain.ui.layers.transforms import (
    layer_axes,
    level_factors,
    result_axes,
    result_transform,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_segtrain.image import LazyArray

MAX_BYTES = 256 << 20
"""Size of new labels in memory."""

_NEARLY_ALL = 0.9
"""Share of an axis in view from which labels cover all of it."""
_BRUSH = 10
_SAID = Said(
    (
        ClassInfo(1, "background", "#4363d8", "background"),
        ClassInfo(2, "foreground", "#e6194b", "class"),
    )
)


def fits_in_memory(image: Image, axes: str = "", *, level: int = 0) -> bool:
    """Whether labels for all of an image may lie in memory."""
    sizes = _sizes(image, axes or guess_axes(image), level)
    return int(np.prod(list(sizes.values()), dtype=np.int64)) <= MAX_BYTES


def add_labels(
    viewer: ViewerModel, image: Image, *, axes: str = "", level: int = 0
) -> Labels:
    """Add labels in memory that cover the view, ready to paint.

    They cover what the canvas shows of the displayed axes, and all slices of the
    others, or those around the current one where all are more than `MAX_BYTES`. A frame
    shows where labels end that cover less than the image: nothing can be painted there.

    Parameters
    ----------
    viewer : ViewerModel
    image : napari Image layer
        In the viewer.
    axes : str
        One letter per dimension of the data of the image; guessed when empty.
    level : int
        Of a multiscale image; the labels have its voxels.
    """
    axes = axes or guess_axes(image)
    keep = result_axes(image, axes)
    ranges = _view(viewer, image, axes, level)
    origin = {axis: ranges[axis][0] for axis in keep if axis != CHANNEL_AXIS}
    shape = tuple(ranges[axis][1] - ranges[axis][0] for axis in keep)
    array = np.zeros(shape, np.uint8)
    transform = result_transform(image, axes, keep=keep, origin=origin, level=level)
    layer = _added(viewer, image, array, transform)
    sizes = _sizes(image, axes, level)
    layer.bounding_box.points = False
    layer.bounding_box.visible = shape != tuple(sizes[axis] for axis in keep)
    return layer


def add_stored_labels(
    viewer: ViewerModel, image: Image, folder: Path, *, axes: str = "", level: int = 0
) -> Labels:
    """Add labels for all of an image that lie in a folder, ready to paint.

    A Zarr array; what is painted is on disk at once.

    Parameters
    ----------
    viewer : ViewerModel
    image : napari Image layer
        In the viewer.
    folder : Path
        In which a store is made, named after the image.
    axes, level
        As for `add_labels`.

    Raises
    ------
    OutputError
        When the folder cannot be written.
    """
    axes = axes or guess_axes(image)
    keep = result_axes(image, axes)
    sizes = _sizes(image, axes, level)
    path = _free_path(folder, _name(image))
    array = _stored(path, tuple(sizes[axis] for axis in keep), keep)
    layer = _added(viewer, image, array, _whole(image, axes, level))
    return _with_store(layer, path)


def open_stored_labels(
    viewer: ViewerModel, image: Image, path: Path, *, axes: str = "", level: int = 0
) -> Labels:
    """Add labels that `add_stored_labels` made for an image before.

    Parameters
    ----------
    viewer : ViewerModel
    image : napari Image layer
        In the viewer.
    path : Path
        Folder of the Zarr array.
    axes, level
        As for `add_labels`.

    Raises
    ------
    DataError
        When it is no store of labels as large as the image.
    """
    axes = axes or guess_axes(image)
    sizes = _sizes(image, axes, level)
    shape = tuple(sizes[axis] for axis in result_axes(image, axes))
    try:
        array = reopen_stored_labels(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if array.shape != shape:
        raise DataError(
            f"The labels in {path} have the shape {array.shape}, but the image "
            f"'{image.name}' {shape}; choose those that were made for it."
        )
    return _with_store(_added(viewer, image, array, _whole(image, axes, level)), path)


def _whole(image: Image, axes: str, level: int) -> dict[str, Any]:
    keep = result_axes(image, axes)
    return result_transform(image, axes, keep=keep, level=level)


def _with_store(layer: Labels, path: Path) -> Labels:
    plugin = {**plugin_metadata(layer), "store": str(path)}
    layer.metadata = {**layer.metadata, PLUGIN_KEY: plugin}
    return layer


def _sizes(image: Image, axes: str, level: int) -> dict[str, int]:
    """Voxels along each axis of labels of an image; one for all channels."""
    data = image.data[level] if image.multiscale else image.data
    sizes = dict(zip(axes, map(int, data.shape), strict=True))
    return {axis: 1 if axis == CHANNEL_AXIS else n for axis, n in sizes.items()}


def _view(
    viewer: ViewerModel, image: Image, axes: str, level: int
) -> dict[str, tuple[int, int]]:
    """First and last index (exclusive) of each axis that new labels cover."""
    letters = layer_axes(image, axes)
    ranges = {axis: (0, size) for axis, size in _sizes(image, axes, level).items()}
    first = viewer.dims.ndim - image.ndim
    shown = [letters[d - first] for d in viewer.dims.displayed if d >= first]
    if viewer.dims.ndisplay == len("YX"):
        ranges |= _in_view(image, letters, shown, ranges, level)
    current = _current(viewer, image, letters, level)
    return _within_memory(ranges, shown, current)


def _in_view(
    image: Image,
    letters: str,
    shown: list[str],
    ranges: dict[str, tuple[int, int]],
    level: int,
) -> dict[str, tuple[int, int]]:
    viewed = level_factors(image, image.data_level) / level_factors(image, level)
    found = {}
    for axis in shown:
        at, size = letters.index(axis), ranges[axis][1]
        corners = np.asarray(image.corner_pixels)[:, at]
        low = int(np.clip(np.floor(corners[0] * viewed[at]), 0, size - 1))
        high = int(np.clip(np.ceil((corners[1] + 1) * viewed[at]), low + 1, size))
        is_all = axis == CHANNEL_AXIS or high - low >= _NEARLY_ALL * size
        found[axis] = (0, size) if is_all else (low, high)
    return found


def _current(
    viewer: ViewerModel, image: Image, letters: str, level: int
) -> dict[str, int]:
    """The slice on show, per axis."""
    at = np.asarray(image.world_to_data(viewer.dims.point))
    at = at / level_factors(image, level)
    return {axis: round(float(v)) for axis, v in zip(letters, at, strict=True)}


def _within_memory(
    ranges: dict[str, tuple[int, int]], shown: list[str], current: dict[str, int]
) -> dict[str, tuple[int, int]]:
    """Keep fewer slices, then less of the view, around the middle, as long as needed.

    Items (time) are given up before Z.
    """
    found = dict(ranges)
    others = [axis for axis in found if axis not in shown and axis != CHANNEL_AXIS]
    for axis in [*others, *shown]:
        size = int(np.prod([b - a for a, b in found.values()], dtype=np.int64))
        if size <= MAX_BYTES:
            break
        low, high = found[axis]
        room = max(1, MAX_BYTES * (high - low) // size)
        middle = current[axis] if axis in others else (low + high) // 2
        start = int(np.clip(middle - room // 2, low, high - room))
        found[axis] = (start, start + room)
    return found


def _name(image: Image) -> str:
    return f"{image.name} labels"


def _added(
    viewer: ViewerModel, image: Image, array: LazyArray, transform: dict[str, Any]
) -> Labels:
    layer = Labels(array, name=_name(image), **transform)
    saved = array.saved if isinstance(array, StoredLabels) else {}
    layer.metadata = {PLUGIN_KEY: saved}
    said = read_said(layer) if saved else _SAID
    write_rows(layer, said, resolve_rows(said, ()))
    save_rows(layer)
    viewer.add_layer(layer)
    viewer.layers.selection.active = layer
    layer.selected_label = _SAID.rows[-1].value
    layer.brush_size = _BRUSH
    layer.contiguous = False
    layer.mode = "paint"
    return layer


def _free_path(folder: Path, name: str) -> Path:
    stem = re.sub(r"[^\w .-]+", "_", name).strip(" .") or "labels"
    names = [f"{stem}.zarr", *(f"{stem} {number}.zarr" for number in range(2, 10_000))]
    return next(folder / n for n in names if not (folder / n).exists())


def _stored(path: Path, shape: tuple[int, ...], axes: str) -> StoredLabels:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return create_stored_labels(path, shape, axes)
    except OSError as error:
        raise OutputError(
            f"Labels cannot be stored in {path.parent} ({error.strerror or error}); "
            "choose a folder that you may write to."
        ) from error
