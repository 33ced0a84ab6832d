"""The two layers of a comparison, and what the viewer shows of them."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segtrain.ui.compare.error_layer import show_error_map
from napari_segtrain.ui.layers.slice_jump import show_slice, show_voxel, shown_slice
from napari_segtrain.ui.layers.transforms import result_transform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.components import ViewerModel
    from napari.layers import Labels

    from napari_segtrain.ui.compare.comparison import Comparison
    from napari_segtrain.ui.compare.overlap import Overlaid, Overlap
    from napari_segtrain.ui.compare.slice_series import Place


class ComparedPair:
    """Layers of a comparison, held weakly, and how they lie on one another.

    Parameters
    ----------
    truth, prediction : napari Labels layers
    overlaid : Overlaid
        What they share.

    Attributes
    ----------
    names : tuple of str
        Of ground truth and segmentation, as they were.
    """

    def __init__(self, truth: Labels, prediction: Labels, overlaid: Overlaid) -> None:
        self.names = str(truth.name), str(prediction.name)
        self._overlap = overlaid.overlap
        self._truth = weakref.ref(truth)
        self._prediction = weakref.ref(prediction)
        self._transform = result_transform(
            truth,
            self._overlap.truth_axes,
            keep=self._overlap.axes,
            origin=self._overlap.origin,
        )

    @property
    def overlap(self) -> Overlap:
        """Voxels that both share."""
        return self._overlap

    def layers(self) -> tuple[Labels | None, Labels | None]:
        """Ground truth and segmentation, as far as they are there."""
        return self._truth(), self._prediction()

    def first_missing(self, present: Sequence[Labels]) -> str | None:
        """Name of a layer that is not among those that are present."""
        named = zip(self.layers(), self.names, strict=True)
        return next((name for layer, name in named if layer not in present), None)

    def show_errors(self, viewer: ViewerModel, comparison: Comparison) -> None:
        """Add or update the error map; the active layer stays active."""
        active = viewer.layers.selection.active
        layer = show_error_map(
            viewer,
            comparison.errors,
            comparison.legend,
            transform=self._transform,
            source=self.names,
        )
        layer.visible = True
        if active is not None and active in viewer.layers:
            viewer.layers.selection.active = active

    def shown_slices(
        self, viewer: ViewerModel, axes: Sequence[str]
    ) -> dict[str, float | None]:
        """Slice of the ground truth that the viewer shows, by axis."""
        truth = self._truth()
        if truth is None:
            return {}
        dims = {axis: self._overlap.truth_dim(axis) for axis in axes}
        return {axis: shown_slice(viewer, truth, dim) for axis, dim in dims.items()}

    def show_object(self, viewer: ViewerModel, row: Mapping[str, Any]) -> None:
        """Let the viewer show the middle of an object.

        Parameters
        ----------
        viewer : ViewerModel
        row : mapping
            Of `ObjectList.to_rows`: voxel of the overlap, by axis.
        """
        truth = self._truth()
        if truth is None:
            return
        voxel = np.zeros(truth.ndim)
        for axis in self._overlap.axes:
            dim = self._overlap.truth_dim(axis)
            voxel[dim] = self._overlap.origin[axis] + float(row.get(axis.lower(), 0))
        show_voxel(viewer, truth, voxel)

    def go_to(self, viewer: ViewerModel, place: Place) -> None:
        """Let the viewer show a slice of the ground truth."""
        truth = self._truth()
        if truth is None:
            return
        for axis, number in place.index.items():
            show_slice(viewer, truth, self._overlap.truth_dim(axis), number)
