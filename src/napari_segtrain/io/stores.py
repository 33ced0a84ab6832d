"""Zarr stores: OME-Zarr 0.4 and 0.5, and plain arrays and groups."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.errors import DataError
from napari_segtrain.io.guard import reading
from napari_segtrain.io.lazy import Block, BlockArray, Slices
from napari_segtrain.io.ome import CLASSES_NAMESPACE, parse_classes
from napari_segtrain.io.parts import axis_letters, only
from napari_segtrain.io.source import Source
from napari_segtrain.io.units import to_micrometers

if TYPE_CHECKING:
    from pathlib import Path

_OLD_OME_AXES = "tczyx"
Attributes = Mapping[str, Any]


def open_store(path: Path, *, as_labels: bool) -> Source:
    """Open a store, or a group or array inside it, at full resolution.

    Of an OME-Zarr image with label images, ``as_labels`` takes its only label image.

    Parameters
    ----------
    path : Path
        The store (``cells.zarr``), or a part of it (``cells.zarr/labels/nuclei``).
    as_labels : bool
        Prefer the label image inside an image.

    Raises
    ------
    DataError
        When the store is damaged, or what to read in it is not clear.
    """
    with reading(path):
        node = zarr.open(str(path), mode="r")
        if isinstance(node, zarr.Array):
            return _plain_source(node, path)
        names = _label_names(node) if as_labels else []
        if names:
            chosen = only(names, path / "labels", "label images")
            return _group_source(_group(node, f"labels/{chosen}"), path)
        return _group_source(node, path)


def _group_source(group: Any, path: Path) -> Source:
    facts = _ome_facts(group)
    if "plate" in facts:
        raise DataError(
            f"{path} is a plate of many images; give the path of one of them, such as "
            f"{path.name}/A/1/0."
        )
    if "bioformats2raw.layout" in facts and "multiscales" not in facts:
        group = _group(group, "0")
        facts = _ome_facts(group)
    if "multiscales" in facts:
        return _ome_source(group, facts, path)
    arrays = {
        name: node
        for name, node in _members(group)
        if isinstance(node, zarr.Array) and np.dtype(node.dtype).kind in "biuf"
    }
    name = only(sorted(arrays), path, "arrays")
    return _plain_source(arrays[name], path)


def _ome_source(group: Any, facts: Attributes, path: Path) -> Source:
    image = facts["multiscales"][0]
    level = str(image["datasets"][0]["path"])
    array = group[level]
    axes = [_axis(axis) for axis in image.get("axes", _OLD_OME_AXES)]
    if len(axes) != array.ndim:
        raise ValueError(f"{len(axes)} axes for {array.ndim} dimensions")
    return Source(
        array=_lazy(array, path),
        axes="".join(letter for letter, _ in axes),
        sizes=_sizes(image, axes),
        channel_names=_channel_names(facts),
        classes=parse_classes(facts.get(CLASSES_NAMESPACE, {})),
        level=array.path,
    )


def _axis(axis: Attributes | str) -> tuple[str, object]:
    """Letter and unit of an OME-Zarr axis."""
    if isinstance(axis, str):
        return axis[:1].upper(), None
    return axis["name"][:1].upper(), axis.get("unit")


def _sizes(
    image: Attributes, axes: Sequence[tuple[str, object]]
) -> dict[str, float | None]:
    scales = [*_scales(image["datasets"][0]), *_scales(image)]
    if not scales:
        return {}
    product = np.prod(np.array(scales, float), axis=0)
    return {
        letter: to_micrometers(float(size), unit)
        for (letter, unit), size in zip(axes, product, strict=True)
        if letter in SPATIAL_AXES
    }


def _scales(entry: Attributes) -> Iterator[Sequence[float]]:
    for transform in entry.get("coordinateTransformations", ()):
        if transform.get("type") == "scale" and "scale" in transform:
            yield transform["scale"]


def _channel_names(facts: Attributes) -> tuple[str, ...]:
    channels = facts.get("omero", {}).get("channels", ())
    names = tuple(str(channel.get("label") or "") for channel in channels)
    return names if all(names) else ()


def _plain_source(array: Any, path: Path) -> Source:
    names = getattr(array.metadata, "dimension_names", None)
    names = names or array.attrs.get("_ARRAY_DIMENSIONS") or ()
    letters = axis_letters(names, array.ndim)
    return Source(array=_lazy(array, path), axes=letters, level=array.path)


def _lazy(array: Any, path: Path) -> BlockArray:
    dtype = np.dtype(array.dtype).newbyteorder("=")

    def read_box(box: Slices) -> Block:
        with reading(path):
            return np.asarray(array[box], dtype)

    return BlockArray(tuple(array.shape), dtype, read_box)


def _ome_facts(group: Any) -> dict[str, Any]:
    attributes = dict(group.attrs)
    return {**attributes, **attributes.get("ome", {})}


def _label_names(group: Any) -> list[str]:
    if "multiscales" not in _ome_facts(group) or "labels" not in group:
        return []
    labels = _group(group, "labels")
    listed = _ome_facts(labels).get("labels")
    return list(listed or sorted(name for name, _ in _members(labels)))


def _members(group: Any) -> list[tuple[str, Any]]:
    """Arrays and groups of a group; other files in it (OME-XML, notes) are no news."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(group.members())


def _group(group: Any, name: str) -> Any:
    child = group[name]
    if isinstance(child, zarr.Array):
        raise TypeError(f"'{name}' is an array, not a group")
    return child
