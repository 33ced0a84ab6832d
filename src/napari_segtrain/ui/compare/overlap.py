"""Two Labels layers on one another: the voxels that both have, found in the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import size_text
from napari_segtrain.errors import DataError
from napari_segtrain.image import LabelImage
from napari_segtrain.io.lazy import pick
from napari_segtrain.ui.layers.grids import GridOffset
from napari_segtrain.ui.layers.reading import guess_axes, labels_from_layer
from napari_segtrain.ui.layers.transforms import Placement, placement, unit_ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels

    Matrix = npt.NDArray[np.float64]

_EQUAL_VOXELS = 1e-3
"""Relative difference up to which voxels are as long."""
_DASH = "\N{EN DASH}"
_TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class Overlap:
    """Voxels that a ground truth and a segmentation share.

    Parameters
    ----------
    axes : str
        One letter per dimension that both have; leading dimensions with one entry
        that only one of them has are left out.
    shape : tuple of int
        Of the overlap.
    truth_start, prediction_start : tuple of int
        First shared voxel in each.
    truth_shape, prediction_shape : tuple of int
        Of each, along ``axes``.
    truth_axes : str
        Letters of all dimensions of the Labels layer of the ground truth.
    """

    axes: str
    shape: tuple[int, ...]
    truth_start: tuple[int, ...]
    prediction_start: tuple[int, ...]
    truth_shape: tuple[int, ...]
    prediction_shape: tuple[int, ...]
    truth_axes: str

    @property
    def is_whole(self) -> bool:
        """Whether neither has a voxel that the other lacks."""
        return self.shape == self.truth_shape == self.prediction_shape

    @property
    def origin(self) -> dict[str, int]:
        """First shared voxel of the ground truth, per axis."""
        return dict(zip(self.axes, self.truth_start, strict=True))

    def truth_dim(self, axis: str) -> int:
        """Dimension of the Labels layer of the ground truth that an axis is."""
        return self.truth_axes.index(axis)

    def describe(self) -> str:
        """Say what is compared; empty when it is everything."""
        if self.is_whole:
            return ""
        parts = [
            f"{axis} {start}{_DASH}{start + size - 1}"
            for axis, start, size, whole, other in zip(
                self.axes,
                self.truth_start,
                self.shape,
                self.truth_shape,
                self.prediction_shape,
                strict=True,
            )
            if not size == whole == other
        ]
        return f"Compared where both have voxels: {', '.join(parts)} (ground truth)."


@dataclass(frozen=True)
class Overlaid:
    """What is compared, as label images of one shape; nothing is read yet."""

    overlap: Overlap
    truth: LabelImage
    prediction: LabelImage


def overlay_labels(truth: Labels, prediction: Labels) -> Overlaid:
    """Cut two Labels layers to the voxels that both have.

    Raises
    ------
    DataError
        Naming the difference: dimensions, voxel size, orientation, a shift by part of
        a voxel, no overlap.
    """
    if truth is prediction:
        raise DataError(
            f"The ground truth and the segmentation are both '{truth.name}'; choose "
            "two different layers."
        )
    axes = _common_axes(truth, prediction)
    images = [
        labels_from_layer(layer, axes=_own_axes(layer, axes))
        for layer in (truth, prediction)
    ]
    letters = "".join(axis for axis in axes if axis in images[0].axes)
    overlap = _overlap(truth, prediction, axes, letters)
    return Overlaid(
        overlap,
        _cut(images[0], overlap, overlap.truth_start),
        _cut(images[1], overlap, overlap.prediction_start),
    )


def _common_axes(truth: Labels, prediction: Labels) -> str:
    """Letters of the dimensions that both layers have."""
    n_dims = min(truth.ndim, prediction.ndim)
    for layer in (truth, prediction):
        extra = tuple(layer.data.shape[: layer.ndim - n_dims])
        if any(size > 1 for size in extra):
            other = prediction if layer is truth else truth
            raise DataError(
                f"The {_role(layer, truth)} has {layer.ndim} dimensions "
                f"({_size(layer)}), the {_role(other, truth)} {other.ndim} "
                f"({_size(other)}), so it is not known which slice they share; "
                "compare labels of the same dimensions."
            )
    guesses = [guess_axes(layer)[-n_dims:] for layer in (truth, prediction)]
    lettered = [
        axes
        for axes, layer in zip(guesses, (truth, prediction), strict=True)
        if "".join(layer.axis_labels).upper().endswith(axes)
    ]
    if len(set(lettered)) > 1:
        raise DataError(
            f"The axes of the ground truth '{truth.name}' are {lettered[0]}, those of "
            f"the segmentation '{prediction.name}' {lettered[1]}; give both layers the "
            "same axis labels."
        )
    return (lettered or guesses)[0]


def _role(layer: Labels, truth: Labels) -> str:
    return f"{'ground truth' if layer is truth else 'segmentation'} '{layer.name}'"


def _own_axes(layer: Labels, axes: str) -> str:
    extra = [axis for axis in "ZTSPQ" if axis not in axes]
    return "".join(extra[: layer.ndim - len(axes)][::-1]) + axes


def _overlap(truth: Labels, prediction: Labels, axes: str, letters: str) -> Overlap:
    sizes = [
        dict(zip(_own_axes(layer, axes), layer.data.shape, strict=True))
        for layer in (truth, prediction)
    ]
    shapes = [tuple(int(size[axis]) for axis in letters) for size in sizes]
    offset = _offset(truth, prediction, axes, letters, shapes)
    start = [max(0, first) for first in offset]
    stop = [
        min(one, first + other)
        for one, first, other in zip(shapes[0], offset, shapes[1], strict=True)
    ]
    shape = tuple(b - a for a, b in zip(start, stop, strict=True))
    if min(shape) <= 0:
        axis = next(i for i, size in enumerate(shape) if size <= 0)
        raise DataError(
            f"The ground truth '{truth.name}' and the segmentation "
            f"'{prediction.name}' do not overlap: along {letters[axis]} the "
            f"segmentation covers {offset[axis]} to "
            f"{offset[axis] + shapes[1][axis] - 1} and the ground truth 0 to "
            f"{shapes[0][axis] - 1}; check the translation of both layers."
        )
    return Overlap(
        letters,
        shape,
        tuple(start),
        tuple(a - first for a, first in zip(start, offset, strict=True)),
        shapes[0],
        shapes[1],
        _own_axes(truth, axes),
    )


def _offset(
    truth: Labels,
    prediction: Labels,
    axes: str,
    letters: str,
    shapes: Sequence[tuple[int, ...]],
) -> list[int]:
    """Voxel of the ground truth at the first voxel of the segmentation."""
    target, own = (
        placement(layer, _own_axes(layer, axes)).along(letters)
        for layer in (truth, prediction)
    )
    ratios = _unit_ratios(own, target, (truth, prediction))
    offset = GridOffset.of(own, target, ratios)
    if not offset.is_parallel(np.min(shapes, axis=0)):
        raise DataError(_orientation(letters, offset, (truth, prediction)))
    if not offset.is_whole(offset.first).all():
        axis = offset.oddest_axis
        raise DataError(
            f"The segmentation '{prediction.name}' begins {offset.first[axis]:.4g} "
            f"voxels along {letters[axis]} from the ground truth '{truth.name}', which "
            "is no whole number, so their voxels do not lie on one another; check the "
            "translation of both layers."
        )
    return [int(value) for value in offset.first.round()]


def _unit_ratios(
    own: Placement, target: Placement, layers: tuple[Labels, Labels]
) -> list[float]:
    ratios = []
    for unit, other in zip(own.units, target.units, strict=True):
        ratio = unit_ratio(unit, other)
        if ratio is None:
            raise DataError(
                f"The ground truth '{layers[0].name}' is measured in {other}, the "
                f"segmentation '{layers[1].name}' in {unit}; give both layers the same "
                "units."
            )
        ratios.append(ratio)
    return ratios


def _orientation(axes: str, offset: GridOffset, layers: tuple[Labels, Labels]) -> str:
    truth, segmentation = (
        f"{role} '{layer.name}'"
        for role, layer in zip(
            ("The ground truth", "the segmentation"), layers, strict=True
        )
    )
    if offset.has_equal_voxels(_EQUAL_VOXELS):
        return (
            f"{truth} and {segmentation} are rotated, sheared or mirrored against one "
            "another; give both layers the same transform."
        )
    ours, theirs = _numbers(offset.lengths), _numbers(offset.other_lengths)
    return (
        f"{truth} has voxels of {theirs}{offset.unit} along {axes}, {segmentation} of "
        f"{ours}{offset.unit}; compare labels of one voxel size, or give both layers "
        "the same scale."
    )


def _numbers(values: Matrix) -> str:
    return f" {_TIMES} ".join(f"{value:.4g}" for value in values)


def _size(layer: Labels) -> str:
    return size_text(layer.data.shape)


def _cut(labels: LabelImage, overlap: Overlap, start: Sequence[int]) -> LabelImage:
    """Leave out what the other has not; an array that is whole stays as it is."""
    box = {
        axis: slice(first, first + size)
        for axis, first, size in zip(overlap.axes, start, overlap.shape, strict=True)
    }
    picks: list[Any] = [box.get(axis, 0) for axis in labels.axes]
    is_whole = labels.axes == overlap.axes and labels.array.shape == overlap.shape
    if is_whole:
        return labels
    n_spatial = sum(axis in "ZYX" for axis in overlap.axes)
    voxel_size = labels.voxel_size and labels.voxel_size[-n_spatial:]
    return LabelImage(
        pick(labels.array, tuple(picks)),
        overlap.axes,
        voxel_size,
        labels.name,
        classes=labels.classes,
    )
