"""TIFF files: plain, BigTIFF, OME-TIFF, ImageJ hyperstacks and what tifffile knows."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.errors import DataError
from napari_segtrain.io.cache import CACHE
from napari_segtrain.io.guard import reading
from napari_segtrain.io.lazy import Block, BlockArray, Slices, mapped_array, pick
from napari_segtrain.io.ome import OmeFacts, parse_ome
from napari_segtrain.io.source import SAMPLES_AXIS, UNKNOWN_AXIS, Source, name_samples
from napari_segtrain.io.tiff_pages import Layout, Page, pages_array
from napari_segtrain.io.units import to_micrometers

if TYPE_CHECKING:
    from napari_segtrain.image import LazyArray

_UNKNOWN = "QI"
_CENTIMETER = 3
_PLAIN_KINDS = ("uniform", "generic")
_RGB_SAMPLES = 3


def open_tiff(path: Path) -> Source:
    """Parse a TIFF file: its first series (image), full resolution.

    Raises
    ------
    DataError
        When the file is damaged or cut off, planes are missing, or it has both
        channels and RGB samples.
    """
    with reading(path), tifffile.TiffFile(path) as tif:
        if not tif.series:
            raise DataError(f"{path} holds no image; it may be damaged or cut off.")
        series = tif.series[0]
        if series.kind in _PLAIN_KINDS or series.dataoffset is None:
            _check_chain(tif, path)
        facts = _ome_facts(tif)
        array = _lazy_array(tif, series, path)
        axes = _letters(series)
        array, axes = _drop_samples(array, axes, series.keyframe)
        return Source(
            array=array,
            axes=name_samples(axes, array.shape, path),
            sizes=facts.sizes or _resolution(tif),
            channel_names=facts.channel_names,
            classes=facts.classes,
        )


def _lazy_array(tif: tifffile.TiffFile, series: Any, path: Path) -> LazyArray:
    shape = tuple(map(int, series.get_shape(squeeze=False)))
    if series.dtype is None or not all(shape):
        raise ValueError("the image is empty")
    if series.transform is not None:
        return _whole_array(series, shape, path)
    if series.dataoffset is not None:
        dtype = series.dtype.newbyteorder(tif.byteorder)
        return mapped_array(path, dtype, shape, series.dataoffset)
    layout = Layout(series.keyframe, series.keyframe.shaped, series.dtype)
    _ = layout.starts  # decoders are built while the file is open
    pages = _pages(series, path)
    try:
        return pages_array(layout, pages, shape)
    except ValueError:
        return _whole_array(series, shape, path)


def _pages(series: Any, path: Path) -> list[Page]:
    frames = list(series)
    n_missing = sum(frame is None for frame in frames)
    if n_missing:
        raise DataError(
            f"{path} lacks {n_missing} of its {len(frames)} planes; the file, or a "
            "file that belongs to it, is incomplete."
        )
    return [
        Page(
            Path(frame.parent.filehandle.path),
            tuple(frame.dataoffsets),
            tuple(frame.databytecounts),
            frame.jpegtables,
        )
        for frame in frames
    ]


def _check_chain(tif: tifffile.TiffFile, path: Path) -> None:
    """Refuse a file whose last page points to a next one beyond its end.

    tifffile takes what it finds of a file that is cut off as plain pages.
    """
    handle, layout = tif.filehandle, tif.tiff
    offset = tif.pages[len(tif.pages) - 1].offset
    handle.seek(offset)
    (n_tags,) = struct.unpack(layout.tagnoformat, handle.read(layout.tagnosize))
    handle.seek(offset + layout.tagnosize + n_tags * layout.tagsize)
    (following,) = struct.unpack(layout.offsetformat, handle.read(layout.offsetsize))
    if following >= handle.size:
        raise DataError(
            f"{path} is cut off: a page should follow at byte {following}, but the "
            f"file has {handle.size}; copy or save it again."
        )


def _whole_array(series: Any, shape: tuple[int, ...], path: Path) -> BlockArray:
    """Layouts that only tifffile can put together: read as a whole, kept if small."""
    key, index = object(), series._index  # noqa: SLF001  # no public name

    def load() -> Block:
        with tifffile.TiffFile(path) as tif:
            return np.asarray(tif.series[index].asarray()).reshape(shape)

    def read_box(box: Slices) -> Block:
        with reading(path):
            return CACHE.get(key, load)[box].copy()

    return BlockArray(shape, np.dtype(series.dtype), read_box)


def _letters(series: Any) -> str:
    unknown = "T" if series.kind == "ome" else UNKNOWN_AXIS
    axes: str = series.get_axes(squeeze=False)
    if unknown in axes:
        unknown = UNKNOWN_AXIS
    return "".join(unknown if axis in _UNKNOWN else axis for axis in axes)


def _drop_samples(array: LazyArray, axes: str, keyframe: Any) -> tuple[LazyArray, str]:
    """Drop a samples axis of size 1, and the alpha channel of RGB."""
    if SAMPLES_AXIS not in axes:
        return array, axes
    at = axes.index(SAMPLES_AXIS)
    whole: list[int | slice] = [slice(None)] * len(axes)
    if array.shape[at] == 1:
        whole[at] = 0
        return pick(array, tuple(whole)), axes.replace(SAMPLES_AXIS, "")
    if array.shape[at] == _RGB_SAMPLES + 1 and any(keyframe.extrasamples):
        whole[at] = slice(0, _RGB_SAMPLES)
        return pick(array, tuple(whole)), axes
    return array, axes


def _ome_facts(tif: tifffile.TiffFile) -> OmeFacts:
    return parse_ome(tif.ome_metadata) if tif.ome_metadata else OmeFacts()


def _resolution(tif: tifffile.TiffFile) -> dict[str, float | None]:
    """Voxel size of a file without OME-XML, from ImageJ, LSM or resolution tags."""
    if tif.is_lsm and tif.lsm_metadata:
        meters = tif.lsm_metadata
        return {
            a: to_micrometers(meters.get(f"VoxelSize{a}"), "m") for a in SPATIAL_AXES
        }
    if tif.is_imagej:
        facts = tif.imagej_metadata or {}
        unit = facts.get("unit")
        sizes = _from_tags(tif, unit)
        sizes["Z"] = to_micrometers(facts.get("spacing"), unit)
        return sizes
    tag = tif.pages.first.tags.get("ResolutionUnit")
    if tag is not None and tag.value == _CENTIMETER:
        return _from_tags(tif, "cm")
    return {}


def _from_tags(tif: tifffile.TiffFile, unit: object) -> dict[str, float | None]:
    tags = tif.pages.first.tags
    sizes: dict[str, float | None] = {}
    for axis in "YX":
        tag = tags.get(f"{axis}Resolution")
        pixels, units = tag.value if tag is not None else (0, 0)
        sizes[axis] = to_micrometers(units / pixels, unit) if pixels else None
    return sizes
