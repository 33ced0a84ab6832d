"""Labels in stores, painted on: a layer of one resolution beside that of all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Labels

from napari_segtrain.inference.volume.work_folder import REPORT
from napari_segtrain.io.edited_labels import EditedLabels
from napari_segtrain.ui.classes.class_metadata import (
    read_class_table,
    write_class_table,
)
from napari_segtrain.ui.layers.look import Window, look_at
from napari_segtrain.ui.layers.results import result_of
from napari_segtrain.ui.layers.transforms import result_transform
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


@dataclass(frozen=True)
class Edit:
    """What of a store is to be painted on.

    Parameters
    ----------
    store : Path
        Of labels.
    axes : str
        Letters of the layer.
    window : (slice, slice), optional
        Pixels along Y and X that are in view.
    """

    store: Path
    axes: str
    window: Window | None

    def open(self) -> EditedLabels:
        """Open what is painted on; to be run in a thread.

        Where a slice is so large that it would be slow, it is what is in view.

        Raises
        ------
        DataError
            When the store cannot be read.
        """
        array = EditedLabels(self.store, axes=self.axes)
        plane = array.shape[-2] * array.shape[-1] * array.dtype.itemsize
        is_flat = all(size == 1 for size in array.shape[:-2])
        most = _MAX_FLAT_BYTES if is_flat else _MAX_SLICE_BYTES
        if self.window is None or plane <= most:
            return array
        y, x = self.window
        spans = {"Y": (y.start, y.stop), "X": (x.start, x.stop)}
        return EditedLabels(self.store, spans, self.axes)


def edit_of(viewer: ViewerModel, layer: Labels) -> Edit:
    """Say what is to be painted on of the store that a layer shows.

    Raises
    ------
    ValueError
        When it shows none.
    """
    store = editable_store(layer)
    if store is None:
        raise ValueError(f"{layer.name} shows no store")
    letters = "".join(str(label) for label in layer.axis_labels).upper()
    axes = str((result_of(layer) or {}).get("axes") or letters)
    return Edit(store, axes, look_at(viewer, layer, axes, 0).window)


def show_edited(viewer: ViewerModel, layer: Labels, array: EditedLabels) -> Labels:
    """Add a layer on which labels of a store are painted; hide the one that shows it.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the layer.
    layer : napari Labels layer
        Shows the store.
    array : EditedLabels
        From `Edit.open`.
    """
    place: dict[str, Any] = result_transform(
        layer, array.axes, keep=array.axes, origin=array.origin
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
