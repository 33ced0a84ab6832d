"""Formats of microscope makers, read with bioio (the ``formats`` extra).

``pip install "napari-segtrain[formats]"`` reads ND2 and LIF. CZI (``bioio-czi``, GPL-3)
and Bio-Formats (``bioio-bioformats``, GPL-2 and Java) are opt-in for their licences:
install them yourself and they are used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.errors import DataError
from napari_segtrain.io.formats import MICROSCOPE_PLUGINS, suffix_of
from napari_segtrain.io.guard import reading
from napari_segtrain.io.lazy import Block, BlockArray, Slices
from napari_segtrain.io.source import Source, name_samples
from napari_segtrain.io.units import to_micrometers

if TYPE_CHECKING:
    from pathlib import Path

EXTRA = 'pip install "napari-segtrain[formats]"'
_OPT_IN = {
    "bioio-czi": "GPL-3",
    "bioio-bioformats": "GPL-2, and it needs Java",
}


def open_microscope(path: Path) -> Source:
    """Open the first scene of a microscope file with bioio.

    Raises
    ------
    DataError
        When bioio or its plugin for this format is not installed (the message says
        what to install), or the file is damaged.
    """
    plugin = MICROSCOPE_PLUGINS[suffix_of(path)]
    try:
        bioio = importlib.import_module("bioio")
        errors = importlib.import_module("bioio_base.exceptions")
        reader = importlib.import_module(plugin.replace("-", "_")).Reader
    except ImportError as error:
        raise DataError(_missing(path, plugin)) from error
    with reading(path, errors.UnsupportedFileFormatError):
        image = bioio.BioImage(path, reader=reader)
        array = _lazy(image.dask_data, path)
        return Source(
            array=array,
            axes=name_samples(str(image.dims.order), array.shape, path),
            sizes=_sizes(image),
            channel_names=tuple(map(str, image.channel_names or ())),
        )


def _missing(path: Path, plugin: str) -> str:
    if plugin not in _OPT_IN:
        return f"{path} needs the extra 'formats'; install it: {EXTRA}."
    return (
        f"{path} needs {plugin}, which its licence ({_OPT_IN[plugin]}) keeps out of "
        f"this package; install it yourself ({EXTRA} {plugin}) or export the file as "
        "OME-TIFF."
    )


def _lazy(array: Any, path: Path) -> BlockArray:
    def read_box(box: Slices) -> Block:
        with reading(path):
            return np.asarray(array[box].compute())

    return BlockArray(tuple(array.shape), np.dtype(array.dtype), read_box)


def _sizes(image: Any) -> dict[str, float | None]:
    """Micrometers, as bioio's readers give them where they name no unit.

    One by one is what readers say of images that are not calibrated: unknown.
    """
    pixel = image.physical_pixel_sizes
    if pixel.Y == pixel.X == 1:
        return {}
    units = getattr(image, "dimension_properties", None)
    return {
        axis: to_micrometers(getattr(pixel, axis), _unit(units, axis) or "µm")
        for axis in SPATIAL_AXES
    }


def _unit(properties: Any, axis: str) -> str | None:
    unit = getattr(getattr(properties, axis, None), "unit", None)
    return None if unit is None else str(unit)
