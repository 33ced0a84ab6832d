"""Samples whose labels cover only a box of the image, or count only in a region.

The image is cropped to what the labels reach, with a margin of context. Where labels
do not reach, or the region excludes them, the value is `OUTSIDE`, which counts nowhere.
Nothing is read before a patch of it is needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import SPATIAL_AXES, ZYX, VoxelSize, spatial_axes
from napari_segtrain.data.dataset import Place, Sample
from napari_segtrain.data.label_facts import as_integers
from napari_segtrain.errors import DataError
from napari_segtrain.image import OUTSIDE, Image, LabelImage
from napari_segtrain.io.lazy import BlockArray, Slices, pick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_segtrain.image import LazyArray

Span = tuple[int, int]
"""First index along an axis, and the one after the last."""

_WIDENED = {"b1": "i2", "i1": "i2", "u1": "i2", "i2": "i2", "u2": "i4", "i4": "i4"}
"""Types of labels, and those that hold them and `OUTSIDE`; 64 bits for the others."""


@dataclass(frozen=True, eq=False)
class RegionMask:
    """Where labels count.

    Parameters
    ----------
    planes : mapping of tuple of int to ndarray of bool, shape (Y, X)
        A plane per index on ``axes``; labels count nowhere at an index without one.
    axes : str
        Letters of the axes that planes differ on, such as ``Z`` or ``TZ``; without
        any, the one plane, whose index is ``()``, holds for every slice.
    origin : (int, int)
        Y and X of the first voxel of every plane in the image; outside of its plane
        no label counts.

    Raises
    ------
    ValueError
        When planes are no 2D masks, or their indices do not fit the axes.
    """

    planes: Mapping[tuple[int, ...], npt.NDArray[np.bool_]]
    axes: str = ""
    origin: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if set(self.axes) & set("YXC") or len(set(self.axes)) != len(self.axes):
            raise ValueError(f"planes cannot differ on the axes '{self.axes}'")
        for index, plane in self.planes.items():
            if len(index) != len(self.axes):
                raise ValueError(f"the index {index} does not fit axes '{self.axes}'")
            if plane.ndim != len("YX") or plane.dtype != bool:
                raise ValueError(
                    f"a plane is a 2D mask, not {plane.dtype}{plane.shape}"
                )

    def spans(self) -> dict[str, Span] | None:
        """Bounding box of the region in the image; ``None`` when it is empty."""
        shown = {index: plane for index, plane in self.planes.items() if plane.any()}
        if not shown:
            return None
        spans = {
            axis: (min(positions), max(positions) + 1)
            for axis, positions in zip(self.axes, zip(*shown, strict=True), strict=True)
        }
        for number, axis in enumerate("YX"):
            lines = [np.any(plane, axis=1 - number) for plane in shown.values()]
            ends = [_ends(np.atleast_1d(line)) for line in lines]
            first, last = min(a for a, _ in ends), max(b for _, b in ends)
            spans[axis] = (first + self.origin[number], last + self.origin[number])
        return spans

    def read(self, box: Mapping[str, Span], axes: str) -> npt.NDArray[np.bool_]:
        """Read a box.

        Parameters
        ----------
        box : mapping of str to (int, int)
            Part of the image along each of ``axes``.
        axes : str
            Letters of the result, Y, X and those of the planes among them.

        Returns
        -------
        ndarray of bool
            As large as the box, or 1 along axes that make no difference.
        """
        letters = self.axes + "YX"
        mask = np.zeros([_length(box[axis]) for axis in letters], bool)
        ranges = [range(*box[axis]) for axis in self.axes]
        for index in itertools.product(*ranges):
            place = tuple(i - box[a][0] for i, a in zip(index, self.axes, strict=True))
            if index in self.planes:
                self._copy(self.planes[index], mask[place], box)
        order = [letters.index(axis) for axis in axes if axis in letters]
        missing = tuple(n for n, axis in enumerate(axes) if axis not in letters)
        return np.expand_dims(mask.transpose(order), missing)

    def _copy(
        self,
        plane: npt.NDArray[np.bool_],
        target: npt.NDArray[np.bool_],
        box: Mapping[str, Span],
    ) -> None:
        target_key, key = [], []
        for axis, origin, size in zip("YX", self.origin, plane.shape, strict=True):
            part = _common(box[axis], (origin, origin + size))
            target_key.append(_shifted(part, -box[axis][0]))
            key.append(_shifted(part, -origin))
        target[tuple(target_key)] = plane[tuple(key)]


def restrict(
    image: Image,
    labels: LabelImage,
    *,
    offset: Mapping[str, int],
    region: RegionMask | None = None,
    margin: ZYX = (0, 0, 0),
    number: int | None = None,
) -> Sample:
    """Make a sample of labels that cover a part of an image.

    Parameters
    ----------
    image : Image
        The whole image.
    labels : LabelImage
        Labels on some of the image's axes. What reaches beyond the image is left out.
        Along an axis of the image that they lack they count at one index only.
    offset : mapping of str to int
        Index in the image of the labels' first voxel, along their own axes (0 where
        not given) and along those that they lack.
    region : RegionMask, optional
        Where labels count; everywhere without it.
    margin : ZYX
        Voxels of the image around the labels that patches may show as context.
    number : int, optional
        Of the image: samples with the same number are parts of one image, and where
        they overlap none is trained on while another is held out.

    Returns
    -------
    Sample
        Image and labels themselves, when the labels cover the image and there is no
        region.

    Raises
    ------
    DataError
        When labels and image have no voxel in common, the labels have an axis that
        the image lacks, or the region excludes all of them.
    ValueError
        When the offset along an axis that the labels lack is missing.
    """
    axes = "".join(axis for axis in image.axes if axis != "C")
    frame = _Frame(_sizes(image.array, image.axes), image.name, labels.name)
    covered = frame.covered(labels, axes, offset)
    if region is None and frame.is_covered_by(labels, axes, covered):
        return Sample(image, labels, place=_place(number, covered, covered))
    used = covered if region is None else frame.limited(covered, region)
    context = frame.with_margin(used, axes, margin)
    array = _RestrictedLabels(
        labels, axes, context, used, _origins(axes, offset), region
    )
    part = replace(
        labels,
        array=array.lazy(),
        axes=axes,
        voxel_size=image.voxel_size or _voxel_size(labels, axes),
        source=None,
        level="",
    )
    slices = frame.with_whole_slices(context, axes)
    wholes = () if slices == context else tuple(_cropped(image, slices).items())
    place = _place(number, context, used)
    return Sample(_cropped(image, context), part, wholes, place)


def _place(
    number: int | None, context: Mapping[str, Span], used: Mapping[str, Span]
) -> Place | None:
    if number is None:
        return None
    origin = {axis: first for axis, (first, _) in context.items()}
    return Place(number, origin, dict(used))


@dataclass(frozen=True)
class _Frame:
    """Size of an image along each axis, and the names of the two for messages."""

    sizes: dict[str, int]
    image_name: str
    labels_name: str

    def covered(
        self, labels: LabelImage, axes: str, offset: Mapping[str, int]
    ) -> dict[str, Span]:
        """Part of the image that labels cover."""
        extra = set(labels.axes) - set(axes)
        if extra:
            raise DataError(
                f"The labels {self.labels_name} have an axis {'/'.join(sorted(extra))} "
                f"(axes {labels.axes}), which the image {self.image_name} (axes "
                f"{axes}) lacks; choose labels that fit the image."
            )
        lengths = _sizes(labels.array, labels.axes)
        spans = {}
        for axis in axes:
            if axis not in labels.axes and axis not in offset:
                raise ValueError(f"where the labels lie along {axis} is not given")
            first = offset.get(axis, 0)
            span = (first, first + lengths.get(axis, 1))
            spans[axis] = _common(span, (0, self.sizes[axis]))
            if _length(spans[axis]) == 0:
                raise DataError(
                    f"The labels {self.labels_name} and the image {self.image_name} "
                    f"have no voxel in common: along {axis} the labels cover {span[0]} "
                    f"to {span[1] - 1}, the image 0 to {self.sizes[axis] - 1}; move "
                    "one of them, or choose another pair."
                )
        return spans

    def is_covered_by(
        self, labels: LabelImage, axes: str, covered: Mapping[str, Span]
    ) -> bool:
        """Whether labels are exactly as large as the image and lie on it."""
        own = {axis: self.sizes[axis] for axis in axes}
        is_whole = all(covered[axis] == (0, size) for axis, size in own.items())
        return is_whole and _sizes(labels.array, labels.axes) == own

    def limited(
        self, covered: Mapping[str, Span], region: RegionMask
    ) -> dict[str, Span]:
        """Part that labels cover and the region may include."""
        extra = set(region.axes) - set(covered)
        if extra:
            raise DataError(
                f"The region is given along {'/'.join(sorted(extra))}, an axis that "
                f"the image {self.image_name} lacks; draw it on the image itself."
            )
        found = region.spans()
        spans = {a: _common(s, (found or {}).get(a, s)) for a, s in covered.items()}
        if found is None or not all(_length(span) for span in spans.values()):
            raise DataError(
                f"The region holds no voxel of the labels {self.labels_name} on the "
                f"image {self.image_name}; draw it where they are, or leave it out."
            )
        return spans

    def with_margin(
        self, used: Mapping[str, Span], axes: str, margin: ZYX
    ) -> dict[str, Span]:
        """Part with context along the spatial axes, as far as the image goes."""
        widths = dict(zip(SPATIAL_AXES, margin, strict=True))
        return {
            axis: (
                max(0, used[axis][0] - widths.get(axis, 0)),
                min(self.sizes[axis], used[axis][1] + widths.get(axis, 0)),
            )
            for axis in axes
        }

    def with_whole_slices(
        self, context: Mapping[str, Span], axes: str
    ) -> dict[str, Span]:
        """The same items in their full extent."""
        return {
            a: (0, self.sizes[a]) if a in SPATIAL_AXES else context[a] for a in axes
        }


@dataclass(frozen=True)
class _RestrictedLabels:
    """Labels in the frame of a cropped image.

    Parameters
    ----------
    labels : LabelImage
        The labels as they are.
    axes : str
        Letters of the result.
    context, used : mapping of str to (int, int)
        In the image: what the result covers, and where labels may count.
    origins : mapping of str to int
        Index in the image of the labels' first voxel, for each of ``axes``.
    region : RegionMask, optional
        Where labels count.
    """

    labels: LabelImage
    axes: str
    context: Mapping[str, Span]
    used: Mapping[str, Span]
    origins: Mapping[str, int]
    region: RegionMask | None
    dtype: np.dtype[Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", wide_type(self.labels))

    def lazy(self) -> BlockArray:
        """Array that reads what is asked for."""
        shape = tuple(_length(self.context[axis]) for axis in self.axes)
        return BlockArray(shape, self.dtype, self._read)

    def _read(self, box: Slices) -> npt.NDArray[Any]:
        block = np.full([part.stop - part.start for part in box], OUTSIDE, self.dtype)
        asked = {
            axis: _common(
                (part.start + self.context[axis][0], part.stop + self.context[axis][0]),
                self.used[axis],
            )
            for axis, part in zip(self.axes, box, strict=True)
        }
        if not all(_length(span) for span in asked.values()):
            return block
        mask = None if self.region is None else self.region.read(asked, self.axes)
        if mask is not None and not mask.any():
            return block
        place = tuple(
            _shifted(asked[axis], -part.start - self.context[axis][0])
            for axis, part in zip(self.axes, box, strict=True)
        )
        values = self._values(asked)
        block[place] = values if mask is None else np.where(mask, values, OUTSIDE)
        return block

    def _values(self, asked: Mapping[str, Span]) -> npt.NDArray[Any]:
        """Labels of a part of the image that they cover."""
        letters = self.labels.axes
        key = tuple(_shifted(asked[axis], -self.origins[axis]) for axis in letters)
        values = widened(np.asarray(self.labels.array[key]), self.labels)
        order = [letters.index(axis) for axis in self.axes if axis in letters]
        missing = tuple(n for n, axis in enumerate(self.axes) if axis not in letters)
        return np.expand_dims(values.transpose(order), missing)


def wide_type(labels: LabelImage) -> np.dtype[Any]:
    """Type that holds the values of labels, and `OUTSIDE`."""
    kind = np.dtype(labels.array.dtype)
    return np.dtype(_WIDENED.get(f"{kind.kind}{kind.itemsize}", "i8"))


def widened(values: npt.NDArray[Any], labels: LabelImage) -> npt.NDArray[Any]:
    """Values of labels in a type that holds them and `OUTSIDE`.

    Raises
    ------
    DataError
        When they are no whole numbers, or one of them is `OUTSIDE` itself.
    """
    values = as_integers(values, name=f"the labels {labels.name}")
    dtype = wide_type(labels)
    limits = np.iinfo(dtype)
    is_large = values.dtype.kind == "u" and bool((values > limits.max).any())
    if is_large or (values.dtype.kind == "i" and bool((values == OUTSIDE).any())):
        raise DataError(
            f"The labels {labels.name} hold the value "
            f"{int(values.max()) if is_large else OUTSIDE}, which cannot be a "
            "label; renumber them."
        )
    return values.astype(dtype, copy=False)


def _cropped(image: Image, spans: Mapping[str, Span]) -> Image:
    """Part of an image, lazily; the image itself when the part is all of it."""
    sizes = _sizes(image.array, image.axes)
    if all(spans[axis] == (0, sizes[axis]) for axis in spans):
        return image
    picks = tuple(slice(*spans.get(axis, (0, sizes[axis]))) for axis in image.axes)
    return replace(image, array=pick(image.array, picks), source=None, level="")


def _voxel_size(labels: LabelImage, axes: str) -> VoxelSize | None:
    """Voxel size of labels, when they have every spatial axis of the image."""
    is_complete = spatial_axes(labels.axes) == spatial_axes(axes)
    return labels.voxel_size if is_complete else None


def _origins(axes: str, offset: Mapping[str, int]) -> dict[str, int]:
    return {axis: offset.get(axis, 0) for axis in axes}


def _sizes(array: LazyArray, axes: str) -> dict[str, int]:
    pairs: Iterator[tuple[str, int]] = zip(axes, map(int, array.shape), strict=True)
    return dict(pairs)


def _ends(line: npt.NDArray[np.bool_]) -> Span:
    where = np.flatnonzero(line)
    return int(where[0]), int(where[-1]) + 1


def _common(first: Span, second: Span) -> Span:
    start = max(first[0], second[0])
    return start, max(start, min(first[1], second[1]))


def _shifted(span: Span, distance: int) -> slice:
    return slice(span[0] + distance, span[1] + distance)


def _length(span: Span) -> int:
    return span[1] - span[0]
