"""The layers of one prediction into stores, from its first block to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_segtrain.axes import CHANNEL_AXIS
from napari_segtrain.image import IGNORE_INDEX
from napari_segtrain.ui.layers.reading import (
    result_axes,
    result_transform,
    write_class_table,
)
from napari_segtrain.ui.layers.result_stores import layers_of
from napari_segtrain.ui.layers.results import Origin, result_of, store_result
from napari_segtrain.ui.layers.transforms import layer_axes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_segtrain.ui.predict.prediction_events import (
        StoredResult,
        StorePreviewed,
    )

INCOMPLETE = " (incomplete)"


class PlacedStore:
    """The layers of one prediction into stores.

    What is looked at is read from the disk, so layers fill in as blocks are written.
    What is between the network and the labels is shown until these are there.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the layers.
    origin : Origin
        Source; results lie on it as it lies now.
    """

    def __init__(self, viewer: ViewerModel, origin: Origin) -> None:
        self._viewer = viewer
        self._origin = origin
        self._layers: dict[str, list[Layer]] = {}
        self._preview: Layer | None = None

    def show_preview(self, event: StorePreviewed) -> None:
        """Add a layer of the part that was predicted first, until a block is there."""
        keep, flat = self._axes(event.axes)
        place = self._place(keep, event.origin)
        if place is None:
            return
        values = event.labels if flat is None else np.expand_dims(event.labels, flat)
        name = f"{self._origin.layer.name} preview"
        self._preview = Labels(values, name=name, **place)
        if event.classes is not None:
            write_class_table(self._preview, event.classes)
        self._preview.editable = False
        self._viewer.add_layer(self._preview)

    def drop_preview(self) -> None:
        """Take the layer of the preview away."""
        if self._preview is not None:
            self._remove([self._preview])
            self._preview = None

    def show(self, results: Sequence[StoredResult]) -> None:
        """Add layers of stores, and take away those of stores that are not named."""
        names = [str(result.path) for result in results]
        for path in [path for path in self._layers if path not in names]:
            self._remove(self._layers.pop(path))
        for result in results:
            if str(result.path) not in self._layers:
                self._layers[str(result.path)] = self._added(result)

    def refresh(self) -> None:
        """Show the blocks that were written since."""
        self.drop_preview()
        for layer in self._shown():
            layer.refresh(thumbnail=False, highlight=False, extent=False)

    def finish(self, *, is_complete: bool) -> None:
        """Say whether all is there."""
        self.drop_preview()
        for layer in self._shown():
            store_result(layer, is_complete=is_complete)
            layer.name = layer.name.removesuffix(INCOMPLETE)
            if not is_complete:
                layer.name += INCOMPLETE
            layer.refresh(extent=False)

    def _shown(self) -> list[Layer]:
        found = [layer for layers in self._layers.values() for layer in layers]
        return [layer for layer in found if layer in self._viewer.layers]

    def _remove(self, layers: Sequence[Layer]) -> None:
        for layer in layers:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def _added(self, result: StoredResult) -> list[Layer]:
        """Add the layers of a store, or find those that show it already."""
        path = str(result.path)
        there = [
            layer
            for layer in self._viewer.layers
            if (result_of(layer) or {}).get("store") == path
        ]
        if there:
            return there
        keep, flat = self._axes(result.levels.axes.replace(CHANNEL_AXIS, ""))
        layers = layers_of(result.levels, result.name, self._place(keep), flat=flat)
        for layer in layers:
            store_result(
                layer,
                **self._origin.metadata(result.kind),
                layer_id=str(layer.unique_id),
                store=path,
                axes=keep,
            )
            if result.kind == "segmentation":
                layer.visible = True
            if isinstance(layer, Labels):
                _clear_unknown(layer)
                layer.editable = False  # one of a single level as well
            self._viewer.add_layer(layer)
        return list(layers)

    def _axes(self, keep: str) -> tuple[str, int | None]:
        """Axes of layers, and where they get one of a single entry.

        Without it an axis of a store would lie on that of the channels of its source.
        """
        axes = result_axes(self._origin.layer, self._origin.axes)
        if CHANNEL_AXIS not in axes or axes.replace(CHANNEL_AXIS, "") != keep:
            return keep, None
        return axes, axes.index(CHANNEL_AXIS)

    def _place(
        self, keep: str, first: Mapping[str, int] | None = None
    ) -> dict[str, Any] | None:
        """Where the source is; the place in the store where axes are others."""
        source, axes = self._origin.layer, self._origin.axes
        if not set(keep) <= set(layer_axes(source, axes)):
            return None
        level = self._origin.level
        return result_transform(source, axes, keep=keep, origin=first, level=level)


def _clear_unknown(layer: Labels) -> None:
    """Show the image where no block is yet."""
    if isinstance(layer.colormap, DirectLabelColormap):
        colors = {IGNORE_INDEX: "transparent", **layer.colormap.color_dict}
        layer.colormap = DirectLabelColormap(color_dict=colors)
