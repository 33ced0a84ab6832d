"""HDF5 files: of ilastik, Fiji, BigDataViewer, Imaris, and any with data sets."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.errors import DataError
from napari_segtrain.io.formats import file_of
from napari_segtrain.io.hdf5_arrays import attribute_text, dataset_array, opened
from napari_segtrain.io.imaris import imaris_source, is_imaris
from napari_segtrain.io.parts import (
    axis_letters,
    is_level,
    only,
    without_coarse_levels,
)
from napari_segtrain.io.source import Source
from napari_segtrain.io.units import calibrated, to_micrometers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import h5py

_MIN_DIMS = 2
_PYRAMID_TABLES = ("resolutions", "subdivisions")
"""Data sets of BigDataViewer beside the levels of a pyramid."""


def open_hdf5(path: Path) -> Source:
    """Open the image of a file, or of a group or data set inside it.

    Of a pyramid (``s0``, ``s1``; BigDataViewer) the full resolution is taken.

    Parameters
    ----------
    path : Path
        The file (``cells.h5``), or a part of it (``cells.h5/volumes/raw``).

    Raises
    ------
    DataError
        When the file is damaged, or what to read in it is not clear.
    """
    import h5py

    file = file_of(path)
    inner = path.relative_to(file).as_posix()
    with opened(file) as hdf5:
        node = hdf5.get(inner)
        if node is None:
            raise DataError(_missing(file, inner, hdf5))
        if isinstance(node, h5py.Dataset):
            return _dataset_source(file, hdf5, inner)
        if is_imaris(node):
            return imaris_source(file, hdf5, inner)
        name = only(without_coarse_levels(_shapes(node)), path, "arrays")
        source = _dataset_source(file, hdf5, f"{inner}/{name}")
        return replace(source, level=name if is_level(name) else "")


def _missing(file: Path, inner: str, hdf5: h5py.File) -> str:
    names = without_coarse_levels(_shapes(hdf5))
    listed = ", ".join(names[:5]) or "none"
    return f"{file} holds no '{inner}'; its arrays are {listed}."


def _shapes(group: h5py.Group) -> dict[str, tuple[int, ...]]:
    """Shapes of the data sets below a group that may be images."""
    import h5py

    found: dict[str, tuple[int, ...]] = {}

    def visit(name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset) and _may_be_image(node):
            found[name] = node.shape

    group.visititems(visit)
    tables = [name for name in found if _is_pyramid_table(name, found)]
    return {name: shape for name, shape in found.items() if name not in tables}


def _may_be_image(dataset: h5py.Dataset) -> bool:
    return dataset.dtype.kind in "biuf" and len(dataset.shape or ()) >= _MIN_DIMS


def _is_pyramid_table(name: str, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    folder, _, last = name.rpartition("/")
    return last in _PYRAMID_TABLES and f"{folder}/0/cells".lstrip("/") in shapes


def _dataset_source(file: Path, hdf5: h5py.File, name: str) -> Source:
    axes = _axes(hdf5[name])
    return Source(dataset_array(file, hdf5, name), axes, _sizes(hdf5[name], axes))


def _axes(dataset: h5py.Dataset) -> str:
    """Letters that ilastik (``axistags``) or the scales of HDF5 give the dimensions."""
    tags = attribute_text(dataset, "axistags")
    try:
        names = [axis["key"] for axis in json.loads(tags)["axes"]] if tags else ()
    except (ValueError, LookupError, TypeError):
        names = ()
    n_dims = len(dataset.shape)
    labels = (dimension.label for dimension in dataset.dims)
    return axis_letters(names, n_dims) or axis_letters(labels, n_dims)


def _sizes(dataset: h5py.Dataset, axes: str) -> Mapping[str, float | None]:
    """Voxel size that Fiji and ilastik write: ZYX, or one number for each axis."""
    values = np.ravel(dataset.attrs.get("element_size_um", ()))
    if values.dtype.kind not in "iuf":
        return {}
    values = values.astype(float).tolist()
    letters = axes if len(axes) == len(values) else SPATIAL_AXES[-len(values) :]
    pairs = zip(reversed(letters), reversed(values), strict=False)
    micrometers = {a: to_micrometers(v, "µm") for a, v in pairs if a in SPATIAL_AXES}
    return calibrated(micrometers)
