"""Two layers side by side: one left, the other right of a line that can be moved."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Vectors
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

from napari_segtrain.ui.classes.class_metadata import PLUGIN_KEY, RESULT_KEY
from napari_segtrain.ui.compare.small_labels import small_labels
from napari_segtrain.ui.compare.swiped_array import SwipedArray
from napari_segtrain.ui.layers.transforms import result_transform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel

    from napari_segtrain.ui.compare.compared_pair import ComparedPair
    from napari_segtrain.ui.compare.overlap import Overlap

_SWIPE = "swipe"
_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
_LOOKS = ("opacity", "blending", "contour")
_EDITS = ("data", "paint")
_LINE_COLOR = "white"
_LINE_SHARE = 400
"""Of the longer side of a slice, for the width of the line."""


@dataclass(frozen=True)
class SwipeSide:
    """A layer that may be shown on one side of the line.

    Parameters
    ----------
    layer : napari Labels layer
    offset : dict of str to int
        Voxel of the ground truth at the first voxel of the layer, by axis.
    """

    layer: Labels
    offset: dict[str, int]


def swipe_sides(pairs: Sequence[ComparedPair]) -> list[SwipeSide]:
    """Ground truth, then each segmentation, as far as they are there."""
    sides: list[SwipeSide] = []
    for pair in pairs:
        truth, prediction = pair.layers()
        overlap = pair.overlap
        if truth is not None and not sides:
            sides.append(SwipeSide(truth, dict.fromkeys(overlap.axes, 0)))
        if prediction is not None:
            starts = zip(overlap.truth_start, overlap.prediction_start, strict=True)
            offsets = [there - here for there, here in starts]
            offset = dict(zip(overlap.axes, offsets, strict=True))
            sides.append(SwipeSide(prediction, offset))
    return sides


def is_swipe(layer: Any) -> bool:
    """Whether a layer is shown by a swipe."""
    plugin = layer.metadata.get(PLUGIN_KEY)
    result = plugin.get(RESULT_KEY) if isinstance(plugin, dict) else None
    return isinstance(result, dict) and result.get("kind") == _SWIPE


class Swipe(QObject):
    """Hides layers, and shows in their place what is left and right of a line.

    Ended by `end`, when one of its layers is removed or gets another shape, and in 3D.

    Parameters
    ----------
    viewer : ViewerModel
        Held weakly.
    sides : (SwipeSide, SwipeSide)
        Left and right.
    truth : napari Labels layer
        In whose voxels the line is placed.
    overlap : Overlap
        Where it may be.
    hidden : sequence of layers
        What would be seen beside them: both layers, other segmentations, errors.
    parent : QObject
        Owner.

    Attributes
    ----------
    ended : Signal()
        Everything is shown as before.
    axis_changed : Signal()
        The line lies across another axis; it is in the middle.
    """

    ended = Signal()
    axis_changed = Signal()

    def __init__(
        self,
        viewer: ViewerModel,
        sides: tuple[SwipeSide, SwipeSide],
        *,
        truth: Labels,
        overlap: Overlap,
        hidden: Sequence[Any],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = weakref.ref(viewer)
        self._overlap = overlap
        self._truth = weakref.ref(truth)
        self._sides = sides
        self._arrays = [_array_of(side.layer) for side in sides]
        self._layers = [
            _layer_of(side.layer, array, word)
            for side, array, word in zip(
                sides, self._arrays, ("left", "right"), strict=True
            )
        ]
        self._line: Vectors | None = None
        self._hidden = [(weakref.ref(layer), layer.visible) for layer in hidden]
        self._settling = QTimer(self, singleShot=True, interval=0)
        self._settling.timeout.connect(self._refresh)
        self._at = 0
        self._reset_axis()
        self._show(viewer)
        self._connect(viewer)

    @property
    def axis(self) -> str:
        """Axis that the line lies across, by its letter."""
        return self._letters()[-1]

    @property
    def span(self) -> range:
        """Voxels of the ground truth between which the line may be."""
        start, size = self._extent(self.axis)
        return range(start, start + size + 1)

    @property
    def position(self) -> int:
        """First voxel of the ground truth right of the line."""
        return self._at

    @property
    def layers(self) -> list[Labels]:
        """What is shown left and right."""
        return self._layers

    @property
    def line(self) -> Vectors | None:
        """The line between them."""
        return self._line

    def move(self, position: int) -> None:
        """Put the line before a voxel of the ground truth; drawn in a moment."""
        self._at = min(max(position, self.span[0]), self.span[-1])
        self._settling.start()

    def end(self) -> None:
        """Show everything as before."""
        viewer = self._viewer()
        if self._layers:
            self._settling.stop()
            self._disconnect(viewer)
            if viewer is not None:
                self._take_back(viewer)
            self._layers, self._line = [], None
            self.ended.emit()

    def _take_back(self, viewer: ViewerModel) -> None:
        """Remove what was added, and show what was hidden."""
        shown = [*self._layers, self._line]
        self._layers, self._line = [], None
        for layer in shown:
            if layer is not None and layer in viewer.layers:
                viewer.layers.remove(layer)
        for reference, was_visible in self._hidden:
            layer = reference()
            if layer is not None and layer in viewer.layers:
                layer.visible = was_visible

    def _show(self, viewer: ViewerModel) -> None:
        """Add the layers above those they stand for; the active one stays active."""
        active = viewer.layers.selection.active
        for reference, _ in self._hidden:
            layer = reference()
            if layer is not None:
                layer.visible = False
        is_shown = False
        try:
            for layer in self._layers:
                viewer.layers.append(layer)
            self._line = self._make_line()
            if self._line is not None:
                viewer.layers.append(self._line)
            is_shown = True
        finally:
            if not is_shown:
                self._take_back(viewer)
        if active is not None and active in viewer.layers:
            viewer.layers.selection.active = active

    def _connect(self, viewer: ViewerModel) -> None:
        viewer.layers.events.removed.connect(self._on_layers_removed)
        for name in ("order", "ndisplay"):
            viewer.dims.events[name].connect(self._on_dims_changed)
        for side in self._sides:
            for name in _EDITS:
                side.layer.events[name].connect(self._on_layer_edited)

    def _disconnect(self, viewer: ViewerModel | None) -> None:
        if viewer is not None:
            viewer.layers.events.removed.disconnect(self._on_layers_removed)
            for name in ("order", "ndisplay"):
                viewer.dims.events[name].disconnect(self._on_dims_changed)
        for side in self._sides:
            for name in _EDITS:
                side.layer.events[name].disconnect(self._on_layer_edited)

    def _letters(self) -> tuple[str, str]:
        """Axes of the ground truth that the viewer shows down and to the right."""
        viewer = self._viewer()
        letters = self._overlap.truth_axes
        if viewer is None:
            return letters[-2], letters[-1]
        down, right = (at - viewer.dims.ndim for at in viewer.dims.displayed[-2:])
        if min(down, right) < -len(letters):
            return letters[-2], letters[-1]
        return letters[down], letters[right]

    def _extent(self, axis: str) -> tuple[int, int]:
        """First voxel and number of those that both sides have along an axis."""
        if axis not in self._overlap.axes:
            return 0, 1
        at = self._overlap.axes.index(axis)
        return self._overlap.truth_start[at], self._overlap.shape[at]

    def _reset_axis(self) -> None:
        """Put the line in the middle of the axis that is shown to the right."""
        self._at = (self.span[0] + self.span[-1]) // 2
        self._cut()

    def _cut(self) -> None:
        """Say which voxels are left and which are right of the line."""
        letters = self._overlap.truth_axes
        from_end = letters.index(self.axis) - len(letters)
        for side, array, is_left in zip(
            self._sides, self._arrays, (True, False), strict=True
        ):
            array.axis = max(from_end + array.ndim, 0)
            size = array.shape[array.axis]
            at = self._at - side.offset.get(self.axis, 0)
            at = min(max(at, 0), size)
            array.kept = range(at) if is_left else range(at, size)

    def _refresh(self) -> None:
        self._cut()
        for layer in self._layers:
            layer.refresh(thumbnail=False, highlight=False, extent=False)
        if self._line is not None:
            self._line.data = self._line_data()

    def _make_line(self) -> Vectors | None:
        """Line in the last two dimensions; none where others are displayed."""
        truth, letters = self._truth(), self._letters()
        if truth is None or letters != tuple(self._overlap.truth_axes[-2:]):
            return None
        place = result_transform(truth, self._overlap.truth_axes, keep="".join(letters))
        known = {key: value for key, value in place.items() if value is not None}
        data = self._line_data()
        line = Vectors(
            data,
            name="swipe",
            vector_style="line",
            edge_color=_LINE_COLOR,
            edge_width=max(len(self.span), float(data[0, 1, 0])) / _LINE_SHARE,
            **known,
        )
        _mark(line)
        return line

    def _line_data(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Start and way of the line, in voxels of the ground truth."""
        start, size = self._extent(self._letters()[0])
        return np.array([[[start - 0.5, self._at - 0.5], [size, 0.0]]])

    def _on_layers_removed(self, event: Any) -> None:
        """End after the removal, when one of the layers is gone."""
        own = [*(side.layer for side in self._sides), *self._layers, self._line]
        if isalive(self) and any(event.value is layer for layer in own):
            QTimer.singleShot(0, self.end)

    def _on_dims_changed(self, _event: Any = None) -> None:
        viewer = self._viewer()
        if not isalive(self) or viewer is None:
            return
        if viewer.dims.ndisplay == 3:  # noqa: PLR2004 - the view of volumes
            QTimer.singleShot(0, self.end)
            return
        self._reset_axis()
        if self._line is not None:
            letters = tuple(self._overlap.truth_axes[-2:])
            self._line.visible = self._letters() == letters
        self._settling.start()
        self.axis_changed.emit()

    def _on_layer_edited(self, event: Any) -> None:
        if not isalive(self):
            return
        for side, array in zip(self._sides, self._arrays, strict=True):
            if event.source is side.layer:
                if tuple(side.layer.data.shape) != array.shape:
                    QTimer.singleShot(0, self.end)
                    return
                array.replace(side.layer.data)
        self._settling.start()


def _array_of(layer: Labels) -> SwipedArray:
    return SwipedArray(layer.data, small_labels(layer)[0])


def _layer_of(layer: Labels, array: SwipedArray, word: str) -> Labels:
    """Layer that looks like another, and lies where it lies."""
    place = {key: getattr(layer, key) for key in (*_PLACE, *_LOOKS) if key != "contour"}
    swiped = Labels(
        array,
        name=f"swipe {word}: {layer.name}",
        colormap=small_labels(layer)[1],
        **place,
    )
    swiped.contour = layer.contour
    swiped.editable = False
    _mark(swiped)
    return swiped


def _mark(layer: Any) -> None:
    result = {"kind": _SWIPE, "layer_id": str(layer.unique_id)}
    layer.metadata = {**layer.metadata, PLUGIN_KEY: {RESULT_KEY: result}}
