"""Results in stores as layers, read as far as they are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.io.levels import Levels, open_levels
from napari_segtrain.ui.classes.class_metadata import write_class_table

if TYPE_CHECKING:
    from collections.abc import Sequence
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
    layers = [_labels(levels, name)] if levels.kind == "labels" else _maps(levels, name)
    return [layer.as_layer_data_tuple() for layer in layers]


def _labels(levels: Levels, name: str) -> Labels:
    layer = Labels(_data(levels.arrays), name=name, **_place(levels))
    if levels.classes is not None:
        write_class_table(layer, levels.classes)
    return layer


def _maps(levels: Levels, name: str) -> list[Image]:
    if "C" not in levels.axes:
        return [_map(levels, levels.arrays, name)]
    channel = levels.axes.index("C")
    whole = (slice(None),) * channel
    n_maps = levels.arrays[0].shape[channel]
    names = levels.channel_names or tuple(map(str, range(n_maps)))
    return [
        _map(
            levels,
            tuple(array[(*whole, n)] for array in levels.arrays),
            f"{name} {names[n]}",
        )
        for n in range(n_maps)
    ]


def _map(levels: Levels, arrays: tuple[Any, ...], name: str) -> Image:
    is_small = arrays[0].dtype.numpy_dtype.kind == "u"
    return Image(
        _data(arrays),
        name=name,
        contrast_limits=(0, _FULL if is_small else 1),
        blending="additive",
        visible=False,
        **_place(levels),
    )


def _data(arrays: Sequence[Any]) -> Any:
    """Levels for napari; a single one is no pyramid."""
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
