"""Label images as PNG: one picture, or a folder with one per slice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.errors import DataError
from napari_segtrain.io.atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_segtrain.image import Image, LabelImage

_MOST = np.iinfo(np.uint16).max
_LEAST_DIGITS = 4


def stack_axis(image: Image | LabelImage, n_slices: int | None = None) -> str:
    """Axis whose slices become files; empty where the image is one picture.

    Parameters
    ----------
    image : Image or LabelImage
        By its axes and shape.
    n_slices : int, optional
        Of it that are written along Z; all without it.

    Raises
    ------
    DataError
        When there are several such axes, which a folder of files cannot tell apart.
    """
    sizes = dict(zip(image.axes, image.array.shape, strict=True))
    if n_slices is not None and "Z" in sizes:
        sizes["Z"] = n_slices
    flat = (*SPATIAL_AXES[1:], "C")
    long = [axis for axis, size in sizes.items() if axis not in flat and size > 1]
    if len(long) > 1:
        raise DataError(
            f"{image.name} has the axes {image.axes} (shape "
            f"{tuple(image.array.shape)}), but PNG files hold slices along one axis; "
            "write it with --format tiff."
        )
    return "".join(long)


def check_picture_values(values: tuple[int, ...], name: str) -> None:
    """Raise `DataError` when label values do not fit into the 16 bits of a PNG."""
    low, high = min(values, default=0), max(values, default=0)
    if low < 0 or high > _MOST:
        raise DataError(
            f"The label value {low if low < 0 else high} of {name} does not fit into a "
            f"PNG, which holds 0 to {_MOST}; write it with --format tiff."
        )


def write_label_pictures(path: Path, labels: LabelImage, *, first: int = 0) -> None:
    """Write labels as PNG of 8 bits, or of 16 where values need them, atomically.

    Parameters
    ----------
    path : Path
        Of the PNG; of a volume or series that of the folder, whose files are called
        like it with the number of the slice: `read_stack` gives them in order.
    labels : LabelImage
        Values from 0 to 65,535; one axis besides Y and X.
    first : int
        Number of the first slice.

    Raises
    ------
    DataError
        When a value does not fit, or there are more axes.
    OutputError
        When the files cannot be written.
    """
    axis = stack_axis(labels)
    limits = [(int(plane.min()), int(plane.max())) for plane in _planes(labels)]
    low, high = min(a for a, _ in limits), max(b for _, b in limits)
    check_picture_values((low, high), labels.name)
    dtype = np.min_scalar_type(high)
    with atomic_path(path) as temporary:
        if not axis:
            _save(temporary, next(_planes(labels)), dtype)
            return
        temporary.mkdir()
        n_digits = max(_LEAST_DIGITS, len(str(first + len(limits))))
        for number, plane in enumerate(_planes(labels), start=first):
            _save(temporary / f"{path.name}_{number:0{n_digits}}.png", plane, dtype)


def _planes(labels: LabelImage) -> Iterator[npt.NDArray[Any]]:
    for item in labels.items():
        n_z, n_y, n_x = item.shape
        for z in range(n_z):
            yield item.read((slice(z, z + 1), slice(0, n_y), slice(0, n_x)))[0, 0]


def _save(path: Path, plane: npt.NDArray[Any], dtype: np.dtype[Any]) -> None:
    pixels = np.ascontiguousarray(plane, dtype)
    PillowImage.fromarray(pixels).save(path, format="PNG")
