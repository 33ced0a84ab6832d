"""Slices of a layer and where the viewer stands.

A layer that is turned against its sliders is drawn by napari as if the displayed world
coordinates were 0; so are its slices numbered here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Labels

    Matrix = npt.NDArray[np.float64]

_FLAT = 1e-9


def show_slice(viewer: ViewerModel, layer: Labels, axis: int, index: int) -> None:
    """Move the sliders of a viewer to a slice of a layer.

    Nothing moves where the viewer displays the axis.

    Parameters
    ----------
    viewer : ViewerModel
    layer : napari Labels layer
    axis : int
        Dimension of the data of the layer.
    index : int
        Slice along it, in voxels of the layer.
    """
    hidden = _hidden(viewer, layer)
    if axis not in hidden:
        return
    matrix, start = _to_voxels(layer, hidden)
    voxel = matrix @ _point(viewer, layer, hidden) + start
    voxel[hidden.index(axis)] = index
    world = np.linalg.lstsq(matrix, voxel - start, rcond=None)[0]
    shift = viewer.dims.ndim - layer.ndim
    viewer.dims.set_point([i + shift for i in hidden], world.tolist())


def show_voxel(viewer: ViewerModel, layer: Labels, voxel: Matrix) -> None:
    """Let a viewer show a place of a layer in the middle of the view.

    Parameters
    ----------
    viewer : ViewerModel
    layer : napari Labels layer
    voxel : ndarray of float64, shape (n_dims,)
        Of the layer.
    """
    for axis, at in enumerate(voxel):
        show_slice(viewer, layer, axis, round(float(at)))
    shift = viewer.dims.ndim - layer.ndim
    world = np.array(viewer.dims.point, float)
    world[shift:] = layer.data_to_world(voxel)
    shown = world[list(viewer.dims.displayed)]
    viewer.scene.camera.center = tuple(np.pad(shown, (3 - len(shown), 0)).tolist())


def shown_slice(viewer: ViewerModel, layer: Labels, axis: int) -> float | None:
    """Slice of a layer that the viewer shows; ``None`` when it shows several.

    May lie between two slices, or outside of the layer.
    """
    hidden = _hidden(viewer, layer)
    if axis not in hidden:
        return None
    matrix, start = _to_voxels(layer, hidden)
    if np.abs(matrix[hidden.index(axis)]).max() < _FLAT:
        return None
    voxel = matrix @ _point(viewer, layer, hidden) + start
    return float(voxel[hidden.index(axis)])


def _hidden(viewer: ViewerModel, layer: Labels) -> list[int]:
    """Dimensions of a layer that have a slider."""
    shift = viewer.dims.ndim - layer.ndim
    return sorted(axis - shift for axis in viewer.dims.not_displayed if axis >= shift)


def _point(viewer: ViewerModel, layer: Labels, hidden: Sequence[int]) -> Matrix:
    own = viewer.dims.point[viewer.dims.ndim - layer.ndim :]
    return np.array([own[axis] for axis in hidden], float)


def _to_voxels(layer: Labels, hidden: Sequence[int]) -> tuple[Matrix, Matrix]:
    """From positions of sliders to voxels along the same dimensions."""
    start = np.array(layer.world_to_data(np.zeros(layer.ndim)), float)
    ways = np.eye(layer.ndim)[list(hidden)]
    columns = [np.array(layer.world_to_data(way), float) - start for way in ways]
    matrix = np.array([column[list(hidden)] for column in columns]).T
    return matrix, start[list(hidden)]
