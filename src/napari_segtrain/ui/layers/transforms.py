"""Where the voxels of a layer are in the world, and layers that lie on them.

A layer maps voxels to the world by ``affine * (rotate * shear * scale + translate)``.
Voxel ``v`` of level ``n`` of a multiscale layer covers ``f`` voxels of level 0 along an
axis, and its center is at ``f * v + (f - 1) / 2``, as napari draws it in 2D.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pint
from napari.utils.transforms import Affine

from napari_segtrain.axes import CHANNEL_AXIS, VoxelSize, spatial_axes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.layers import Layer

    Matrix = npt.NDArray[np.float64]

_EXACT = 1e-9


@dataclass(frozen=True)
class Placement:
    """Where voxels are in the world.

    Parameters
    ----------
    axes : str
        One letter per dimension that napari knows (the colors of an RGB layer are
        none).
    matrix : ndarray of shape (n + 1, n + 1)
        From voxels to the world, homogeneous. World axes are those of the layer.
    units : tuple of pint.Unit
        Of the world axes.
    """

    axes: str
    matrix: Matrix
    units: tuple[pint.Unit, ...]

    def along(self, letters: str) -> Placement:
        """Return the part along some axes, in that order."""
        at = [self.axes.index(letter) for letter in letters]
        rows = [*at, len(self.axes)]
        units = tuple(self.units[index] for index in at)
        return Placement(letters, self.matrix[np.ix_(rows, rows)], units)


def layer_axes(layer: Layer, axes: str) -> str:
    """Letters of the dimensions that napari knows: without the colors of RGB."""
    return axes.removesuffix(CHANNEL_AXIS) if getattr(layer, "rgb", False) else axes


def level_factors(layer: Layer, level: int) -> Matrix:
    """Size of a voxel of ``level`` in voxels of level 0, per dimension of the layer."""
    if not layer.multiscale:
        return np.ones(layer.ndim)
    whole, part = layer.data[0].shape, layer.data[level].shape
    return np.divide(whole[: layer.ndim], part[: layer.ndim])


def placement(layer: Layer, axes: str, *, level: int = 0) -> Placement:
    """Where the voxels of a level of a layer are.

    Parameters
    ----------
    layer : napari Image or Labels layer
    axes : str
        One letter per dimension of its data.
    level : int
        Of a multiscale layer.
    """
    factors = level_factors(layer, level)
    to_data = np.diag([*factors, 1.0])
    to_data[:-1, -1] = (factors - 1) / 2
    matrix = _world_matrix(layer) @ to_data
    return Placement(layer_axes(layer, axes), matrix, tuple(layer.units))


def _world_matrix(layer: Layer) -> Matrix:
    """From data to the world, without the rounding of mapped points."""
    physical = Affine(
        scale=layer.scale,
        translate=layer.translate,
        rotate=layer.rotate,
        shear=layer.shear,
        ndim=layer.ndim,
    )
    matrix: Matrix = layer.affine.affine_matrix @ physical.affine_matrix
    return matrix


def voxel_size(layer: Layer, axes: str, *, level: int = 0) -> VoxelSize | None:
    """Micrometers per voxel along the spatial axes of ``axes``, in the order ZYX.

    The scale of the layer in its units, times what its affine transform adds; ``None``
    when a unit is no length (napari's default is the pixel).

    Parameters
    ----------
    layer : napari Image or Labels layer
    axes : str
        One letter per dimension of its data.
    level : int
        Of a multiscale layer.
    """
    letters = layer_axes(layer, axes)
    at = [letters.index(axis) for axis in spatial_axes(letters)]
    to_um = np.array([_micrometers(unit) for unit in layer.units])
    if np.isnan(to_um[at]).any():
        return None
    frame = layer.affine.linear_matrix @ layer.rotate
    stretch = np.linalg.norm(np.nan_to_num(to_um)[:, None] * frame, axis=0)
    sizes = np.abs(layer.scale) * stretch * level_factors(layer, level)
    return tuple(float(f"{size:.9g}") for size in sizes[at])


def _micrometers(unit: pint.Unit) -> float:
    return unit_ratio(unit, pint.get_application_registry().micrometer) or np.nan


def unit_ratio(unit: pint.Unit, other: pint.Unit) -> float | None:
    """How many of ``other`` a unit is; ``None`` when they measure different things."""
    if unit.dimensionality != other.dimensionality:
        return None  # an error of pint would keep its frames, and with them a widget
    try:
        return float((1.0 * unit).to(other).magnitude)
    except (pint.DimensionalityError, ValueError):
        return None


def result_axes(layer: Layer, axes: str) -> str:
    """Axes of a result that lies on a layer slice by slice, its channels merged.

    napari aligns the last axes of layers. A channel axis in front (or of RGB) is left
    out; one behind an axis that stays is kept, with a single entry.
    """
    letters = layer_axes(layer, axes)
    return letters.removeprefix(CHANNEL_AXIS)


def result_transform(
    layer: Layer,
    axes: str,
    *,
    keep: str,
    origin: Mapping[str, int] | None = None,
    level: int = 0,
    class_axis: bool = False,
) -> dict[str, Any]:
    """Transform of a layer that is made from voxels of another.

    Parameters
    ----------
    layer : napari Image or Labels layer
        Source.
    axes : str
        One letter per dimension of its data.
    keep : str
        Axes of the result, in its order. A kept ``C`` has a single entry that spans
        all channels. Axes are left out only where the world does not mix them with
        kept ones; of a source that is turned in Z keep Z, with one slice.
    origin : mapping of str to int
        First voxel of the result, per letter of the level; 0 where it is missing.
    level : int
        Level of a multiscale source that the result is made from.
    class_axis : bool
        Whether the result has one axis more in front, that of the classes.

    Returns
    -------
    dict
        ``scale``, ``translate``, ``rotate``, ``shear``, ``affine``, ``units`` and
        ``axis_labels`` for ``add_labels`` or ``add_image``. Each voxel lies where it
        lies in the source.
    """
    letters = layer_axes(layer, axes)
    factors, start = _sampling(layer, letters, keep, origin or {}, level)
    at = [letters.index(letter) for letter in keep]
    rows = sorted(at)
    parts = _selected(layer, rows, factors, start)
    target = _target(layer, at, factors, start)
    if rows != at or not _is_same(_composed(parts), target):
        parts = _as_affine(np.abs(layer.scale * factors)[at], target)
    parts["units"] = tuple(layer.units[index] for index in rows)
    labels = _axis_labels(layer, at)
    if class_axis:
        return _with_classes(parts, labels, keep)
    return parts | {"axis_labels": labels}


def _sampling(
    layer: Layer, letters: str, keep: str, origin: Mapping[str, int], level: int
) -> tuple[Matrix, Matrix]:
    """Step and start of the result in voxels of level 0, per dimension."""
    steps = level_factors(layer, level)
    first = np.array([origin.get(letter, 0) for letter in letters], float)
    start = steps * first + (steps - 1) / 2
    if CHANNEL_AXIS in keep:
        channel = letters.index(CHANNEL_AXIS)
        n_channels = (layer.data[0] if layer.multiscale else layer.data).shape[channel]
        steps[channel], start[channel] = n_channels, (n_channels - 1) / 2
    return steps, start


def _target(layer: Layer, at: Sequence[int], factors: Matrix, start: Matrix) -> Matrix:
    """Exact matrix from voxels of the result to the kept world axes."""
    world = _world_matrix(layer)
    rows = sorted(at)
    matrix = np.eye(len(at) + 1)
    matrix[:-1, :-1] = (world[:-1, :-1] * factors)[np.ix_(rows, list(at))]
    matrix[:-1, -1] = (world[:-1, :-1] @ start + world[:-1, -1])[rows]
    return matrix


def _selected(
    layer: Layer, rows: Sequence[int], factors: Matrix, start: Matrix
) -> dict[str, Any]:
    """Rows of each part of the transform; exact unless left out axes are mixed in."""
    square = np.ix_(rows, rows)
    shear = _shear_matrix(layer)
    linear = layer.rotate @ shear * layer.scale
    translate = layer.translate + linear @ start
    left_out = [index for index in range(layer.ndim) if index not in rows]
    affine = np.eye(len(rows) + 1)
    affine[:-1, :-1] = layer.affine.linear_matrix[square]
    mixed_in = layer.affine.linear_matrix[np.ix_(rows, left_out)] @ translate[left_out]
    affine[:-1, -1] = layer.affine.translate[rows] + mixed_in
    return {
        "scale": (layer.scale * factors)[rows],
        "translate": translate[rows],
        "rotate": layer.rotate[square],
        "shear": shear[square],
        "affine": affine,
    }


def _shear_matrix(layer: Layer) -> Matrix:
    shear = np.asarray(layer.shear, float)
    if shear.ndim == len("YX"):
        return shear
    matrix = np.eye(layer.ndim)
    matrix[np.triu_indices(layer.ndim, k=1)] = shear
    return matrix


def _composed(parts: Mapping[str, Any]) -> Matrix:
    physical = np.eye(len(parts["scale"]) + 1)
    physical[:-1, :-1] = parts["rotate"] @ parts["shear"] * parts["scale"]
    physical[:-1, -1] = parts["translate"]
    composed: Matrix = parts["affine"] @ physical
    return composed


def _is_same(matrix: Matrix, target: Matrix) -> bool:
    lengths = np.linalg.norm(target[:-1, :-1], axis=0).min()
    error = np.abs(matrix - target)
    far = 1 + np.abs(target[:-1, -1]).max()
    return bool((error <= _EXACT * min(lengths, 1.0) * far).all())


def _as_affine(scale: Matrix, target: Matrix) -> dict[str, Any]:
    """Scale and one affine transform that is all the rest."""
    affine = target.copy()
    affine[:-1, :-1] /= scale
    n = len(scale)
    return {
        "scale": scale,
        "translate": np.zeros(n),
        "rotate": np.eye(n),
        "shear": np.eye(n),
        "affine": affine,
    }


def _axis_labels(layer: Layer, at: Sequence[int]) -> tuple[str, ...] | None:
    defaults = tuple(str(index) for index in range(-layer.ndim, 0))
    if tuple(layer.axis_labels) == defaults:
        return None
    return tuple(layer.axis_labels[index] for index in at)


def _with_classes(
    parts: dict[str, Any], labels: tuple[str, ...] | None, keep: str
) -> dict[str, Any]:
    """One neutral axis in front."""
    pixel = pint.get_application_registry().pixel
    return {
        "scale": np.array([1.0, *parts["scale"]]),
        "translate": np.array([0.0, *parts["translate"]]),
        "rotate": _bordered(parts["rotate"]),
        "shear": _bordered(parts["shear"]),
        "affine": _bordered(parts["affine"]),
        "units": (pixel, *parts["units"]),
        "axis_labels": ("class", *(labels or keep.lower())),
    }


def _bordered(matrix: Matrix) -> Matrix:
    bordered = np.eye(len(matrix) + 1)
    bordered[1:, 1:] = matrix
    return bordered
