"""OME-Zarr 0.5 stores that are written block by block, at all resolutions at once.

A block of the full resolution is one shard, and what it becomes at each lower
resolution is one shard as well: whoever writes a block writes whole files that nobody
else touches. So several processes may write one store, and a store that is being
written can be looked at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import ZstdCodec

from napari_segtrain.axes import SPATIAL_AXES, ZYX, VoxelSize
from napari_segtrain.image import ClassTable
from napari_segtrain.io.atomic import flush, new_folder, writing
from napari_segtrain.io.guard import reading
from napari_segtrain.io.ome import CLASSES_NAMESPACE, annotate_classes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from napari_segtrain.boxes import Box

Kind = Literal["labels", "maps"]

_LEAST_SIZE = 512
"""Levels end when no side of a plane is longer."""
_MAX_LEVELS = 7
_LEAST_SHARD = 16
"""Shortest side of a shard along which levels are halved."""
_CHUNK_3D = 64
_CHUNK_2D = 512
_COMPRESSION = 3
_MICROMETER = "micrometer"
_TYPES = {"T": "time", "C": "channel"}
_DEPTH_RATIO = 1.5
"""Slices are merged once they are less than so many pixels thick."""


@dataclass(frozen=True)
class Layout:
    """Shape, blocks and levels of a store.

    Parameters
    ----------
    axes : str
        Letters; item axes first, then ``C`` for maps, then the spatial axes.
    leading : tuple of int
        Size along the axes before the spatial ones.
    shape : ZYX
        Size in voxels; one slice where ``axes`` has no Z.
    block : ZYX
        Size of the blocks, and of the shards at full resolution.
    chunk : ZYX
        What is read at once; divides a block.
    factors : tuple of ZYX
        Of each level, how many voxels of the full resolution one of its voxels is
        long; (1, 1, 1) first.
    """

    axes: str
    leading: tuple[int, ...]
    shape: ZYX
    block: ZYX
    chunk: ZYX
    factors: tuple[ZYX, ...]

    @property
    def has_z(self) -> bool:
        """Whether the arrays have the axis Z."""
        return "Z" in self.axes

    def level_shape(self, level: int) -> ZYX:
        """Size of a level in its own voxels; what is left over counts as a voxel."""
        return _divided(self.shape, self.factors[level])

    def spatial(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Entries along Z, Y, X without that of a Z that the arrays lack."""
        return tuple(values) if self.has_z else tuple(values[1:])


def plan_layout(
    axes: str,
    leading: tuple[int, ...],
    shape: ZYX,
    block: ZYX,
    voxel_size: VoxelSize | None,
) -> Layout:
    """Choose chunks and levels for blocks.

    In the plane each level is half of the one before it; slices are merged once they
    are about as thick as pixels are wide (always, where the voxel size is unknown and
    blocks are thick), until a plane is small.

    Parameters
    ----------
    axes, leading, shape, block
        As in `Layout`; a block longer than the image is shortened to it.
    voxel_size : tuple of float, optional
        Micrometers of the spatial axes.
    """
    sizes = (1.0, *voxel_size)[-len(SPATIAL_AXES) :] if voxel_size else (1.0, 1.0, 1.0)
    z, y, x = (_fitted(n, size) for n, size in zip(block, shape, strict=True))
    factors = [(1, 1, 1)]
    while len(factors) < _MAX_LEVELS:
        following = _next_factor(factors[-1], (z, y, x), sizes)
        longest = max(_divided(shape, factors[-1])[1:])
        if following is None or longest <= _LEAST_SIZE:
            break
        factors.append(following)
    side = _CHUNK_2D if z < _LEAST_SHARD else _CHUNK_3D
    chunk_z = 1 if z < _LEAST_SHARD else _divisor(z, _CHUNK_3D)
    chunk = (chunk_z, _divisor(y, side), _divisor(x, side))
    return Layout(axes, leading, shape, (z, y, x), chunk, tuple(factors))


def _fitted(block: int, size: int) -> int:
    """Shorten a block to an image, with a length that can be halved often."""
    if block <= size:
        return _rounded(block)
    unit = _LEAST_SHARD if size > _LEAST_SHARD else 1
    return min(block, math.ceil(size / unit) * unit)


def _rounded(block: int) -> int:
    """Length that has divisors, so that chunks are neither tiny nor the whole."""
    return (
        block
        if block < _LEAST_SHARD
        else math.ceil(block / _LEAST_SHARD) * _LEAST_SHARD
    )


def _next_factor(last: ZYX, block: ZYX, sizes: Sequence[float]) -> ZYX | None:
    z, y, x = last
    _, block_y, block_x = block
    plane = (2 * y, 2 * x)
    if block_y % plane[0] or block_x % plane[1]:
        return None
    if min(block_y // plane[0], block_x // plane[1]) < _LEAST_SHARD:
        return None
    is_thick = sizes[0] * z > _DEPTH_RATIO * max(sizes[1] * y, sizes[2] * x)
    can_halve = block[0] % (2 * z) == 0
    return (z if is_thick or not can_halve else 2 * z, *plane)


def _divisor(size: int, wanted: int) -> int:
    """Largest divisor of ``size`` that is at most ``wanted``."""
    return next(n for n in range(min(size, wanted), 0, -1) if size % n == 0)


def _divided(shape: ZYX, factor: ZYX) -> ZYX:
    z, y, x = (-(-n // f) for n, f in zip(shape, factor, strict=True))
    return z, y, x


@dataclass(frozen=True)
class Content:
    """What the voxels of a store mean.

    Parameters
    ----------
    kind : {"labels", "maps"}
        How lower resolutions are made: of each few voxels the first, or their mean.
    dtype : str
        Of the voxels.
    name : str
        For people.
    voxel_size : tuple of float, optional
        Micrometers of the spatial axes.
    origin : tuple of float
        Place of the first voxel, in the units of the voxel size; at 0 without it.
    channel_names : tuple of str
        Of the axis C.
    classes : ClassTable, optional
        Of labels.
    fill : float
        Of voxels that were not written.
    """

    kind: Kind
    dtype: str
    name: str
    voxel_size: VoxelSize | None = None
    origin: tuple[float, ...] = ()
    channel_names: tuple[str, ...] = ()
    classes: ClassTable | None = None
    fill: float = 0.0


class PyramidWriter:
    """An open store; safe to use from several threads for different blocks.

    Parameters
    ----------
    path : Path
        Of a store that `create_pyramid` has made.
    layout : Layout
        With which it was made.
    kind : {"labels", "maps"}
        How lower resolutions are made.
    """

    def __init__(self, path: Path, layout: Layout, kind: Kind) -> None:
        self._path = path
        self._layout = layout
        self._kind: Kind = kind
        with writing(path):
            self._levels = [
                zarr.open_array(str(path / str(level)), mode="r+")
                for level in range(len(layout.factors))
            ]

    def write(
        self, position: tuple[int, ...], box: Box, values: npt.NDArray[Any]
    ) -> None:
        """Write a block at all resolutions, to the disk.

        Parameters
        ----------
        position : tuple of int
            On the leading axes, without C.
        box : Box
            A whole block, ZYX voxels of the full resolution; the last of an axis ends
            with the image.
        values : ndarray, shape ([C], Z, Y, X)
            Voxels of the box.

        Raises
        ------
        OutputError
            When the disk is full or the store cannot be written.
        """
        layout = self._layout
        first = tuple(b.start // n for b, n in zip(box, layout.block, strict=True))
        last: ZYX = (1, 1, 1)
        with writing(self._path):
            for level, factor in enumerate(layout.factors):
                values = _reduced(values, _divided(factor, last), self._kind)
                last = factor
                place = tuple(
                    slice(part.start // f, part.start // f + size)
                    for part, f, size in zip(
                        box, factor, values.shape[-len(SPATIAL_AXES) :], strict=True
                    )
                )
                self._put(level, position, place, values)
                self._flush(level, position, first)

    def read(self, position: tuple[int, ...], box: Box) -> npt.NDArray[Any]:
        """Read a box of the full resolution, shape ([C], Z, Y, X)."""
        key = (*position, ..., *self._layout.spatial(box))
        found = np.asarray(self._levels[0][key])
        axis = found.ndim - len(SPATIAL_AXES) + 1
        return found if self._layout.has_z else np.expand_dims(found, axis)

    def _put(
        self,
        level: int,
        position: tuple[int, ...],
        place: tuple[slice, ...],
        values: npt.NDArray[Any],
    ) -> None:
        if not self._layout.has_z:
            values = values.squeeze(-len(SPATIAL_AXES))
        key = (*position, ..., *self._layout.spatial(place))
        self._levels[level][key] = values

    def _flush(
        self, level: int, position: tuple[int, ...], first: Sequence[int]
    ) -> None:
        """Have the system write the shards of a block to the disk."""
        n_maps = self._layout.leading[len(position) :]
        for channel in np.ndindex(*n_maps):
            parts = (*position, *channel, *self._layout.spatial(first))
            shard = self._path.joinpath(str(level), "c", *map(str, parts))
            if shard.is_file():
                flush(shard)


def create_pyramid(path: Path, layout: Layout, content: Content) -> None:
    """Make a store without any voxel written, atomically, unless there is one.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    with new_folder(path) as temporary:
        group = zarr.open_group(str(temporary), mode="w", zarr_format=3)
        for level, factor in enumerate(layout.factors):
            _create_level(group, layout, content, level, factor)
        ome: dict[str, Any] = {
            "version": "0.5",
            "multiscales": [_multiscales(layout, content)],
        }
        if content.kind == "labels":
            ome["image-label"] = _colors(content.classes)
        if content.channel_names:
            channels = [_channel(name, content.dtype) for name in content.channel_names]
            ome["omero"] = {"channels": channels}
        group.attrs["ome"] = ome
        if content.classes is not None:
            group.attrs[CLASSES_NAMESPACE] = annotate_classes(content.classes)


def read_layout(path: Path) -> Layout:
    """Layout of a store that `create_pyramid` has made.

    Raises
    ------
    DataError
        When it is none, or damaged.
    """
    with reading(path):
        facts: Any = zarr.open_group(str(path), mode="r").attrs["ome"]
        image = facts["multiscales"][0]
        axes = "".join(axis["name"].upper() for axis in image["axes"])
        array = zarr.open_array(str(path / "0"), mode="r")
        steps = [
            entry["coordinateTransformations"][0]["scale"]
            for entry in image["datasets"]
        ]
    n_leading = len(axes.rstrip(SPATIAL_AXES))
    factors = [
        _zyx(round(a / b) for a, b in zip(*pair, strict=True))
        for pair in ((step[n_leading:], steps[0][n_leading:]) for step in steps)
    ]
    return Layout(
        axes,
        tuple(array.shape[:n_leading]),
        _zyx(array.shape[n_leading:]),
        _zyx((array.shards or array.chunks)[n_leading:]),
        _zyx(array.chunks[n_leading:]),
        tuple(factors),
    )


def _zyx(values: Iterable[int]) -> ZYX:
    """Spatial values, with 1 for a Z that is missing."""
    *_, z, y, x = 1, *values
    return z, y, x


def remove_leftovers(path: Path) -> None:
    """Delete what writers have left in a store that were killed; none may be at it."""
    for file in path.rglob("*.partial"):
        file.unlink(missing_ok=True)


def _create_level(
    group: zarr.Group, layout: Layout, content: Content, level: int, factor: ZYX
) -> None:
    ones = (1,) * len(layout.leading)
    shard = _divided(layout.block, factor)
    chunk = [_divisor(*pair) for pair in zip(shard, layout.chunk, strict=True)]
    group.create_array(
        str(level),
        shape=(*layout.leading, *layout.spatial(layout.level_shape(level))),
        shards=(*ones, *layout.spatial(shard)),
        chunks=(*ones, *layout.spatial(chunk)),
        dtype=content.dtype,
        compressors=ZstdCodec(level=_COMPRESSION),
        fill_value=content.fill,
        dimension_names=[letter.lower() for letter in layout.axes],
    )


def _multiscales(layout: Layout, content: Content) -> dict[str, Any]:
    sizes = content.voxel_size
    axes = [_axis(letter, has_unit=sizes is not None) for letter in layout.axes]
    n_spatial = sum(letter in SPATIAL_AXES for letter in layout.axes)
    return {
        "name": content.name,
        "axes": axes,
        "datasets": [
            {
                "path": str(level),
                "coordinateTransformations": _transforms(
                    layout, factor, sizes or (1.0,) * n_spatial, content.origin
                ),
            }
            for level, factor in enumerate(layout.factors)
        ],
        "type": "stride" if content.kind == "labels" else "mean",
    }


def _transforms(
    layout: Layout, factor: ZYX, sizes: Sequence[float], origin: Sequence[float]
) -> list[dict[str, Any]]:
    ones = [1.0] * len(layout.leading)
    steps = layout.spatial(factor)
    begin = origin or (0.0,) * len(sizes)
    scale = [size * n for size, n in zip(sizes, steps, strict=True)]
    places = [
        start + size * (n - 1) / 2
        for start, size, n in zip(begin, sizes, steps, strict=True)
    ]
    return [
        {"type": "scale", "scale": [*ones, *scale]},
        {"type": "translation", "translation": [*np.zeros(len(ones)), *places]},
    ]


def _axis(letter: str, *, has_unit: bool) -> dict[str, str]:
    axis = {"name": letter.lower()}
    if letter in SPATIAL_AXES:
        axis["type"] = "space"
        if has_unit:
            axis["unit"] = _MICROMETER
    elif letter in _TYPES:
        axis["type"] = _TYPES[letter]
    return axis


def _channel(name: str, dtype: str) -> dict[str, Any]:
    end = 255 if dtype == "uint8" else 1
    window = {"min": 0, "max": end, "start": 0, "end": end}
    return {"label": name, "color": "FFFFFF", "active": True, "window": window}


def _colors(classes: ClassTable | None) -> dict[str, Any]:
    """Colors of label values, as OME-Zarr stores them."""
    if classes is None or classes.is_objects:
        return {}
    rows = [row for row in classes.rows if row.role == "class"]
    return {
        "colors": [
            {"label-value": row.value, "rgba": [*bytes.fromhex(row.color[1:]), 255]}
            for row in rows
        ],
        "properties": [{"label-value": row.value, "name": row.name} for row in rows],
    }


def _reduced(values: npt.NDArray[Any], step: ZYX, kind: Kind) -> npt.NDArray[Any]:
    """Lower the resolution; what is left over at the end counts as a voxel."""
    if max(step) == 1:
        return values
    z, y, x = step
    if kind == "labels":
        return values[..., ::z, ::y, ::x]
    mean = values
    for axis, n in enumerate(step, start=values.ndim - len(SPATIAL_AXES)):
        mean = mean_along(mean, axis, n)
    return mean if values.dtype.kind == "f" else np.rint(mean).astype(values.dtype)


def mean_along(values: npt.NDArray[Any], axis: int, step: int) -> npt.NDArray[Any]:
    """Mean of each ``step`` entries of an axis, and of what is left over at its end.

    Returns
    -------
    ndarray
        float32, or what was given for a step of 1.
    """
    if step == 1:
        return values
    starts = np.arange(0, values.shape[axis], step)
    counts = np.diff([*starts, values.shape[axis]]).astype(np.float32)
    sums = np.add.reduceat(values, starts, axis=axis, dtype=np.float32)
    shape = [-1 if place == axis else 1 for place in range(values.ndim)]
    mean: npt.NDArray[np.float32] = np.divide(
        sums, counts.reshape(shape), dtype=np.float32
    )
    return mean
