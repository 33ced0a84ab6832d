"""Folders of two-dimensional pictures that are slices of one volume."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

import numpy as np

from napari_segtrain.errors import DataError
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.io.formats import image_stem
from napari_segtrain.io.images import read_image, read_labels
from napari_segtrain.io.lazy import stacked
from napari_segtrain.io.listing import list_images

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.axes import VoxelSize

_LAST_NUMBER = re.compile(r"^(.*?)([0-9]+)([^0-9]*)$")


@overload
def read_stack(
    folder: str | Path,
    *,
    axes: str | None = ...,
    voxel_size: VoxelSize | None = ...,
    labels: Literal[False] = ...,
) -> Image: ...


@overload
def read_stack(
    folder: str | Path,
    *,
    axes: str | None = ...,
    voxel_size: VoxelSize | None = ...,
    labels: Literal[True],
) -> LabelImage: ...


def read_stack(
    folder: str | Path,
    *,
    axes: str | None = None,
    voxel_size: VoxelSize | None = None,
    labels: bool = False,
) -> Image | LabelImage:
    """Open a folder of 2D files as one volume, in natural order of the names.

    Only headers are read now; reading a slice reads its file. The voxel size is
    unknown unless it is given, as files do not say how far apart they are.

    Parameters
    ----------
    folder : str or Path
        One file per slice.
    axes : str, optional
        Letters of the volume, the first for the files (``TYX`` for time points).
        Without it Z, followed by the axes of the files.
    voxel_size : tuple of float, optional
        Micrometers, ZYX.
    labels : bool
        Open as a label image.

    Returns
    -------
    Image or LabelImage

    Raises
    ------
    DataError
        When the folder holds no images, or one is not 2D, or differs in size, axes or
        type from the first.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder, so it cannot be read as a stack.")
    read = read_labels if labels else read_image
    slices = [read(path) for path in list_images(folder)]
    first = slices[0]
    for item in slices:
        _check_slice(item, first)
    array = stacked([item.array for item in slices])
    axes = axes or f"Z{first.axes}"
    if isinstance(first, LabelImage):
        return LabelImage(array, axes, voxel_size, folder.name, folder)
    return Image(array, axes, voxel_size, first.channel_names, folder.name, folder)


def looks_like_slices(paths: Sequence[Path]) -> bool:
    """Whether files are probably the slices of one volume.

    They are when their names differ in one running number, and all are 2D and of the
    same size. Reads headers only.
    """
    if len(paths) <= 1 or not _are_consecutive(paths):
        return False
    images = [read_image(path) for path in paths]
    shapes = {(image.axes, image.array.shape) for image in images}
    return len(shapes) == 1 and _is_2d(images[0].axes)


def _are_consecutive(paths: Sequence[Path]) -> bool:
    matches = [_LAST_NUMBER.match(image_stem(path)) for path in paths]
    found = [match.groups() for match in matches if match]
    if len(found) < len(paths) or len({(a, c) for a, _, c in found}) > 1:
        return False
    numbers = sorted(int(number) for _, number, _ in found)
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _is_2d(axes: str) -> bool:
    return set(axes) <= set("CYX")


def _check_slice(item: Image | LabelImage, first: Image | LabelImage) -> None:
    if not _is_2d(item.axes):
        raise DataError(
            f"{item.source} is not 2D (axes {item.axes}), so it is no slice of a stack."
        )
    if item.axes != first.axes or item.array.shape != first.array.shape:
        raise DataError(
            f"{item.source} is {_describe(item)}, but the first slice, {first.source}, "
            f"is {_describe(first)}; the slices of a stack have one size."
        )
    if np.dtype(item.array.dtype) != np.dtype(first.array.dtype):
        raise DataError(
            f"{item.source} has values of type {item.array.dtype}, but the first slice "
            f"of type {first.array.dtype}; save all with one type."
        )


def _describe(item: Image | LabelImage) -> str:
    sizes = zip(item.axes, item.array.shape, strict=True)
    return " × ".join(f"{size} {axis}" for axis, size in sizes)
