"""Labels on an image: which voxels of the image they cover, found in the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels

from napari_segtrain.axes import CHANNEL_AXIS, SPATIAL_AXES
from napari_segtrain.errors import DataError
from napari_segtrain.ui.layers.grids import GRID_TOLERANCE, GridOffset
from napari_segtrain.ui.layers.transforms import (
    Placement,
    layer_axes,
    level_factors,
    placement,
    unit_ratio,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    Matrix = npt.NDArray[np.float64]

_REMEDY = (
    "labels need the voxels of their image, shifted by whole voxels at most: give both "
    "layers the same transform, or make labels with New training labels."
)


@dataclass(frozen=True)
class LabelBox:
    """Part of an image that labels cover.

    Parameters
    ----------
    axes : str
        One letter per dimension of the labels.
    shape : tuple of int
        Of the labels.
    offset : dict of str to int
        Voxel of the image at the first voxel of the labels, per axis of the image but
        channels; negative where the labels begin before it.
    """

    axes: str
    shape: tuple[int, ...]
    offset: dict[str, int]


def label_axes(labels: Labels, image: Image, axes: str) -> str:
    """One letter per dimension of a Labels layer, seen from its image.

    Its own axis labels when they are letters of the image, else its dimensions are
    the last of the image.

    Parameters
    ----------
    labels : napari Labels layer
    image : napari Image layer
    axes : str
        Letters of the image.
    """
    own = "".join(labels.axis_labels).upper()
    if len(own) == labels.ndim == len(set(own)) and set(own) <= set(axes):
        return own
    letters = layer_axes(image, axes)
    if labels.ndim >= len(letters):
        extra = [axis for axis in "ZTSPQ" if axis not in letters]
        return "".join(extra[: labels.ndim - len(letters)][::-1]) + letters
    return letters.replace(CHANNEL_AXIS, "")[-labels.ndim :]


def label_box(image: Image, labels: Labels, axes: str, *, level: int = 0) -> LabelBox:
    """Voxels of an image that a Labels layer covers.

    Labels with fewer dimensions than their image lie on no slice of it in particular
    (napari shows them on all), so the image must have a single one along the others.

    Parameters
    ----------
    image : napari Image layer
    labels : napari Labels layer
    axes : str
        One letter per dimension of the data of the image.
    level : int
        Of a multiscale image.

    Raises
    ------
    DataError
        Naming the difference: scale, orientation, a shift by part of a voxel, missing
        dimensions, no overlap.
    """
    letters = label_axes(labels, image, axes)
    box = LabelBox(letters, tuple(labels.data.shape), {})
    sizes = dict(zip(axes, _shape(image, level), strict=True))
    sizes.pop(CHANNEL_AXIS, None)
    _check_dimensions(box, sizes, labels, image)
    common = "".join(axis for axis in axes if axis in letters and axis in sizes)
    own = placement(labels, letters).along(common)
    target = placement(image, axes, level=level).along(common)
    factors = level_factors(image, level)
    steps = [factors[axes.index(axis)] for axis in common]
    box.offset.update(_offset(own, target, steps, _Names(labels, image, box)))
    _check_overlap(box, sizes, labels, image)
    return box


@dataclass(frozen=True)
class _Names:
    labels: Labels
    image: Image
    box: LabelBox

    def sizes(self, common: str) -> Matrix:
        shape = dict(zip(self.box.axes, self.box.shape, strict=True))
        return np.array([shape[axis] for axis in common], float)


def _shape(image: Image, level: int) -> tuple[int, ...]:
    data = image.data[level] if image.multiscale else image.data
    return tuple(data.shape)


def _check_dimensions(
    box: LabelBox, sizes: dict[str, int], labels: Labels, image: Image
) -> None:
    own = dict(zip(box.axes, box.shape, strict=True))
    extra = [axis for axis in own if axis not in sizes and own[axis] > 1]
    if extra:
        raise DataError(
            f"The labels '{labels.name}' have {own[extra[0]]} entries along "
            f"{extra[0]} (axes {box.axes}), where the image '{image.name}' has one "
            "label per voxel; make labels with New training labels."
        )
    missing = [axis for axis in sizes if axis not in own and sizes[axis] > 1]
    if missing:
        raise DataError(
            f"The labels '{labels.name}' have no {missing[0]} axis (axes {box.axes}), "
            f"but the image '{image.name}' has {sizes[missing[0]]} slices along it, so "
            "it is not known which one they belong to; make labels with New training "
            "labels."
        )
    box.offset.update({axis: 0 for axis in sizes if axis not in own})


def _offset(
    own: Placement, target: Placement, steps: Sequence[float], names: _Names
) -> dict[str, int]:
    ratios = [
        unit_ratio(unit, other) or 1.0
        for unit, other in zip(own.units, target.units, strict=True)
    ]
    offset = GridOffset.of(own, target, ratios)
    if not offset.is_parallel(names.sizes(own.axes)):
        raise DataError(_orientation(own.axes, offset, names))
    half = (np.array(steps) - 1) / (2 * np.array(steps))
    from_corner = offset.first + half  # levels whose first voxels have one center
    is_near = offset.is_whole(offset.first)
    if not (is_near | offset.is_whole(from_corner)).all():
        raise DataError(_shift(own.axes, offset, names))
    found = np.where(is_near, offset.first, from_corner).round().astype(int)
    return dict(zip(own.axes, found.tolist(), strict=True))


def _orientation(axes: str, offset: GridOffset, names: _Names) -> str:
    one, other = names.labels.name, names.image.name
    if offset.has_equal_voxels(GRID_TOLERANCE / names.sizes(axes).max()):
        return (
            f"The labels '{one}' are rotated, sheared or mirrored against the image "
            f"'{other}'; {_REMEDY}"
        )
    ours, theirs = _numbers(offset.lengths), _numbers(offset.other_lengths)
    return (
        f"The labels '{one}' have a scale of {ours}{offset.unit} along {axes}, "
        f"the image '{other}' {theirs}{offset.unit}; {_REMEDY}"
    )


def _shift(axes: str, offset: GridOffset, names: _Names) -> str:
    axis = offset.oddest_axis
    return (
        f"The labels '{names.labels.name}' begin {offset.first[axis]:.4g} voxels along "
        f"{axes[axis]} from the first voxel of the image '{names.image.name}', which "
        f"is no whole number; {_REMEDY}"
    )


def _numbers(values: Matrix) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"


def _check_overlap(
    box: LabelBox, sizes: dict[str, int], labels: Labels, image: Image
) -> None:
    own = dict(zip(box.axes, box.shape, strict=True))
    apart = [
        axis
        for axis, size in sizes.items()
        if not -own.get(axis, 1) < box.offset[axis] < size
    ]
    if apart:
        axis = apart[0]
        first = box.offset[axis]
        kind = "slices" if axis not in SPATIAL_AXES[1:] else "voxels"
        raise DataError(
            f"The labels '{labels.name}' do not overlap the image '{image.name}': "
            f"along {axis} they cover {kind} {first} to {first + own[axis] - 1}, and "
            f"the image has 0 to {sizes[axis] - 1}; check the translation of both "
            "layers."
        )
