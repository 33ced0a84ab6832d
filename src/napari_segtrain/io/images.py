"""Files and stores as images and label images, without reading their voxels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_segtrain.errors import DataError
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.io.formats import (
    HDF5_SUFFIXES,
    MICROSCOPE_PLUGINS,
    MRC_SUFFIXES,
    NUMPY_SUFFIXES,
    PICTURE_SUFFIXES,
    TIFF_SUFFIXES,
    file_of,
    image_stem,
    is_n5,
    is_store,
    suffix_of,
)
from napari_segtrain.io.guard import check_exists
from napari_segtrain.io.label_arrays import as_labels
from napari_segtrain.io.source import Source, settle_axes
from napari_segtrain.io.units import voxel_size_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_segtrain.axes import VoxelSize


def read_image(
    path: str | Path, *, axes: str | None = None, voxel_size: VoxelSize | None = None
) -> Image:
    """Open an image of any known format; voxels are read when they are asked for.

    TIFF, BigTIFF, OME-TIFF (full resolution of a pyramid), ImageJ hyperstacks, PNG,
    JPEG, BMP, OME-Zarr 0.4 and 0.5, plain Zarr, N5, HDF5 (of ilastik, Fiji,
    BigDataViewer and Imaris, too), MRC, ``.npy``; ND2, LIF and other microscope
    formats with the ``formats`` extra (CZI and Bio-Formats: install ``bioio-czi`` or
    ``bioio-bioformats`` yourself, for their licences). Of a file with several images
    (series, scenes) the first is taken; of several arrays in Zarr, N5 or HDF5 one is
    named by its path.

    Dimensions of size 1 other than Y and X are dropped. RGB samples are channels; an
    alpha channel is dropped. A dimension without a name (pages of a plain TIFF) is
    taken as Z, a second one as C, a third as T.

    Parameters
    ----------
    path : str or Path
        A file, a Zarr or N5 store, or a group or array inside a store or an HDF5 file
        (``cells.h5/volumes/raw``).
    axes : str, optional
        Letters in the order of the array (``TYX`` for pages that are time points);
        wins over the metadata.
    voxel_size : tuple of float, optional
        Micrometers, ZYX; wins over the metadata. Without it the voxel size is known
        only where the file gives every spatial axis in a metric unit.

    Returns
    -------
    Image
        Its array may be read from several threads and holds no file open.

    Raises
    ------
    DataError
        When the file is missing, empty, damaged or of an unknown format, or ``axes``
        or ``voxel_size`` do not fit it.
    """
    path = Path(path)
    source = _settle(path, axes, for_labels=False)
    names = source.channel_names
    return Image(
        array=source.array,
        axes=source.axes,
        voxel_size=voxel_size or voxel_size_of(source.sizes, source.axes),
        channel_names=names if len(names) == _n_channels(source) else (),
        name=image_stem(path),
        source=path,
        level=source.level,
    )


def read_labels(
    path: str | Path, *, axes: str | None = None, voxel_size: VoxelSize | None = None
) -> LabelImage:
    """Open a label image; formats and axes as in `read_image`.

    Values are integers of any width, booleans, or floats that are whole numbers
    (checked where they are read, and given as ``int64``). Of a palette PNG the index
    is the value; of an RGB picture with equal channels, one of them. An OME-Zarr image
    with one label image inside gives that.

    Returns
    -------
    LabelImage
        With its class table when `write_labels` stored one.

    Raises
    ------
    DataError
        As `read_image`, and for color pictures and several channels; reading a block
        raises it for values that are not whole.
    """
    path = Path(path)
    source = as_labels(_settle(path, axes, for_labels=True), str(path))
    return LabelImage(
        array=source.array,
        axes=source.axes,
        voxel_size=voxel_size or voxel_size_of(source.sizes, source.axes),
        name=image_stem(path),
        source=path,
        level=source.level,
        classes=source.classes,
    )


def _open(path: Path, *, for_labels: bool) -> Source:
    check_exists(path)
    if is_n5(path):
        from napari_segtrain.io.n5 import open_n5

        return open_n5(path)
    if is_store(path):
        from napari_segtrain.io.stores import open_store

        return open_store(path, as_labels=for_labels)
    if path.is_dir():
        raise DataError(
            f"{path} is a folder; give one of its files, or read the folder as one "
            "volume with --stack."
        )
    suffix = suffix_of(file_of(path))
    if suffix in PICTURE_SUFFIXES:
        from napari_segtrain.io.pictures import open_picture

        return open_picture(path, as_labels=for_labels)
    return _opener(path, suffix)(path)


def _opener(path: Path, suffix: str) -> Callable[[Path], Source]:
    if suffix in TIFF_SUFFIXES:
        from napari_segtrain.io.tiff import open_tiff

        return open_tiff
    if suffix in NUMPY_SUFFIXES:
        from napari_segtrain.io.numpy_files import open_npy

        return open_npy
    if suffix in HDF5_SUFFIXES:
        from napari_segtrain.io.hdf5 import open_hdf5

        return open_hdf5
    if suffix in MRC_SUFFIXES:
        from napari_segtrain.io.mrc import open_mrc

        return open_mrc
    if suffix in MICROSCOPE_PLUGINS:
        from napari_segtrain.io.microscopes import open_microscope

        return open_microscope
    raise DataError(
        f"{path} is of no known format; TIFF, OME-TIFF, PNG, JPEG, BMP, NPY, HDF5, "
        "MRC, OME-Zarr, Zarr and N5 are read, ND2, LIF and others with the extra "
        "'formats'."
    )


def _settle(path: Path, axes: str | None, *, for_labels: bool) -> Source:
    source = _open(path, for_labels=for_labels)
    if 0 in source.array.shape:
        raise DataError(f"{path} holds no voxels (shape {source.array.shape}).")
    return settle_axes(source, axes, str(path))


def _n_channels(source: Source) -> int:
    return int(source.array.shape[source.axes.index("C")]) if "C" in source.axes else 1
