"""napari layers as images and label images of the core; nothing here reads voxels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segtrain.axes import CHANNEL_AXIS, check_axes
from napari_segtrain.errors import DataError
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.io.lazy import Block, BlockArray, Slices, pick
from napari_segtrain.ui.classes.class_metadata import (
    read_class_table,
    write_class_table,
)
from napari_segtrain.ui.layers.alignment import LabelBox, label_axes, label_box
from napari_segtrain.ui.layers.transforms import (
    layer_axes,
    placement,
    result_axes,
    result_transform,
    voxel_size,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image as ImageLayer
    from napari.layers import Labels

    from napari_segtrain.image import LazyArray

__all__ = [
    "LabelBox",
    "check_layer_axes",
    "guess_axes",
    "image_from_layers",
    "label_axes",
    "label_box",
    "labels_from_layer",
    "read_class_table",
    "result_axes",
    "result_transform",
    "voxel_size",
    "write_class_table",
]

_LETTERS = "TSCZYX"
_FEW = 5
"""Entries up to which a dimension in front of Z, Y and X looks like channels."""
_PLAIN = {2: "YX", 3: "ZYX", 5: "TCZYX"}
_COLORS = ("red", "green", "blue")


def guess_axes(
    layer: ImageLayer | Labels, labels: Labels | None = None, *, n_channels: int = 1
) -> str:
    """Guess one letter per dimension of the data of a layer.

    Its axis labels when they are letters (of T, S, C, Z, Y, X), else by the number of
    dimensions. The colors of an RGB layer are ``C``.

    Parameters
    ----------
    layer : napari Image or Labels layer
    labels : napari Labels layer, optional
        Its labels, which have no channels: with one dimension less than the image
        they tell that the image has some.
    n_channels : int
        How many a model takes; of several, an axis that is as long is the channels
        where the number of dimensions does not tell.
    """
    is_rgb = bool(getattr(layer, "rgb", False))
    own = "".join(layer.axis_labels).upper()
    is_lettered = len(own) == layer.ndim == len(set(own)) and set(own) <= set(_LETTERS)
    if is_lettered and {"Y", "X"} <= set(own) and not (is_rgb and "C" in own):
        return own + CHANNEL_AXIS * is_rgb
    if is_rgb:
        return _without_channels(layer.ndim) + CHANNEL_AXIS
    shape = _level(layer, 0).shape
    if hasattr(layer, "selected_label"):
        return _without_channels(layer.ndim)
    if labels is not None and labels.ndim == layer.ndim:
        return _beside(shape, labels.data.shape)
    if labels is not None and labels.ndim == layer.ndim - 1:
        return _with_channels(shape)
    return _by_shape(shape, n_channels)


def _without_channels(n_dims: int) -> str:
    return "PSTZYX"[-n_dims:]


def _with_channels(shape: Sequence[int], at: int | None = None) -> str:
    """One of the dimensions before the last two is the channels: the smallest."""
    others = _without_channels(len(shape) - 1)
    at = int(np.argmin(shape[:-2])) if at is None else at
    return others[:at] + CHANNEL_AXIS + others[at:]


def _beside(shape: Sequence[int], own: Sequence[int]) -> str:
    """Labels have as many dimensions: none is channels, or they have one for all."""
    pairs = list(zip(shape, own, strict=True))[:-2]
    is_merged = any(1 == one < n <= _FEW for n, one in pairs)
    if len(pairs) > 1 and is_merged:
        return _with_channels(shape)
    return _without_channels(len(shape))


def _by_shape(shape: Sequence[int], n_channels: int) -> str:
    guess = _by_size(shape)
    if n_channels > 1 and CHANNEL_AXIS not in guess and n_channels in shape[:-2]:
        return _with_channels(shape, list(shape).index(n_channels))
    return guess


def _by_size(shape: Sequence[int]) -> str:
    n_dims = len(shape)
    if n_dims == len("TZYX"):
        return _with_channels(shape) if min(shape[:2]) <= _FEW else "TZYX"
    if n_dims == len("TCZYX"):
        return _with_channels(shape)
    return _PLAIN.get(n_dims, _without_channels(n_dims))


def check_layer_axes(layer: ImageLayer | Labels, axes: str) -> str:
    """Return ``axes`` in upper case when they can be those of a layer.

    Raises
    ------
    DataError
        With the reason when they cannot.
    """
    name = f"the layer '{layer.name}'"
    axes = check_axes(axes.strip(), tuple(_level(layer, 0).shape), name=name)
    if getattr(layer, "rgb", False) and not axes.endswith(CHANNEL_AXIS):
        raise DataError(
            f"The layer '{layer.name}' shows its last dimension as colors (RGB), but "
            f"the axes '{axes}' do not end with C; put the C last."
        )
    return axes


def image_from_layers(
    layers: Sequence[ImageLayer], *, axes: str | None = None, level: int = 0
) -> Image:
    """Make an image of one layer, or of several that are its channels.

    Parameters
    ----------
    layers : sequence of napari Image layers
        Several are stacked lazily, in their order.
    axes : str, optional
        One letter per dimension of the data of each layer; guessed by default.
    level : int
        Level of multiscale layers.

    Raises
    ------
    DataError
        When the axes are impossible, there is no such level, or layers that are to be
        channels differ.
    """
    if not layers:
        raise DataError("No image is chosen; pick at least one Image layer.")
    first = layers[0]
    axes = check_layer_axes(first, axes or guess_axes(first))
    for layer in layers[1:]:
        check_channel(first, layer, axes, level)
    arrays = [_channels_of(layer, axes, level) for layer in layers]
    is_rgb = bool(first.rgb)
    names = tuple(str(layer.name) for layer in layers) if len(layers) > 1 else ()
    return Image(
        array=arrays[0] if len(arrays) == 1 else _stacked(arrays),
        axes=axes if len(arrays) == 1 else CHANNEL_AXIS + axes,
        voxel_size=voxel_size(first, axes, level=level),
        channel_names=_COLORS if is_rgb else names,
        name=str(first.name),
        level=str(level) if first.multiscale else "",
    )


def labels_from_layer(
    layer: Labels, *, axes: str | None = None, image: ImageLayer | None = None
) -> LabelImage:
    """Make a label image of a Labels layer, with its class table when it has one.

    Parameters
    ----------
    layer : napari Labels layer
    axes : str, optional
        Letters of the labels; with ``image`` those of the image.
    image : napari Image layer, optional
        That the labels belong to.

    Raises
    ------
    DataError
        For multiscale labels and impossible axes.
    """
    check_labels(layer)
    image_axes = None
    if image is not None:
        image_axes = axes or guess_axes(image, layer)
        axes = label_axes(layer, image, image_axes)
    axes = check_layer_axes(layer, axes or guess_axes(layer))
    array, letters = _merged(_plain(layer.data), axes, image_axes)
    return LabelImage(
        array=array,
        axes=letters,
        voxel_size=voxel_size(layer, axes),
        name=str(layer.name),
        classes=read_class_table(layer),
    )


def check_labels(layer: Labels) -> None:
    """Refuse labels that nobody can paint on.

    Raises
    ------
    DataError
        For multiscale labels.
    """
    if layer.multiscale:
        raise DataError(
            f"The labels '{layer.name}' are multiscale ({len(layer.data)} levels), "
            "which napari cannot edit and training cannot use; add their level 0 as a "
            "layer of its own."
        )


def n_levels(layer: ImageLayer) -> int:
    """Levels of a layer; 1 when it is not multiscale."""
    return len(layer.data) if layer.multiscale else 1


def _level(layer: ImageLayer | Labels, level: int) -> Any:
    if not layer.multiscale:
        return layer.data
    if not 0 <= level < len(layer.data):
        raise DataError(
            f"The layer '{layer.name}' has the levels 0 to {len(layer.data) - 1}, "
            f"but level {level} is asked for; choose one of them."
        )
    return layer.data[level]


def _channels_of(layer: ImageLayer, axes: str, level: int) -> LazyArray:
    """Voxels of a level; alpha is left out."""
    array = _plain(_level(layer, level))
    if layer.rgb and array.shape[-1] > len(_COLORS):
        whole = [slice(None)] * (len(axes) - 1)
        return pick(array, (*whole, slice(0, len(_COLORS))))
    return array


def _plain(array: Any) -> LazyArray:
    """Return an array with a NumPy dtype; those of tensorstore have none."""
    if isinstance(array.dtype, np.dtype):
        plain: LazyArray = array
        return plain
    dtype = np.dtype(getattr(array.dtype, "numpy_dtype", None) or str(array.dtype))

    def read_box(box: Slices) -> Block:
        return np.asarray(array[box])

    return BlockArray(tuple(array.shape), dtype, read_box)


def _merged(
    array: LazyArray, axes: str, image_axes: str | None
) -> tuple[LazyArray, str]:
    """Leave out axes with a single entry that labels, or their image, do not have."""
    sizes = dict(zip(axes, array.shape, strict=True))
    foreign = {axis for axis in axes if image_axes and axis not in image_axes}
    out = {axis for axis in foreign | {CHANNEL_AXIS} if sizes.get(axis) == 1}
    if not out:
        return array, axes
    picks = tuple(0 if axis in out else slice(None) for axis in axes)
    part = array[picks] if isinstance(array, np.ndarray) else pick(array, picks)
    return part, "".join(axis for axis in axes if axis not in out)


def _stacked(arrays: Sequence[LazyArray]) -> BlockArray:
    """Stack along a new first dimension when it is read."""

    def read_box(box: Slices) -> Block:
        return np.stack([np.asarray(array[box[1:]]) for array in arrays[box[0]]])

    first = arrays[0]
    return BlockArray((len(arrays), *first.shape), np.dtype(first.dtype), read_box)


def check_channel(
    first: ImageLayer, other: ImageLayer, axes: str, level: int = 0
) -> None:
    """Refuse layers that cannot be channels of one image.

    Parameters
    ----------
    first, other : napari Image layers
    axes : str
        One letter per dimension of the data of the first.
    level : int
        Of multiscale layers.

    Raises
    ------
    DataError
        Naming the difference.
    """
    difference = _difference(first, other, axes, level)
    if difference:
        raise DataError(
            f"The layers '{first.name}' and '{other.name}' cannot be channels of one "
            f"image: {difference}; choose layers that differ in nothing but their "
            "intensities."
        )


def _difference(
    first: ImageLayer, other: ImageLayer, axes: str, level: int
) -> str | None:
    if CHANNEL_AXIS in axes or first.rgb or other.rgb:
        name = other.name if other.rgb and not first.rgb else first.name
        return f"'{name}' has channels of its own"
    if n_levels(first) != n_levels(other):
        return f"they have {n_levels(first)} and {n_levels(other)} levels"
    one, two = _level(first, level), _level(other, level)
    if one.shape != two.shape:
        return f"their shapes are {tuple(one.shape)} and {tuple(two.shape)}"
    if one.dtype != two.dtype:
        return f"their types are {one.dtype} and {two.dtype}"
    if tuple(first.units) != tuple(other.units):
        return f"their units are {_units(first)} and {_units(other)}"
    return _other_place(first, other, axes)


def _other_place(first: ImageLayer, other: ImageLayer, axes: str) -> str | None:
    places = [placement(layer, layer_axes(layer, axes)) for layer in (first, other)]
    if np.allclose(places[0].matrix, places[1].matrix, rtol=1e-6):
        return None
    for part in ("scale", "translate"):
        values = [getattr(layer, part) for layer in (first, other)]
        if not np.allclose(*values):
            shown = [tuple(np.round(v, 6).tolist()) for v in values]
            return f"their {part} is {shown[0]} and {shown[1]}"
    return "they are rotated, sheared or moved against each other"


def _units(layer: ImageLayer) -> str:
    return "(" + ", ".join(str(unit) for unit in layer.units) + ")"
