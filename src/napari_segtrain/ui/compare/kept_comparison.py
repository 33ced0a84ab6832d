"""What a comparison leaves for a later one: scores and errors of slices that stay.

Class scores and the error map of slices that did not change are taken from there.
Objects, surfaces and the meaning of the values are found of the whole, and so is the
error map where it shows split and merged objects, which reach over slices.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.ui.compare.label_watch import Sum, Sums, array_sum
from napari_segtrain.ui.compare.overlap import Overlap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_segtrain.data.restricted import RegionMask
    from napari_segtrain.evaluation.kept_slices import (  # noqa: TC004 - loads SciPy
        KeptSlices,
        Place,
    )


@dataclass(frozen=True, eq=False)
class Kept:
    """What a comparison leaves.

    Parameters
    ----------
    overlap : Overlap
        What was compared.
    sums : Sums
        Of both arrays.
    region : Hashable
        Of the region inside which voxels counted, see `region_key`.
    slices : KeptSlices
        Class scores.
    meaning : Hashable
        See `meaning_of`.
    errors : ndarray of uint8, optional
        Error map without splits and merges.
    errors_sum : Sum, optional
        Of the error map as it was, as a layer may have been painted on.
    """

    overlap: Overlap
    sums: Sums
    region: Hashable
    slices: KeptSlices
    meaning: Hashable = None
    errors: npt.NDArray[np.uint8] | None = None
    errors_sum: Sum | None = None

    def changed(
        self, overlap: Overlap, sums: Sums, region: Hashable
    ) -> set[Place] | None:
        """Slices that changed since; ``None`` when all may have.

        Parameters
        ----------
        overlap, sums, region
            Of the present comparison.
        """
        is_same = self.overlap == overlap and self.region == region
        if not is_same or not overlap.axes.endswith("YX"):
            return None
        places: set[Place] = set()
        starts = overlap.truth_start, overlap.prediction_start
        shapes = overlap.truth_shape, overlap.prediction_shape
        for side, (start, shape) in enumerate(zip(starts, shapes, strict=True)):
            before, now = self.sums[side], sums[side]
            if before is None or now is None:
                return None
            different = _different(before, now, shape)
            places.update(_places(overlap, start, different))
        return places

    def kept_errors(
        self, meaning: Hashable, changed: set[Place]
    ) -> tuple[npt.NDArray[np.uint8], set[Place]] | None:
        """Copy of the error map, and its slices that are to be made anew."""
        if self.errors is None or self.errors_sum is None or self.meaning != meaning:
            return None
        now = array_sum(self.errors)
        if now is None:
            return None
        different = _different(self.errors_sum, now, self.errors.shape)
        origin = (0,) * self.errors.ndim
        painted = set(_places(self.overlap, origin, different))
        return self.errors.copy(), changed | painted


@dataclass(frozen=True, eq=False)
class Reuse:
    """What a comparison takes from an earlier one, and what it leaves itself.

    Parameters
    ----------
    overlap, sums, region
        Of the present comparison.
    slices : KeptSlices, optional
        Class scores of slices that stay; ``None`` where edits cannot be told.
    before : Kept, optional
        Of the earlier one, when anything of it can be used.
    changed : set of Place
        Slices that changed since.
    """

    overlap: Overlap
    sums: Sums
    region: Hashable
    slices: KeptSlices | None = None
    before: Kept | None = None
    changed: set[Place] = field(default_factory=set)

    @classmethod
    def of(
        cls, before: Kept | None, overlap: Overlap, sums: Sums, region: Hashable
    ) -> Reuse:
        """Find out what can be used of an earlier comparison."""
        from napari_segtrain.evaluation.kept_slices import KeptSlices

        if any(found is None for found in sums):
            return cls(overlap, sums, region)
        changed = None if before is None else before.changed(overlap, sums, region)
        if before is None or changed is None:
            return cls(overlap, sums, region, KeptSlices())
        slices = before.slices.copy()
        slices.forget(changed)
        return cls(overlap, sums, region, slices, before, changed)

    def errors(
        self, meaning: Hashable
    ) -> tuple[npt.NDArray[np.uint8], set[Place]] | None:
        """Error map of before, and its slices that are to be made anew."""
        if self.before is None:
            return None
        return self.before.kept_errors(meaning, self.changed)

    def left(
        self, sums: Sums, meaning: Hashable, errors: npt.NDArray[np.uint8] | None
    ) -> Kept | None:
        """What a later comparison may use; nothing after an edit meanwhile.

        Parameters
        ----------
        sums : Sums
            Of both arrays, after they were compared.
        meaning : Hashable
            See `meaning_of`.
        errors : ndarray of uint8, optional
            Error map in memory, without splits and merges.
        """
        if self.slices is None or sums != self.sums:
            return None
        errors_sum = None if errors is None else array_sum(errors)
        return Kept(
            self.overlap, sums, self.region, self.slices, meaning, errors, errors_sum
        )


def region_key(region: RegionMask | None) -> Hashable:
    """Tell regions from one another by their voxels."""
    if region is None:
        return None
    planes = tuple(
        (index, plane.shape, zlib.crc32(np.ascontiguousarray(plane).data))
        for index, plane in sorted(region.planes.items())
    )
    return region.axes, region.origin, planes


def _different(before: Sum, now: Sum, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Indices of slices whose sums differ, along all axes but the last two."""
    leading = shape[: -len("YX")]
    pairs = zip(before, now, strict=True)
    is_different = np.array([a != b for a, b in pairs], bool).reshape(leading)
    return np.argwhere(is_different)


def _places(
    overlap: Overlap, start: tuple[int, ...], indices: npt.NDArray[Any]
) -> Iterator[Place]:
    """Slices of the overlap, of indices of a whole array."""
    from napari_segtrain.evaluation.kept_slices import place_of

    letters = overlap.axes[: -len("YX")]
    for index in indices:
        at = dict(zip(letters, (index - start[: len(letters)]).tolist(), strict=True))
        sizes = dict(zip(letters, overlap.shape, strict=False))
        if all(0 <= at[axis] < sizes[axis] for axis in letters):
            z = at.pop("Z", 0)
            yield place_of(at, z)
