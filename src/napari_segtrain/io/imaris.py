"""Imaris files (``.ims``): HDF5 with one data set per time point and channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.io.hdf5_arrays import attribute_text, dataset_array, named_array
from napari_segtrain.io.lazy import BlockArray, stacked
from napari_segtrain.io.source import Source
from napari_segtrain.io.units import calibrated, to_micrometers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import h5py

_FULL = "DataSet/ResolutionLevel 0"
_INFO = "DataSetInfo"
_DEFAULT_UNIT = "um"


def is_imaris(group: h5py.Group) -> bool:
    """Whether a group is the root of an Imaris file."""
    return _FULL in group and f"{_INFO}/Image" in group


def imaris_source(file: Path, hdf5: h5py.File, where: str) -> Source:
    """Open the full resolution of all time points and channels as TCZYX.

    Parameters
    ----------
    file : Path
    hdf5 : h5py.File
        The same file, open.
    where : str
        Path of the image in it, ``.`` but for files inside files.

    Raises
    ------
    KeyError
        When the first time point or channel is missing.
    """
    root, level = hdf5[where], hdf5[f"{where}/{_FULL}"]
    first = level["TimePoint 0"]
    n_times, n_channels = _count(level, "TimePoint "), _count(first, "Channel ")
    channel = first["Channel 0"]
    sizes = [attribute_text(channel, f"ImageSize{axis}") for axis in SPATIAL_AXES]
    shape = tuple(map(int, sizes)) if all(sizes) else channel["Data"].shape
    dtype = dataset_array(file, hdf5, _data(where, 0, 0)).dtype

    def at_time(t: int) -> BlockArray:
        names = [_data(where, t, c) for c in range(n_channels)]
        return stacked([named_array(file, name, shape, dtype) for name in names])

    array = stacked([at_time(t) for t in range(n_times)])
    return Source(array, "TCZYX", _voxel_size(root, shape), _channel_names(root))


def _data(where: str, t: int, c: int) -> str:
    return f"{where}/{_FULL}/TimePoint {t}/Channel {c}/Data"


def _count(group: h5py.Group, prefix: str) -> int:
    return sum(name.startswith(prefix) for name in group)


def _voxel_size(root: h5py.Group, shape: tuple[int, ...]) -> Mapping[str, float | None]:
    info = root[f"{_INFO}/Image"]
    unit = attribute_text(info, "Unit") or _DEFAULT_UNIT
    sizes = {
        axis: to_micrometers(_extent(info, 2 - at) / shape[at], unit)
        for at, axis in enumerate(SPATIAL_AXES)
    }
    return calibrated(sizes)


def _extent(info: h5py.Group, number: int) -> float:
    """Length of the image along X, Y, Z (0, 1, 2), NaN where it is not told."""
    ends = [attribute_text(info, f"Ext{end}{number}") for end in ("Max", "Min")]
    high, low = (float(end) if end else np.nan for end in ends)
    return high - low


def _channel_names(root: h5py.Group) -> tuple[str, ...]:
    info = root[_INFO]
    n_channels = _count(info, "Channel ")
    groups = (info.get(f"Channel {number}") for number in range(n_channels))
    names = [attribute_text(g, "Name") if g is not None else "" for g in groups]
    return tuple(names) if all(names) else ()
