"""The error map as a Labels layer: added once, updated by later comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_segtrain.ui.classes.class_metadata import PLUGIN_KEY, RESULT_KEY
from napari_segtrain.ui.layers.results import result_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.components import ViewerModel

    from napari_segtrain.image import LazyArray

_ERRORS = "errors"
_OPACITY = 0.8


def is_error_map(layer: Any) -> bool:
    """Whether a layer is an error map of this plugin, or a copy of one."""
    plugin = layer.metadata.get(PLUGIN_KEY)
    result = plugin.get(RESULT_KEY) if isinstance(plugin, dict) else None
    return isinstance(result, dict) and result.get("kind") == _ERRORS


def find_error_map(viewer: ViewerModel) -> Labels | None:
    """Topmost error map of a viewer; copies of one are none."""
    for layer in reversed(viewer.layers):
        if (
            isinstance(layer, Labels)
            and (result_of(layer) or {}).get("kind") == _ERRORS
        ):
            return layer
    return None


def show_error_map(
    viewer: ViewerModel,
    errors: LazyArray,
    legend: Mapping[int, tuple[str, str]],
    *,
    transform: Mapping[str, Any],
    source: tuple[str, str],
) -> Labels:
    """Show an error map, in the layer of the one before where there is one.

    Parameters
    ----------
    viewer : ViewerModel
    errors : LazyArray of uint8
        0 where nothing is shown.
    legend : mapping
        Value to name and color.
    transform : mapping
        Where it lies, as `result_transform` gives it.
    source : (str, str)
        Names of the ground truth and of the segmentation.
    """
    name = f"errors of {source[1]}"
    place = {key: value for key, value in transform.items() if value is not None}
    layer = find_error_map(viewer)
    if layer is not None and layer.ndim == len(errors.shape):
        _update(layer, errors, place, name)
    else:
        if layer is not None:
            viewer.layers.remove(layer)
        layer = Labels(errors, name=name, opacity=_OPACITY, **place)
    _paint(layer, legend)
    _describe(layer, source)
    if layer not in viewer.layers:
        viewer.add_layer(layer)
    else:
        _raise(viewer, layer)
    return layer


def _raise(viewer: ViewerModel, layer: Labels) -> None:
    """Put a layer above those that would cover it."""
    at = viewer.layers.index(layer)
    if any(isinstance(other, Image | Labels) for other in viewer.layers[at + 1 :]):
        viewer.layers.move(at, len(viewer.layers))


def _update(
    layer: Labels, errors: LazyArray, place: Mapping[str, Any], name: str
) -> None:
    """Give a layer other voxels and another place; a name that the user gave stays."""
    given = layer.metadata[PLUGIN_KEY][RESULT_KEY].get("name")
    layer.data = errors
    for key, value in place.items():
        if not np.array_equal(np.asarray(getattr(layer, key)), np.asarray(value)):
            setattr(layer, key, value)
    if layer.name == given:
        layer.name = name


def _describe(layer: Labels, source: tuple[str, str]) -> None:
    truth, prediction = source
    result = {
        "kind": _ERRORS,
        "layer_id": str(layer.unique_id),
        "ground_truth": truth,
        "source": prediction,
        "name": layer.name,
    }
    layer.metadata = {**layer.metadata, PLUGIN_KEY: {RESULT_KEY: result}}


def _paint(layer: Labels, legend: Mapping[int, tuple[str, str]]) -> None:
    """Show names and colors; nothing is drawn anew where they are shown already."""
    if list(layer.features.get("index", ())) == list(legend):
        return
    colors: dict[int | None, str] = {None: "#00000000", 0: "#00000000"}
    colors |= {value: color for value, (_, color) in legend.items()}
    layer.colormap = DirectLabelColormap(color_dict=colors)
    names = [name for name, _ in legend.values()]
    layer.features = {"index": list(legend), "class": names}
