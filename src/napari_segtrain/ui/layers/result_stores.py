"""Results in stores as layers, read as far as they are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.io.levels import Levels, open_levels
from napari_segtrain.ui.classes.class_metadata import write_class_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari.types import LayerDataTuple

_SUFFIXES = (".ome.zarr", ".zarr")
_FULL = 255


def result_layers(path: Path) -> list[LayerDataTuple]:
    """Layers of a store that a prediction has written, with all its resolutions.

    Parameters
    ----------
    path : Path
        A store of labels or of maps; it may still be written.

    Returns
    -------
    list of LayerDataTuple
        One of labels, or one image per map.

    Raises
    ------
    DataError
        When it cannot be read.
    """
    levels = open_levels(path)
    name = path.name
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return [layer.as_layer_data_tuple() for layer in layers_of(levels, name)]


def layers_of(
    levels: Levels,
    name: str,
    place: Mapping[str, Any] | None = None,
    *,
    flat: int | None = None,
) -> list[Labels] | list[Image]:
    """Layers of a store; only what is looked at is read.

    Parameters
    ----------
    levels : Levels
        All resolutions.
    name : str
        Of the layer; maps of several classes get theirs behind it.
    place : mapping of str to object, optional
        Transform, units and names of the axes but that of channels; those of the store
        without.
    flat : int, optional
        Where layers get an axis of one entry, such as that of the channels of what they
        lie on.

    Returns
    -------
    list of Labels, or of Image
        One of labels, or one image per map.
    """
    place = _place(levels) if place is None else place
    if levels.kind == "labels":
        layer = Labels(_data(levels.arrays, flat), name=name, **place)
        if levels.classes is not None:
            write_class_table(layer, levels.classes)
        return [layer]
    if "C" not in levels.axes:
        return [_map(levels, name, place, flat)]
    names = levels.channel_names
    n_maps = levels.arrays[0].shape[levels.axes.index("C")]
    return [
        _map(levels.channel(n), f"{name} {names[n] if names else n}", place, flat)
        for n in range(n_maps)
    ]


def _map(
    levels: Levels, name: str, place: Mapping[str, Any], flat: int | None
) -> Image:
    is_small = np.dtype(levels.arrays[0].dtype.numpy_dtype).kind == "u"
    return Image(
        _data(levels.arrays, flat),
        name=name,
        contrast_limits=(0, _FULL if is_small else 1),
        blending="additive",
        visible=False,
        **place,
    )


def _data(arrays: Sequence[Any], flat: int | None) -> Any:
    """Levels for napari; a single one is no pyramid."""
    if flat is not None:
        key = (*(slice(None),) * flat, None)
        arrays = [array[key] for array in arrays]
    return list(arrays) if len(arrays) > 1 else arrays[0]


def _place(levels: Levels) -> dict[str, Any]:
    """Scale, place and names of the axes but that of channels."""
    kept = [n for n, axis in enumerate(levels.axes) if axis != "C"]
    letters = [levels.axes[n] for n in kept]
    is_known = levels.has_units
    return {
        "scale": [levels.scale[n] for n in kept],
        "translate": [levels.translation[n] for n in kept],
        "units": [
            "um" if is_known and axis in SPATIAL_AXES else "pixel" for axis in letters
        ],
        "axis_labels": [axis.lower() for axis in letters],
    }
