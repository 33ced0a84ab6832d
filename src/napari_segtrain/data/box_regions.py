"""Regions that are given as ranges of voxels."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.errors import DataError

if TYPE_CHECKING:
    from napari_segtrain.boxes import Box
    from napari_segtrain.image import Image, LabelImage

Region = tuple[slice, ...]
"""Slices along Z, Y, X, or Y and X of a flat image; may be open."""


def bounded_region(region: Any, image: Image | LabelImage) -> Box:
    """Give each slice of a region its start and stop.

    Parameters
    ----------
    region : Region
        As a person gives it.
    image : Image or LabelImage
        What it is a part of.

    Returns
    -------
    Box
        Along Z, Y, X.

    Raises
    ------
    DataError
        When it is not three slices that lie in the image.
    """
    parts = tuple(region) if isinstance(region, tuple | list) else (region,)
    if len(parts) == len(SPATIAL_AXES) - 1 and "Z" not in image.axes:
        parts = (slice(None), *parts)
    is_box = len(parts) == len(SPATIAL_AXES)
    if not is_box or not all(isinstance(part, slice) for part in parts):
        text = ",".join(map(_text, parts))
        raise DataError(
            f"The region {text} does not fit {image.name} (axes {image.axes}); give a "
            "range, in Python a slice, for each of Z, Y and X, such as "
            "0:64,512:1024,0:512."
        )
    sizes = image.items()[0].shape
    z, y, x = (
        _bounded_slice(*given, image.name)
        for given in zip(parts, SPATIAL_AXES, sizes, strict=True)
    )
    return z, y, x


def _text(part: Any) -> str:
    """Write a slice as people do."""
    if not isinstance(part, slice):
        return str(part)
    ends = ("" if end is None else str(end) for end in (part.start, part.stop))
    return ":".join(ends)


def _bounded_slice(part: slice, axis: str, size: int, name: str) -> slice:
    try:
        start = 0 if part.start is None else operator.index(part.start)
        stop = size if part.stop is None else operator.index(part.stop)
    except TypeError as error:
        raise DataError(
            f"The region {part.start}:{part.stop} along {axis} is not in whole voxels; "
            "give integers."
        ) from error
    if part.step not in (None, 1):
        raise DataError(
            f"The region along {axis} has a step of {part.step}; leave it out, and set "
            "downsampling for a lower resolution."
        )
    if not 0 <= start < stop <= size:
        raise DataError(
            f"The region {start}:{stop} along {axis} is not in {name}, which has "
            f"{size} voxels there; choose from 0 to {size}."
        )
    return slice(start, stop)
