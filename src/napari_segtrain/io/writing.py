"""Label images and probability maps as OME-TIFF."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_segtrain.axes import VoxelSize, check_axes, guess_axes, spatial_axes
from napari_segtrain.errors import DataError
from napari_segtrain.image import LabelImage
from napari_segtrain.io.atomic import atomic_path
from napari_segtrain.io.ome import annotate_classes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_segtrain.image import ClassTable, LazyArray

BIG_TIFF_BYTES = 2 << 30
"""Uncompressed size from which a file becomes a BigTIFF."""

_OME_LEADING = "TZC"
_FREE_OME_LETTERS = "TAPRHE"
_NARROWED: dict[np.dtype[Any], np.dtype[Any]] = {
    np.dtype(np.bool_): np.dtype(np.uint8),
    np.dtype(np.int64): np.dtype(np.int32),
    np.dtype(np.uint64): np.dtype(np.uint32),
}
"""Label types that OME-TIFF lacks."""

Plane = npt.NDArray[Any]


@dataclass(frozen=True)
class Planes:
    """An array that is made while it is written, plane by plane.

    Parameters
    ----------
    planes : iterable of ndarray
        Planes (Y, X) in C order of the leading axes.
    shape : tuple of int
        Of the whole array, Y and X last.
    dtype
        Of the planes.
    """

    planes: Iterable[Plane]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def write_labels(
    path: str | Path,
    labels: LabelImage | LazyArray | Planes,
    *,
    axes: str | None = None,
    voxel_size: VoxelSize | None = None,
    classes: ClassTable | None = None,
    compression: str | None = "zlib",
) -> None:
    """Write a label image as OME-TIFF, atomically and plane by plane.

    Parameters
    ----------
    path : str or Path
        Best ending in ``.ome.tif``.
    labels : LabelImage, LazyArray or Planes
        Integers, read or taken plane by plane. 64-bit labels are stored with 32 bits,
        booleans with 8. A `LabelImage` brings axes, voxel size and classes.
    axes : str, optional
        Letters of an array, without C; ending in YX for `Planes`; guessed from the
        shape without it. In the file Y and X come last.
    voxel_size : tuple of float, optional
        Micrometers, ZYX.
    classes : ClassTable, optional
        Stored as a map annotation; `read_labels` gives it back.
    compression : str, optional
        As in tifffile; ``None`` for none.

    Raises
    ------
    OutputError
        When the disk is full or the file cannot be written.
    DataError
        When a label does not fit into 32 bits.
    """
    if isinstance(labels, LabelImage):
        axes = axes or labels.axes
        voxel_size = voxel_size or labels.voxel_size
        classes = classes or labels.classes
        labels = labels.array
    planes, axes = _as_planes(labels, axes or guess_axes(labels.shape))
    if planes.dtype.kind not in "biu":
        raise TypeError(f"labels must be integers, not {planes.dtype}")
    stored = _NARROWED.get(planes.dtype)
    if stored is not None:
        narrow = (_narrow(plane, stored) for plane in planes.planes)
        planes = Planes(narrow, planes.shape, stored)
    metadata = {"axes": _ome_axes(axes), **_physical_sizes(voxel_size, axes)}
    if classes is not None:
        metadata["MapAnnotation"] = annotate_classes(classes)
    _write(Path(path), planes, metadata, compression)


def write_probabilities(
    path: str | Path,
    array: LazyArray | Planes,
    *,
    axes: str,
    voxel_size: VoxelSize | None = None,
    class_names: Sequence[str] = (),
    compression: str | None = "zlib",
) -> None:
    """Write probability maps as OME-TIFF, atomically and plane by plane.

    Parameters
    ----------
    path : str or Path
        Best ending in ``.ome.tif``.
    array : LazyArray or Planes
        uint8 (0 to 255 is 0 to 1) or float32, with the channel axis C for the classes.
    axes : str
        Letters of the array, such as ``CZYX``.
    voxel_size : tuple of float, optional
        Micrometers, ZYX.
    class_names : sequence of str
        One per channel, or none.
    compression : str, optional
        As in tifffile; ``None`` for none.

    Raises
    ------
    OutputError
        When the disk is full or the file cannot be written.
    """
    planes, axes = _as_planes(array, axes)
    if planes.dtype not in (np.uint8, np.float32):
        raise TypeError(f"probabilities must be uint8 or float32, not {planes.dtype}")
    metadata = {"axes": _ome_axes(axes), **_physical_sizes(voxel_size, axes)}
    if class_names:
        metadata["Channel"] = {"Name": list(class_names)}
    _write(Path(path), planes, metadata, compression)


def _as_planes(array: LazyArray | Planes, axes: str) -> tuple[Planes, str]:
    axes = check_axes(axes, array.shape)
    if isinstance(array, Planes):
        if not axes.endswith("YX"):
            raise ValueError(f"planes are (Y, X), so axes end in YX, not '{axes}'")
        return array, axes
    leading = "".join(axis for axis in axes if axis not in "YX")
    sizes = tuple(array.shape[axes.index(axis)] for axis in leading + "YX")
    planes = _slice_planes(array, axes, leading)
    return Planes(planes, sizes, np.dtype(array.dtype)), leading + "YX"


def _slice_planes(array: LazyArray, axes: str, leading: str) -> Iterator[Plane]:
    sizes = [array.shape[axes.index(axis)] for axis in leading]
    for position in itertools.product(*map(range, sizes)):
        index = dict(zip(leading, position, strict=True))
        plane = np.asarray(array[tuple(index.get(axis, slice(None)) for axis in axes)])
        yield plane if axes.index("Y") < axes.index("X") else plane.T


def _narrow(plane: Plane, dtype: np.dtype[Any]) -> Plane:
    if plane.dtype.kind != "b" and plane.size:
        limits = np.iinfo(dtype)
        low, high = int(plane.min()), int(plane.max())
        if low < limits.min or high > limits.max:
            raise DataError(
                f"The label value {high if high > limits.max else low} does not fit "
                "into 32 bits; renumber the labels."
            )
    return plane.astype(dtype)


def _write(
    path: Path, planes: Planes, metadata: dict[str, Any], compression: str | None
) -> None:
    n_bytes = int(np.prod(planes.shape, dtype=np.int64)) * planes.dtype.itemsize
    is_big = n_bytes > BIG_TIFF_BYTES
    with (
        atomic_path(path) as temporary,
        tifffile.TiffWriter(temporary, ome=True, bigtiff=is_big) as tif,
    ):
        tif.write(
            _checked(planes),
            shape=planes.shape,
            dtype=planes.dtype,
            photometric="minisblack",
            compression=compression,
            metadata=metadata,
        )


def _checked(planes: Planes) -> Iterator[Plane]:
    *leading, n_y, n_x = planes.shape
    n_planes = 0
    for plane in planes.planes:
        if plane.shape != (n_y, n_x):
            raise ValueError(f"a plane of {plane.shape} among planes of {(n_y, n_x)}")
        yield np.ascontiguousarray(plane, planes.dtype)
        n_planes += 1
    if n_planes < np.prod(leading, dtype=np.int64):
        raise ValueError(f"{n_planes} planes do not fill the shape {planes.shape}")


def _ome_axes(axes: str) -> str:
    """Letters that OME-TIFF can store; other item axes get a free one."""
    known = _OME_LEADING + _FREE_OME_LETTERS + "YX"
    free = (letter for letter in _FREE_OME_LETTERS if letter not in axes)
    return "".join(axis if axis in known else next(free) for axis in axes)


def _physical_sizes(voxel_size: VoxelSize | None, axes: str) -> dict[str, Any]:
    if voxel_size is None:
        return {}
    letters = spatial_axes(axes)
    sizes = zip(letters, voxel_size[-len(letters) :], strict=True)
    return {
        name: value
        for axis, size in sizes
        for name, value in (
            (f"PhysicalSize{axis}", size),
            (f"PhysicalSize{axis}Unit", "µm"),
        )
    }
