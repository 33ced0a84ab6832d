"""Labels in stores, painted on: a layer of one resolution beside that of all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Labels

from napari_segtrain.inference.volume.work_folder import REPORT
from napari_segtrain.io.edited_labels import EditedLabels
from napari_segtrain.ui.classes.class_metadata import (
    read_class_table,
    write_class_table,
)
from napari_segtrain.ui.layers.results import result_of
from napari_segtrain.ui.layers.transforms import result_transform
from napari_segtrain.ui.predict.look import look_at
from napari_segtrain.ui.reader import result_at

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

EDITED = " (edited)"
_MAX_SLICE_BYTES = 4 << 20
"""napari reads a slice of a layer of one resolution as a whole, at each step."""
_MAX_FLAT_BYTES = 64 << 20
"""Of a flat image, which is read once."""


def editable_store(layer: Layer | None) -> Path | None:
    """Store of a layer of labels that shows a complete one; ``None`` for others.

    While it is being predicted blocks would be written over.
    """
    if not isinstance(layer, Labels) or edited_of(layer) is not None:
        return None
    known = (result_of(layer) or {}).get("store")
    if known is None and layer.source.path is not None:
        known = result_at(layer.source.path)
    if known is None or not (Path(known) / REPORT).is_file():
        return None
    return Path(known)


def edited_of(layer: Layer | None) -> EditedLabels | None:
    """What is painted on in a layer that `edit_store` has made."""
    data = layer.data if isinstance(layer, Labels) else None
    return data if isinstance(data, EditedLabels) else None


def edit_store(viewer: ViewerModel, layer: Labels) -> Labels:
    """Add a layer on which the labels of a store can be painted.

    Where a slice is so large that it would be slow, the layer covers what is in view.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the layer.
    layer : napari Labels layer
        Shows the store; it is hidden.

    Raises
    ------
    DataError
        When the store cannot be read.
    """
    store = editable_store(layer)
    if store is None:
        raise ValueError(f"{layer.name} shows no store")
    axes = (result_of(layer) or {}).get("axes")
    array = EditedLabels(store, axes=axes)
    window = look_at(viewer, layer, array.axes, 0).window
    plane = array.shape[-2] * array.shape[-1] * array.dtype.itemsize
    is_flat = all(size == 1 for size in array.shape[:-2])
    most = _MAX_FLAT_BYTES if is_flat else _MAX_SLICE_BYTES
    origin: dict[str, int] = {}
    if window is not None and plane > most:
        spans = {
            axis: (part.start, part.stop)
            for axis, part in zip("YX", window, strict=True)
        }
        array = EditedLabels(store, spans, axes)
        origin = {axis: start for axis, (start, _) in spans.items()}
    place: dict[str, Any] = result_transform(
        layer, array.axes, keep=array.axes, origin=origin
    )
    edited = Labels(array, name=layer.name + EDITED, **place)
    table = read_class_table(layer)
    if table is not None:
        write_class_table(edited, table)
    layer.visible = False
    viewer.add_layer(edited)
    viewer.layers.selection.active = edited
    return edited


def show_saved(viewer: ViewerModel, store: Path) -> None:
    """Have the layers that show a store read it again."""
    for layer in viewer.layers:
        if editable_store(layer) == store:
            layer.refresh(extent=False)
