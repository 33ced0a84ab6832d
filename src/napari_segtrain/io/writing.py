"""Label images and probability maps as OME-TIFF."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_segtrain.axes import VoxelSize, check_axes, spatial_axes
from napari_segtrain.errors import DataError
from napari_segtrain.image import ClassTable, LazyArray
from napari_segtrain.io.atomic import atomic_path
from napari_segtrain.io.ome import annotate_classes

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
class _Planes:
    """Planes (Y, X) in C order of the leading axes."""

    planes: Iterable[Plane]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: str


def write_labels(  # noqa: PLR0913  # the metadata of one file
    path: str | Path,
    array: LazyArray | Iterable[Plane],
    *,
    axes: str,
    voxel_size: VoxelSize | None = None,
    classes: ClassTable | None = None,
    shape: Sequence[int] | None = None,
    dtype: npt.DTypeLike | None = None,
    compression: str | None = "zlib",
) -> None:
    """Write a label image as OME-TIFF, atomically and plane by plane.

    Parameters
    ----------
    path : str or Path
        Best ending in ``.ome.tif``.
    array : LazyArray or iterable of ndarray
        Whole-number labels: an array of ``axes``, or its planes (Y, X) one after the
        other, in C order of the leading axes. 64-bit labels are stored with 32 bits,
        booleans with 8.
    axes : str
        Letters of the array, without C.
    voxel_size : tuple of float, optional
        Micrometers, ZYX.
    classes : ClassTable, optional
        Stored as a map annotation; `read_labels` gives it back.
    shape, dtype
        Of the whole array; needed for planes only.
    compression : str, optional
        As in tifffile; ``None`` for none.

    Raises
    ------
    OutputError
        When the disk is full or the file cannot be written.
    DataError
        When a label does not fit into 32 bits.
    """
    planes = _planes(array, axes, shape, dtype)
    if planes.dtype.kind not in "biu":
        raise TypeError(f"labels must be integers, not {planes.dtype}")
    stored = _NARROWED.get(planes.dtype, planes.dtype)
    if stored != planes.dtype:
        narrow = (_narrow(plane, stored) for plane in planes.planes)
        planes = _Planes(narrow, planes.shape, stored, planes.axes)
    extra = {"MapAnnotation": annotate_classes(classes)} if classes else {}
    _write(Path(path), planes, voxel_size, compression, extra)


def write_probabilities(  # noqa: PLR0913  # the metadata of one file
    path: str | Path,
    array: LazyArray | Iterable[Plane],
    *,
    axes: str,
    voxel_size: VoxelSize | None = None,
    class_names: Sequence[str] = (),
    shape: Sequence[int] | None = None,
    dtype: npt.DTypeLike | None = None,
    compression: str | None = "zlib",
) -> None:
    """Write probability maps as OME-TIFF, atomically and plane by plane.

    Parameters
    ----------
    path : str or Path
        Best ending in ``.ome.tif``.
    array : LazyArray or iterable of ndarray
        uint8 (0 to 255 is 0 to 1) or float32, with the channel axis C for the classes;
        as planes as in `write_labels`.
    axes : str
        Letters of the array, such as ``CZYX``.
    voxel_size : tuple of float, optional
        Micrometers, ZYX.
    class_names : sequence of str
        One per channel, or none.
    shape, dtype, compression
        As in `write_labels`.

    Raises
    ------
    OutputError
        When the disk is full or the file cannot be written.
    """
    planes = _planes(array, axes, shape, dtype)
    if planes.dtype not in (np.uint8, np.float32):
        raise TypeError(f"probabilities must be uint8 or float32, not {planes.dtype}")
    extra = {"Channel": {"Name": list(class_names)}} if class_names else {}
    _write(Path(path), planes, voxel_size, compression, extra)


def _planes(
    array: LazyArray | Iterable[Plane],
    axes: str,
    shape: Sequence[int] | None,
    dtype: npt.DTypeLike | None,
) -> _Planes:
    if isinstance(array, np.ndarray) or hasattr(array, "shape"):
        whole: Any = array
        axes = check_axes(axes, whole.shape)
        leading = "".join(axis for axis in axes if axis not in "YX")
        sizes = tuple(whole.shape[axes.index(axis)] for axis in leading + "YX")
        planes = _slice_planes(whole, axes, leading)
        return _Planes(planes, sizes, np.dtype(whole.dtype), leading + "YX")
    if shape is None or dtype is None:
        raise TypeError("planes need the shape and dtype of the whole array")
    axes = check_axes(axes, shape)
    if not axes.endswith("YX"):
        raise ValueError(f"planes are (Y, X), so axes must end in YX, not '{axes}'")
    return _Planes(array, tuple(shape), np.dtype(dtype), axes)


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
    path: Path,
    planes: _Planes,
    voxel_size: VoxelSize | None,
    compression: str | None,
    extra: dict[str, Any],
) -> None:
    metadata = {"axes": _ome_axes(planes.axes), **extra}
    metadata |= _physical_sizes(voxel_size, planes.axes)
    n_bytes = int(np.prod(planes.shape, dtype=np.int64)) * planes.dtype.itemsize
    with (
        atomic_path(path) as temporary,
        tifffile.TiffWriter(
            temporary, ome=True, bigtiff=n_bytes > BIG_TIFF_BYTES
        ) as tif,
    ):
        tif.write(
            iter(_checked(planes)),
            shape=planes.shape,
            dtype=planes.dtype,
            photometric="minisblack",
            compression=compression,
            metadata=metadata,
        )


def _checked(planes: _Planes) -> Iterator[Plane]:
    for plane in planes.planes:
        if plane.shape != planes.shape[-2:]:
            raise ValueError(
                f"a plane of {plane.shape} among planes of {planes.shape[-2:]}"
            )
        yield np.ascontiguousarray(plane, planes.dtype)


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
