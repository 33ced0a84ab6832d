"""The layers of one prediction, from its first block to its end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_segtrain.ui.layers.reading import (
    read_class_table,
    result_transform,
    write_class_table,
)
from napari_segtrain.ui.layers.results import Kind, Origin, result_of, store_result

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_segtrain.image import ClassTable, ZeroPolicy
    from napari_segtrain.ui.predict.result_canvas import ResultCanvas

INCOMPLETE = " (incomplete)"
_FULL = 255
_ZEROS: tuple[ZeroPolicy, ...] = ("dense", "painted-slices", "unlabelled")
"""What 0 means, from what claims most."""
_GREATEST = {"deviation": 0.5}
"""Of maps that do not reach 1."""


class PlacedResult:
    """The layers of one prediction.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the layers; results that the canvas goes on with are there already.
    origin : Origin
        Source; the result lies on it as it lies now.
    canvas : ResultCanvas
        What is shown.
    """

    def __init__(
        self, viewer: ViewerModel, origin: Origin, canvas: ResultCanvas
    ) -> None:
        self._origin = origin
        self._canvas = canvas
        self._n_shown = 0
        self.maps = self._place_maps(viewer)
        self.uncertainty = self._place_uncertainty(viewer)
        self.labels = self._place_labels(viewer)
        self._name = self.labels.name
        self.labels.editable = False
        self.labels.events.paint.connect(self._on_labels_edited)
        self.labels.events.set_data.connect(self._on_labels_set)

    @property
    def is_edited(self) -> bool:
        """Whether somebody wrote into the labels, which ends the painting."""
        return self._canvas.is_closed

    def refresh(self) -> None:
        """Show what was painted since the last time."""
        n_painted = self._canvas.n_painted
        if n_painted == self._n_shown:
            return
        self._n_shown = n_painted
        for layer in self._layers():
            layer.refresh(thumbnail=False, highlight=False, extent=False)

    def finish(
        self,
        *,
        is_complete: bool,
        zero: ZeroPolicy,
        fingerprint: str | None,
        model_state: str,
    ) -> None:
        """Let the user edit the labels, and remember what they are.

        Parameters
        ----------
        is_complete : bool
            Whether all that was asked for is predicted.
        zero : {"dense", "painted-slices", "unlabelled"}
            What 0 means in what was asked for.
        fingerprint : str, optional
            Of the labels; without one they are never written over.
        model_state : str
            State of the model file.
        """
        self.labels.events.paint.disconnect(self._on_labels_edited)
        self.labels.events.set_data.disconnect(self._on_labels_set)
        self.labels.editable = True
        if self._canvas.is_closed:
            fingerprint = None
        for layer in self._layers():
            store_result(
                layer,
                is_complete=is_complete,
                fingerprint=fingerprint,
                model_state=model_state,
            )
            layer.refresh(extent=False)
        self._write_classes(zero if is_complete else _looser(zero, "painted-slices"))
        if self.labels.name == self._name:
            name = self._name.removesuffix(INCOMPLETE)
            self.labels.name = name if is_complete else name + INCOMPLETE

    def _layers(self) -> list[Layer]:
        layers = (self.maps, self.uncertainty, self.labels)
        return [layer for layer in layers if layer is not None]

    def _place_labels(self, viewer: ViewerModel) -> Labels:
        for layer in viewer.layers:
            if isinstance(layer, Labels) and layer.data is self._canvas.labels:
                self._tell_origin(layer, "segmentation")
                return layer
        layer = viewer.add_labels(
            self._canvas.labels,
            name=f"{self._origin.layer.name} segmentation",
            **self._transform(class_axis=False),
        )
        self._tell_origin(layer, "segmentation")
        write_class_table(layer, self._table("dense"))
        _clear_background(layer, self._canvas.classes)
        return layer

    def _place_maps(self, viewer: ViewerModel) -> Layer | None:
        maps = self._canvas.maps
        if maps is None:
            return None
        layer, is_new = self._place_image(viewer, maps, "probabilities")
        first = self._canvas.classes.foreground[:1]
        if is_new and first and layer.ndim == viewer.dims.ndim:
            viewer.dims.set_current_step(0, first[0])
        return layer

    def _place_uncertainty(self, viewer: ViewerModel) -> Layer | None:
        values = self._canvas.uncertainty
        if values is None:
            return None
        layer, _ = self._place_image(viewer, values, "uncertainty")
        store_result(layer, quantity=self._canvas.uncertainty_name)
        return layer

    def _place_image(
        self, viewer: ViewerModel, values: npt.NDArray[Any], kind: Kind
    ) -> tuple[Layer, bool]:
        """Find the layer of a map, or add it; tell whether it is new."""
        found = next((each for each in viewer.layers if each.data is values), None)
        if found is not None:
            self._tell_origin(found, kind)
            return found, False
        has_classes = kind == "probabilities"
        name = kind if has_classes else self._canvas.uncertainty_name
        full = _FULL if values.dtype == np.uint8 else 1
        layer = viewer.add_image(
            values,
            name=f"{self._origin.layer.name} {name}",
            contrast_limits=(0, _GREATEST.get(name, 1) * full),
            colormap="inferno" if has_classes else "magma",
            blending="additive",
            **self._transform(class_axis=has_classes),
        )
        self._tell_origin(layer, kind)
        return layer, True

    def _transform(self, *, class_axis: bool) -> dict[str, Any]:
        frame = self._canvas.frame
        parts = result_transform(
            self._origin.layer,
            self._origin.axes,
            keep=frame.axes,
            origin=frame.origin,
            level=self._origin.level,
            class_axis=class_axis,
        )
        if class_axis and "C" not in frame.axes:
            parts["axis_labels"] = ("C", *parts["axis_labels"][1:])
        return parts

    def _tell_origin(self, layer: Layer, kind: Kind) -> None:
        frame = self._canvas.frame
        store_result(
            layer,
            **self._origin.metadata(kind),
            layer_id=str(layer.unique_id),
            frame={"axes": frame.axes, "origin": dict(frame.origin)},
            classes=list(self._canvas.outputs),
        )

    def _write_classes(self, zero: ZeroPolicy) -> None:
        """Say what 0 means, unless the user has changed the table.

        Of a layer in which a whole prediction lies already all is known; of one in
        which parts lie no more than of the part of which least is.
        """
        found = read_class_table(self.labels)
        if found is None or _uncounted(found) not in map(self._table, _ZEROS):
            return
        before = (result_of(self.labels) or {}).get("zero", zero)
        zero = "dense" if "dense" in {zero, before} else _looser(zero, before)
        store_result(self.labels, zero=zero, is_whole=zero == "dense")
        write_class_table(self.labels, self._table(zero))
        _clear_background(self.labels, self._canvas.classes)

    def _table(self, zero: ZeroPolicy) -> ClassTable:
        """Classes of the result; what was left out is no background."""
        classes = _uncounted(self._canvas.classes)
        return replace(classes, zero=zero) if classes.zero == "dense" else classes

    def _on_labels_edited(self) -> None:
        """Write nothing over what a script or another plugin enters."""
        self._canvas.is_closed = True

    def _on_labels_set(self) -> None:
        if self.labels.data is not self._canvas.labels:
            self._canvas.is_closed = True


def _looser(first: ZeroPolicy, second: ZeroPolicy) -> ZeroPolicy:
    """Which of two meanings of 0 claims less."""
    return max(first, second, key=_ZEROS.index)


def _uncounted(table: ClassTable) -> ClassTable:
    rows = tuple(replace(row, n_voxels=0) for row in table.rows)
    return replace(table, rows=rows)


def _clear_background(layer: Labels, classes: ClassTable) -> None:
    """Show the image through a background that is not 0, as painted strokes have it."""
    painted = [r.value for r in classes.classes if r.role == "background" and r.value]
    if painted and isinstance(layer.colormap, DirectLabelColormap):
        colors = dict(layer.colormap.color_dict)
        colors.update(dict.fromkeys(painted, "transparent"))
        layer.colormap = DirectLabelColormap(color_dict=colors)
