"""What scripts hand in, as images and label images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.image import Image, LabelImage
from napari_segtrain.io import read_image, read_labels, read_stack

if TYPE_CHECKING:
    from napari_segtrain.config import DataConfig

ImageLike = Image | npt.NDArray[Any] | str | Path
LabelsLike = LabelImage | npt.NDArray[Any] | str | Path


def as_list(values: Any) -> list[Any]:
    """Turn one value, or a list or tuple of values, into a list."""
    return list(values) if isinstance(values, list | tuple) else [values]


def as_image(image: ImageLike, data: DataConfig, *, number: int = 0) -> Image:
    """Open a path, or give an array its axes.

    Parameters
    ----------
    image : array, Image or path
    data : DataConfig
        Axes and voxel size where the image does not say.
    number : int
        For the name of an array.

    Raises
    ------
    DataError
        When a file cannot be read, or the axes do not fit.
    """
    if isinstance(image, Image):
        return image
    if isinstance(image, str | Path):
        read = read_stack if data.stack else read_image
        return read(image, axes=data.axes, voxel_size=data.voxel_size)
    array = _as_lazy(image)
    return Image(array, data.axes or "", data.voxel_size, name=f"image {number}")


def as_labels(labels: LabelsLike, data: DataConfig, *, number: int = 0) -> LabelImage:
    """Open a path, or wrap an array, as a label image; see `as_image`."""
    if isinstance(labels, LabelImage):
        return labels
    if isinstance(labels, str | Path):
        return read_stack(labels, labels=True) if data.stack else read_labels(labels)
    return LabelImage(_as_lazy(labels), name=f"labels {number}")


def _as_lazy(array: Any) -> Any:
    """Leave an array that can be read in parts (Zarr, Dask) as it is."""
    return array if hasattr(array, "shape") else np.asarray(array)
