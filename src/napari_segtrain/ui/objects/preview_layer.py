"""Objects of the slice on show, as a Labels layer that is replaced at every change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_segtrain.ui.classes.class_metadata import PLUGIN_KEY, RESULT_KEY
from napari_segtrain.ui.layers.transforms import result_transform

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_segtrain.ui.objects.object_work import PreviewResult

_PREVIEW = "object preview"
_NAME = "preview of objects"


def is_preview(layer: Any) -> bool:
    """Whether a layer is a preview of objects."""
    plugin = layer.metadata.get(PLUGIN_KEY)
    result = plugin.get(RESULT_KEY) if isinstance(plugin, dict) else None
    return isinstance(result, dict) and result.get("kind") == _PREVIEW


def find_preview(viewer: ViewerModel) -> Labels | None:
    """The preview of a viewer."""
    return next((layer for layer in viewer.layers if is_preview(layer)), None)


def remove_preview(viewer: ViewerModel) -> None:
    """Take the preview away."""
    layer = find_preview(viewer)
    if layer is not None:
        viewer.layers.remove(layer)


def show_preview(viewer: ViewerModel, source: Layer, result: PreviewResult) -> None:
    """Show objects where they lie in their layer; the active layer stays active.

    Parameters
    ----------
    viewer : ViewerModel
    source : napari Labels or Image layer
        What they were made of.
    result : PreviewResult
        With ids.
    """
    request = result.request
    kept = "".join(axis for axis in request.source.axes if axis != "C")
    y, x = request.part.window
    origin = {**request.index, "Z": request.z, "Y": y.start, "X": x.start}
    place = result_transform(
        source,
        request.source.axes,
        keep=kept,
        origin={axis: at for axis, at in origin.items() if axis in kept},
    )
    place = _coarsened(place, kept, request.part.step)
    ids = np.asarray(result.ids)
    shape = [1] * len(kept)
    shape[kept.index("Y")], shape[kept.index("X")] = ids.shape
    if kept.index("Y") > kept.index("X"):
        ids = ids.T
    _put(viewer, ids.reshape(shape), place)


def _coarsened(place: dict[str, Any], axes: str, step: int) -> dict[str, Any]:
    """Transform of an image of which each so manieth pixel is there."""
    if step == 1:
        return place
    scale = np.array(place["scale"], float)
    shift = np.zeros(len(axes))
    for axis in "YX":
        at = axes.index(axis)
        shift[at] = scale[at] * (step - 1) / 2
        scale[at] *= step
    is_turned = any(place.get(name) is not None for name in ("rotate", "shear"))
    moved = np.array(place["translate"], float) + (0 if is_turned else shift)
    return {**place, "scale": scale, "translate": moved}


def _put(viewer: ViewerModel, ids: Any, place: dict[str, Any]) -> None:
    active = viewer.layers.selection.active
    layer = find_preview(viewer)
    given = {key: value for key, value in place.items() if value is not None}
    if layer is not None and layer.ndim != ids.ndim:
        viewer.layers.remove(layer)
        layer = None
    if layer is None:
        layer = Labels(ids, name=_NAME, opacity=0.6, **given)
        layer.editable = False
        layer.metadata = {PLUGIN_KEY: {RESULT_KEY: {"kind": _PREVIEW}}}
        viewer.add_layer(layer)
    else:
        layer.data = ids
        for key, value in given.items():
            if not np.array_equal(np.asarray(getattr(layer, key)), np.asarray(value)):
                setattr(layer, key, value)
    if active is not None and active in viewer.layers and active is not layer:
        viewer.layers.selection.active = active
