"""Data sets of HDF5 files as lazy arrays, and the texts that describe them."""

from __future__ import annotations

import importlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segtrain.errors import DataError
from napari_segtrain.io.guard import reading
from napari_segtrain.io.lazy import Block, BlockArray, Slices

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import h5py


@contextmanager
def opened(file: Path) -> Iterator[h5py.File]:
    """Open a file to read, and close it.

    Raises
    ------
    DataError
        When it is damaged or no HDF5 file.
    """
    import h5py

    with reading(file), h5py.File(file, "r") as hdf5:
        yield hdf5


def dataset_array(file: Path, hdf5: h5py.File, name: str) -> BlockArray:
    """Return a data set as an array; the file is opened for each read.

    That takes half a millisecond, spares thousands of images their handles, and is
    safe in threads, since h5py runs one call at a time.

    Parameters
    ----------
    file : Path
    hdf5 : h5py.File
        The same file, open.
    name : str
        Path of the data set in it; a link to another file may be on the way.

    Raises
    ------
    DataError
        When it is compressed by a method that is not installed.
    """
    dataset = hdf5[name]
    _check_filters(file, dataset)
    dtype = np.dtype(dataset.dtype).newbyteorder("=")
    return named_array(file, name, dataset.shape, dtype)


def named_array(
    file: Path, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> BlockArray:
    """Return a data set that is not looked at before it is read."""

    def read_box(box: Slices) -> Block:
        with opened(file) as hdf5:
            return np.asarray(hdf5[name][box], dtype)

    return BlockArray(shape, dtype, read_box)


def attribute_text(node: h5py.HLObject, name: str) -> str:
    """Read an attribute that is text, or the single characters of Imaris."""
    value = node.attrs.get(name, "")
    if isinstance(value, np.ndarray):
        value = b"".join(value.astype("S").ravel().tolist())
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _check_filters(file: Path, dataset: h5py.Dataset) -> None:
    import h5py

    settings = dataset.id.get_create_plist()
    filters = [settings.get_filter(i) for i in range(settings.get_nfilters())]
    for code, _, _, name in filters:
        if h5py.h5z.filter_avail(code):
            continue
        with suppress(ImportError):
            importlib.import_module("hdf5plugin")  # adds its filters to HDF5
        if not h5py.h5z.filter_avail(code):
            method = name.decode("ascii", "replace").split(";")[0] or "unknown"
            raise DataError(
                f"{file} is compressed by a method that is not installed ({method}, "
                f"HDF5 filter {code}); install it, for instance: pip install "
                "hdf5plugin."
            )
