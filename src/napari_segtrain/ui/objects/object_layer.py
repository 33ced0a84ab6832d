"""Objects as a Labels layer whose selected label is a row of the table."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_segtrain.ui.classes.class_metadata import PLUGIN_KEY, RESULT_KEY
from napari_segtrain.ui.layers.slice_jump import show_voxel, shown_slice
from napari_segtrain.ui.layers.transforms import result_transform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_segtrain.ui.objects.object_work import LayerObjects

_OBJECTS = "objects"


class ObjectLayer(QObject):
    """Adds the layer, or updates the one before, and links it with a table.

    Parameters
    ----------
    viewer : ViewerModel
        Held weakly, as the layer is.
    origin : napari layer
        What the objects were made of.
    found : LayerObjects
    parent : QObject
        Owner.

    Attributes
    ----------
    selected : Signal(int, dict)
        The user picked an object: its id, and the position along item axes.
    """

    selected = Signal(int, object)

    def __init__(
        self, viewer: ViewerModel, origin: Layer, found: LayerObjects, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._viewer = weakref.ref(viewer)
        self._axes = found.axes
        self._is_following = False
        layer = _put(viewer, origin, found)
        self._layer = weakref.ref(layer)
        layer.events.selected_label.connect(self._on_layer_selected_label)

    @property
    def layer(self) -> Labels | None:
        """The layer, as long as it is there."""
        return self._layer()

    def show_object(self, row: Mapping[str, Any]) -> None:
        """Let the viewer show an object, and select its label."""
        viewer, layer = self._viewer(), self._layer()
        if viewer is None or layer is None or layer not in viewer.layers:
            return
        voxel = np.zeros(layer.ndim)
        for dim, axis in enumerate(self._axes):
            name = axis.lower()
            if f"{name}_from" in row:
                voxel[dim] = (row[f"{name}_from"] + row[f"{name}_to"] - 1) / 2
            else:
                voxel[dim] = row.get(name, 0)
        show_voxel(viewer, layer, voxel)
        self._is_following = True
        try:
            layer.selected_label = int(row["label"])
        finally:
            self._is_following = False

    def _on_layer_selected_label(self, _event: Any = None) -> None:
        viewer, layer = self._viewer(), self._layer()
        if not isalive(self) or self._is_following or viewer is None or layer is None:
            return
        place = {
            axis.lower(): round(at)
            for dim, axis in enumerate(self._axes)
            if axis not in "ZYX"
            for at in [shown_slice(viewer, layer, dim)]
            if at is not None
        }
        self.selected.emit(int(layer.selected_label), place)


def _put(viewer: ViewerModel, origin: Layer, found: LayerObjects) -> Labels:
    place = result_transform(origin, _source_axes(origin, found), keep=found.axes)
    given = {key: value for key, value in place.items() if value is not None}
    layer = _former(viewer, origin)
    if layer is not None and layer.ndim == found.ids.ndim:
        layer.data = found.ids
    else:
        layer = Labels(found.ids, name=f"objects of {origin.name}", **given)
        result = {
            "kind": _OBJECTS,
            "layer_id": str(layer.unique_id),
            "source_id": str(origin.unique_id),
        }
        layer.metadata = {PLUGIN_KEY: {RESULT_KEY: result}}
        viewer.add_layer(layer)
    layer.features = _features(found)
    layer.visible = True
    return layer


def _source_axes(origin: Layer, found: LayerObjects) -> str:
    """Axes of the layer that objects were made of, with its channels."""
    from napari_segtrain.ui.objects.separation_source import maps_axes

    return found.axes if isinstance(origin, Labels) else maps_axes(origin)


def _former(viewer: ViewerModel, origin: Layer) -> Labels | None:
    """Objects that were made of the same layer before."""
    for layer in reversed(viewer.layers):
        plugin = layer.metadata.get(PLUGIN_KEY)
        result = plugin.get(RESULT_KEY) if isinstance(plugin, dict) else None
        if (
            isinstance(layer, Labels)
            and isinstance(result, dict)
            and result.get("kind") == _OBJECTS
            and result.get("layer_id") == str(layer.unique_id)
            and result.get("source_id") == str(origin.unique_id)
        ):
            return layer
    return None


def _features(found: LayerObjects) -> dict[str, Any]:
    """Table of a single item, as napari shows it; of several, ids occur twice."""
    if len(found.items) != 1:
        return {}
    item = found.items[0]
    columns = item.table.columns
    features = {"index": columns["label"], "class": item.objects.class_names}
    return features | {name: columns[name] for name in columns if name != "label"}
