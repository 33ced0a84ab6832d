"""Evaluations of a part of images: what lies outside counts nowhere.

Voxels outside are taken from both sides, as if the images were cut: they are neither
right nor wrong, an object that the border cuts has the voxels inside only, and the
border is no surface. Connected components are those of the part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import SPATIAL_AXES, item_axes, spatial_axes
from napari_segtrain.boxes import Box
from napari_segtrain.data.restricted import Span, wide_type, widened
from napari_segtrain.errors import DataError
from napari_segtrain.evaluation.pairs import LabelPair, check_pair
from napari_segtrain.image import OUTSIDE, LabelImage
from napari_segtrain.io.lazy import Block, BlockArray, Slices

Mask = npt.NDArray[np.bool_]


class CountedRegion(Protocol):
    """Where voxels count."""

    def read(self, box: Mapping[str, Span], axes: str) -> Mask:
        """Read a part of an image, as `RegionMask` does.

        Parameters
        ----------
        box : mapping of str to (int, int)
            Part of the image along each of ``axes``.
        axes : str
            Letters of the result.

        Returns
        -------
        ndarray of bool
            As large as the box, or 1 along axes that make no difference.
        """
        ...


@dataclass(frozen=True)
class BoxRegion:
    """A box of every item.

    Parameters
    ----------
    box : Box
        ZYX voxels.
    """

    box: Box

    def read(self, box: Mapping[str, Span], axes: str) -> Mask:
        """Read a part; see `CountedRegion`."""
        parts = dict(zip(SPATIAL_AXES, self.box, strict=True))
        mask = np.ones([1] * len(axes), bool)
        for number, axis in enumerate(axes):
            if axis in parts:
                positions = np.arange(*box[axis])
                inside = positions >= parts[axis].start
                inside &= positions < parts[axis].stop
                shape = [1] * len(axes)
                shape[number] = len(positions)
                mask = mask & inside.reshape(shape)
        return mask


@dataclass(frozen=True)
class MaskRegion:
    """Where a label image is not 0; along axes that it lacks it holds everywhere.

    Parameters
    ----------
    labels : LabelImage
        As large as the images along its axes.
    """

    labels: LabelImage

    def read(self, box: Mapping[str, Span], axes: str) -> Mask:
        """Read a part; see `CountedRegion`."""
        own = self.labels.axes
        values = np.asarray(self.labels.array[tuple(slice(*box[a]) for a in own)])
        mask: Mask = values.transpose([own.index(a) for a in axes if a in own]) != 0
        missing = tuple(n for n, axis in enumerate(axes) if axis not in own)
        return np.expand_dims(mask, missing)


@dataclass(frozen=True)
class SharedRegion:
    """What lies in all of several regions.

    Parameters
    ----------
    regions : tuple of CountedRegion
        One or more.
    """

    regions: tuple[CountedRegion, ...]

    def read(self, box: Mapping[str, Span], axes: str) -> Mask:
        """Read a part; see `CountedRegion`."""
        mask = self.regions[0].read(box, axes)
        for region in self.regions[1:]:
            mask = mask & region.read(box, axes)
        return mask


@dataclass(frozen=True)
class ShiftedRegion:
    """A region of a part of the image that it was made for.

    Parameters
    ----------
    region : CountedRegion
        Of the whole image.
    origin : mapping of str to int
        First voxel of the part, along all axes of the whole image.
    """

    region: CountedRegion
    origin: Mapping[str, int]

    def read(self, box: Mapping[str, Span], axes: str) -> Mask:
        """Read a part; see `CountedRegion`."""
        dropped = "".join(axis for axis in self.origin if axis not in axes)
        spans: dict[str, Span] = {}
        for axis in dropped + axes:
            first, (start, stop) = self.origin.get(axis, 0), box.get(axis, (0, 1))
            spans[axis] = (start + first, stop + first)
        mask = self.region.read(spans, dropped + axes)
        shown: Mask = mask[(0,) * len(dropped)]
        return shown


def mask_region(mask: LabelImage, pair: LabelPair) -> MaskRegion:
    """Take a mask as the region of a pair.

    Raises
    ------
    DataError
        When it has other axes or another size than the ground truth.
    """
    truth = pair.truth
    sizes = dict(zip(truth.axes, truth.array.shape, strict=True))
    fits = spatial_axes(mask.axes) == spatial_axes(truth.axes) and all(
        sizes.get(axis) == size
        for axis, size in zip(mask.axes, mask.array.shape, strict=True)
    )
    if not fits:
        raise DataError(
            f"The mask {mask.source or mask.name} has the shape "
            f"{tuple(mask.array.shape)} (axes {mask.axes}), but the ground truth of "
            f"{pair.name} {tuple(truth.array.shape)} (axes {truth.axes}); give a mask "
            "of the same size."
        )
    return MaskRegion(mask)


def limit_pair(pair: LabelPair, region: CountedRegion) -> LabelPair:
    """Let only a region of a pair count; nothing is read yet.

    Parameters
    ----------
    pair : LabelPair
        With class tables.
    region : CountedRegion
        In voxels of the ground truth.

    Raises
    ------
    DataError
        When the sides cannot be compared.
    """
    check_pair(pair)
    return replace(
        pair,
        truth=_limited(pair.truth, region, pair.truth.axes),
        prediction=_limited(pair.prediction, region, _letters(pair)),
    )


def _letters(pair: LabelPair) -> str:
    """Axes of the prediction, by the names that they have in the ground truth."""
    own, true = (item_axes(side.axes) for side in (pair.prediction, pair.truth))
    return pair.prediction.axes.translate(str.maketrans(own, true))


def _limited(labels: LabelImage, region: CountedRegion, axes: str) -> LabelImage:
    """Labels that are `OUTSIDE` outside of a region."""
    dtype = wide_type(labels)

    def read_box(box: Slices) -> Block:
        spans = {
            axis: (part.start, part.stop) for axis, part in zip(axes, box, strict=True)
        }
        mask = region.read(spans, axes)
        if not mask.any():
            return np.full([part.stop - part.start for part in box], OUTSIDE, dtype)
        values = widened(np.asarray(labels.array[box]), labels)
        return values if mask.all() else np.where(mask, values, dtype.type(OUTSIDE))

    array = BlockArray(tuple(labels.array.shape), dtype, read_box)
    return replace(labels, array=array)
