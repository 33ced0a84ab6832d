"""Label values: whole numbers, checked where they are read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.errors import DataError
from napari_segtrain.io.lazy import Block, BlockArray, Slices

if TYPE_CHECKING:
    from napari_segtrain.image import LazyArray
    from napari_segtrain.io.source import Source

_RGB_SAMPLES = (3, 4)
_MAX_WHOLE = np.float64(2**63)


def as_labels(source: Source, name: str) -> Source:
    """Make the values of a file label values, lazily.

    Integers and booleans stay as they are; floats become ``int64``; three equal color
    channels become one.

    Parameters
    ----------
    source : Source
        With settled axes.
    name : str
        Path, for messages.

    Raises
    ------
    DataError
        For colors, several channels or values of another kind. Values that are not
        whole, infinite or NaN raise it when they are read.
    """
    if "C" in source.axes:
        source = _merge_colors(source, name)
    kind = np.dtype(source.array.dtype).kind
    if kind == "f":
        return replace(source, array=whole_numbers(source.array, name))
    if kind not in "biu":
        raise DataError(
            f"The labels {name} have values of type {source.array.dtype}; save them as "
            "integers."
        )
    return source


def whole_numbers(array: LazyArray, name: str) -> BlockArray:
    """Floats as ``int64``, each block checked when it is read."""

    def read_box(box: Slices) -> Block:
        block = np.asarray(array[box])
        is_whole = (np.abs(block) < _MAX_WHOLE) & (np.rint(block) == block)
        if not is_whole.all():
            value = block[~is_whole].flat[0]
            raise DataError(
                f"The labels {name} hold the value {value:g}, but label values are "
                "whole numbers; save the labels, not probabilities or intensities."
            )
        return block.astype(np.int64)

    return BlockArray(tuple(array.shape), np.dtype(np.int64), read_box)


def _merge_colors(source: Source, name: str) -> Source:
    at = source.axes.index("C")
    size = source.array.shape[at]
    if size not in _RGB_SAMPLES:
        raise DataError(
            f"The labels {name} have {size} channels (axes {source.axes}); labels have "
            "one value per voxel, so save one channel."
        )
    array = _gray(source.array, at, name)
    first_plane = tuple(
        slice(None) if axis in "YX" else 0 for axis in source.axes.replace("C", "")
    )
    _ = array[first_plane]  # colors are refused at once, not in the middle of training
    return replace(source, array=array, axes=source.axes.replace("C", ""))


def _gray(array: LazyArray, at: int, name: str) -> BlockArray:
    shape = tuple(array.shape)

    def read_box(box: Slices) -> Block:
        colors = np.asarray(array[(*box[:at], slice(0, 3), *box[at:])])
        red, green, blue = np.moveaxis(colors, at, 0)
        if not (np.array_equal(red, green) and np.array_equal(red, blue)):
            raise DataError(
                f"The labels {name} are a color picture; save one whole number per "
                "voxel (8- or 16-bit grayscale, or a palette PNG) instead of colors."
            )
        return np.ascontiguousarray(red)

    return BlockArray(shape[:at] + shape[at + 1 :], np.dtype(array.dtype), read_box)
