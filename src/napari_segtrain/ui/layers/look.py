"""What the viewer shows of an image."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segtrain.axes import CHANNEL_AXIS
from napari_segtrain.ui.layers.transforms import layer_axes, level_factors

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Image

    Points = npt.NDArray[np.float64]

Window = tuple[slice, slice]
"""Pixels along Y and X, with explicit start and stop."""


@dataclass(frozen=True)
class Look:
    """What the viewer shows of an image.

    Parameters
    ----------
    index : mapping of str to int
        Position on each axis but Y, X and channels; where the viewer is outside of the
        image, the nearest.
    window : (slice, slice), optional
        Pixels along Y and X that are seen; ``None`` where nothing is.
    """

    index: Mapping[str, int] = field(default_factory=dict)
    window: Window | None = None


def look_at(viewer: ViewerModel, layer: Image, axes: str, level: int) -> Look:
    """Find out what a viewer shows of a layer.

    Parameters
    ----------
    viewer : ViewerModel
        Its sliders and its camera.
    layer : napari Image layer
    axes : str
        One letter per dimension of the data of the layer.
    level : int
        Of a multiscale layer, in whose voxels the answer is.
    """
    letters = layer_axes(layer, axes)
    shape = (layer.data[level] if layer.multiscale else layer.data).shape
    sizes = dict(zip(letters, map(int, shape), strict=False))
    factors = level_factors(layer, level)
    point: Any = np.asarray(layer.world_to_data(viewer.dims.point))
    at = _at_level(point[-len(letters) :], factors)
    index = {
        letter: int(np.clip(round(float(value)), 0, sizes[letter] - 1))
        for letter, value in zip(letters, at, strict=False)
        if letter not in f"YX{CHANNEL_AXIS}"
    }
    low, high = _seen(viewer, layer, factors)
    window = []
    for letter in "YX":
        place, size = letters.index(letter), sizes[letter]
        start = int(np.clip(np.floor(low[place] + 0.5), 0, size))
        stop = int(np.clip(np.ceil(high[place] + 0.5), 0, size))
        window.append(slice(start, stop))
    y, x = window
    is_seen = y.start < y.stop and x.start < x.stop
    return Look(index, (y, x) if is_seen else None)


def _at_level(point: Points, factors: Points) -> Points:
    """From voxel centers of the full resolution to those of a level."""
    return (point - (factors - 1) / 2) / factors


def _seen(viewer: ViewerModel, layer: Image, factors: Points) -> tuple[Points, Points]:
    """Lowest and highest voxel centers of the box around what the canvas shows.

    Turned in three dimensions all is seen, and all along axes that are not displayed
    (an image may lie in the viewer with X along a slider).
    """
    n_dims = len(factors)
    low, high = np.full(n_dims, -np.inf), np.full(n_dims, np.inf)
    if viewer.dims.ndisplay != len("YX"):
        return low, high
    height, width = (float(n) for n in viewer.canvas.size)
    center = np.asarray(viewer.scene.camera.center, float)[-2:]
    half = np.array([height, width]) / 2 / viewer.scene.camera.zoom
    displayed = list(viewer.dims.displayed)
    corners = []
    for signs in itertools.product((-1, 1), repeat=2):
        point = np.array(viewer.dims.point, float)
        point[displayed] = center + signs * half
        voxel = np.asarray(layer.world_to_data(point))[-n_dims:]
        corners.append(_at_level(voxel, factors))
    first = viewer.dims.ndim - n_dims
    shown = [axis - first for axis in displayed if axis >= first]
    low[shown] = np.min(corners, axis=0)[shown]
    high[shown] = np.max(corners, axis=0)[shown]
    return low, high
