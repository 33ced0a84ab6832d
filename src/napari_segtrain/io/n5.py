"""N5 containers, read with tensorstore."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.io.formats import N5_SUFFIXES, suffix_of
from napari_segtrain.io.guard import reading
from napari_segtrain.io.lazy import Block, BlockArray, Slices
from napari_segtrain.io.parts import (
    axis_letters,
    is_coarse,
    is_level,
    only,
    without_coarse_levels,
)
from napari_segtrain.io.source import Source
from napari_segtrain.io.units import to_micrometers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_ATTRIBUTES = "attributes.json"
_OF_ARRAYS = ("dimensions", "blockSize", "dataType", "compression")
_MAX_DEPTH = 12
Attributes = dict[str, Any]


def open_n5(path: Path) -> Source:
    """Open the array of a container, group or array folder at full resolution.

    N5 counts axes from X on; here the last axis is X. Names of axes (``axes``) and
    voxel size (``pixelResolution``, ``resolution`` with ``units``, or ``transform`` as
    COSEM writes it) come from the array, the size else from the nearest group above
    it that tells one.

    Parameters
    ----------
    path : Path
        The container (``cells.n5``), or a part of it (``cells.n5/volumes/raw``).

    Raises
    ------
    DataError
        When the container is damaged, or what to read in it is not clear.
    """
    with reading(path):
        shapes = dict(_shapes(path))
        own = shapes.get("")
        name = "" if own else only(without_coarse_levels(shapes), path, "arrays")
        folder = path / name
        facts = _attributes(folder)
        array = _lazy(folder, facts)
        axes = axis_letters(reversed(facts.get("axes", ())), array.ndim)
        level = name if is_level(name) else ""
        return Source(array, axes, _sizes(folder, axes), level=level)


def _lazy(folder: Path, facts: Attributes) -> BlockArray:
    import tensorstore

    spec = {
        "driver": "n5",
        "kvstore": {"driver": "file", "path": folder.absolute().as_posix()},
        "metadata": {name: facts[name] for name in _OF_ARRAYS},
    }
    opening = tensorstore.open(spec, open=True, read=True, assume_metadata=True)
    store = opening.result().T  # other attributes, which may be anything, are not read
    dtype: np.dtype[Any] = np.dtype(store.dtype.numpy_dtype)

    def read_box(box: Slices) -> Block:
        with reading(folder):
            return np.asarray(store[box].read(order="C").result())

    return BlockArray(tuple(store.shape), dtype, read_box)


def _shapes(top: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Path below ``top`` and shape (X first) of each array, without its blocks."""
    for root, folders, files in os.walk(top):
        folder = Path(root)
        inner = folder.relative_to(top)
        facts = _attributes(folder) if _ATTRIBUTES in files else {}
        if "dimensions" in facts:
            name = inner.as_posix() if inner.parts else ""
            yield name, tuple(map(int, facts["dimensions"]))
        if "dimensions" in facts or len(inner.parts) >= _MAX_DEPTH:
            folders.clear()


def _attributes(folder: Path) -> Attributes:
    try:
        found = json.loads((folder / _ATTRIBUTES).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    if not isinstance(found, dict):
        raise TypeError(f"{folder / _ATTRIBUTES} holds no table")
    return found


def _sizes(folder: Path, axes: str) -> Mapping[str, float | None]:
    facts = _attributes(folder)
    sizes = _told_sizes(facts, axes)
    if sizes or is_coarse(folder.name):
        return _scaled(sizes, facts, axes)
    for parent in _groups_above(folder):
        sizes = _told_sizes(_attributes(parent), axes)
        if sizes:
            return sizes
    return {}


def _groups_above(folder: Path) -> Iterator[Path]:
    """Groups that hold an array, up to the container."""
    while suffix_of(folder) not in N5_SUFFIXES:
        folder = folder.parent
        yield folder


def _told_sizes(facts: Attributes, axes: str) -> dict[str, float | None]:
    transform = facts.get("transform")
    if isinstance(transform, dict) and "scale" in transform:
        letters = "".join(str(name)[:1].upper() for name in transform.get("axes", ()))
        return _by_axis(letters, transform["scale"], transform.get("units"))
    sizes: Any = facts.get("pixelResolution", facts.get("resolution", ()))
    unit = facts.get("units", facts.get("unit"))
    if isinstance(sizes, dict):
        sizes, unit = sizes.get("dimensions", ()), sizes.get("unit", unit)
    return _by_axis(_letters(sizes, axes), sizes, unit)


def _letters(values: Sequence[Any], axes: str) -> str:
    """Axes of numbers in N5's order: one each, or X, Y and Z alone."""
    return axes[::-1] if len(values) == len(axes) else SPATIAL_AXES[::-1]


def _by_axis(
    letters: str, sizes: Sequence[Any], units: object
) -> dict[str, float | None]:
    known = units if isinstance(units, list) else [units] * len(sizes)
    return {
        axis: to_micrometers(size, unit)
        for axis, size, unit in zip(letters, sizes, known, strict=False)
        if axis in SPATIAL_AXES
    }


def _scaled(
    sizes: Mapping[str, float | None], facts: Attributes, axes: str
) -> Mapping[str, float | None]:
    """Sizes of a coarser level, whose ``pixelResolution`` is that of the finest."""
    factors = facts.get("downsamplingFactors", ())
    if "transform" in facts or not factors:
        return sizes
    by_axis = dict(zip(_letters(factors, axes), factors, strict=False))
    return {a: size and size * by_axis.get(a, 1) for a, size in sizes.items()}
