"""Where training patches come from: around labelled voxels, inside their regions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.boxes import Box
from napari_segtrain.data.intensity_map import check_finite
from napari_segtrain.data.split import Region
from napari_segtrain.errors import DataError
from napari_segtrain.image import IGNORE_INDEX, Item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.axes import ZYX
    from napari_segtrain.data.label_index import LabelIndex, Positions
    from napari_segtrain.data.normalize import Intensities
    from napari_segtrain.data.targets import BoxReader, TargetItem

_JITTER = 0.25
"""Share of the patch by which its center may lie off the chosen voxel."""


Widths = tuple[tuple[int, int], ...]
"""Voxels before and behind, along Z, Y and X."""
_NONE: Widths = ((0, 0),) * 3


@dataclass(frozen=True)
class Patch:
    """Place of a training patch.

    Parameters
    ----------
    pair : int
        The item.
    box : Box
        Part of it that is read.
    padding : Widths
        Voxels that the region lacks; image and labels are reflected.
    region : Region
        What the patch may not leave.
    unlabelled : Widths
        Voxels around those; the image is reflected, and there are no labels.
    """

    pair: int
    box: Box
    padding: Widths
    region: Region
    unlabelled: Widths = _NONE

    def grown(self, margin: ZYX) -> Patch:
        """Take ``margin`` more voxels on each side, as far as the region reaches."""
        slices, beyond = [], []
        limits = zip(self.region.start, self.region.stop, strict=True)
        for part, width, (first, last) in zip(self.box, margin, limits, strict=True):
            start = max(part.start - width, first)
            stop = min(part.stop + width, last)
            slices.append(slice(start, stop))
            beyond.append((width - part.start + start, width - stop + part.stop))
        z, y, x = slices
        return replace(self, box=(z, y, x), unlabelled=tuple(beyond))


@dataclass(frozen=True)
class _Source:
    """Positions of one class in one region, and how many voxels they stand for."""

    region: Region
    zyx: npt.NDArray[np.int32]
    weight: float


class PatchSampler:
    """Draws places of patches.

    Parameters
    ----------
    regions : sequence of Region
        Training regions; a patch never leaves its region.
    indices : sequence of LabelIndex
        Labelled voxels of every item.
    patch_size : ZYX
        Voxels.
    foreground : sequence of int
        Class indices that take turns for the foreground share.
    foreground_share : float
        Share of the patches centered near a voxel of such a class.
    margin : ZYX
        Voxels on each side of a patch that are context only; they may lie outside the
        region, where image and labels are reflected.

    Raises
    ------
    DataError
        When no region holds a labelled voxel.
    """

    def __init__(
        self,
        regions: Sequence[Region],
        indices: Sequence[LabelIndex],
        patch_size: ZYX,
        *,
        foreground: Sequence[int],
        foreground_share: float,
        margin: ZYX = (0, 0, 0),
    ) -> None:
        self.patch_size = patch_size
        self._share = foreground_share
        self._margin = margin
        self._sources = _sources_per_class(regions, indices)
        if not self._sources:
            raise DataError("The training regions hold no labelled voxel; label more.")
        self._foreground = [c for c in foreground if c in self._sources]
        everything = [s for sources in self._sources.values() for s in sources]
        self._everything = _Choice(everything)
        self._choices = {c: _Choice(s) for c, s in self._sources.items()}

    def draw(self, rng: np.random.Generator) -> Patch:
        """Draw the place of one patch."""
        choice = self._everything
        if self._foreground and rng.random() < self._share:
            choice = self._choices[
                self._foreground[rng.integers(len(self._foreground))]
            ]
        region, voxel = choice.draw(rng)
        return self._around(region, voxel, rng)

    def _around(
        self, region: Region, voxel: npt.NDArray[np.int32], rng: np.random.Generator
    ) -> Patch:
        slices, padding = [], []
        spans = zip(self.patch_size, region.start, region.stop, voxel, strict=True)
        for (size, start, stop, center), margin in zip(
            spans, self._margin, strict=True
        ):
            judged = size - 2 * margin
            jitter = int(_JITTER * judged)
            wanted = int(center) - judged // 2 + int(rng.integers(-jitter, jitter + 1))
            first = min(max(wanted, start), max(start, stop - judged))
            last = min(first + judged, stop)
            lacking = judged - (last - first)
            before = lacking // 2 + margin
            begin, end = first - before, first - before + size
            slices.append(slice(max(begin, start), min(end, stop)))
            padding.append((max(0, start - begin), max(0, end - stop)))
        z, y, x = slices
        return Patch(region.pair, (z, y, x), tuple(padding), region)


class _Choice:
    """Draws a source by its weight, then one of its voxels."""

    def __init__(self, sources: Sequence[_Source]) -> None:
        self._sources = sources
        weights = np.array([source.weight for source in sources])
        self._cumulative = np.cumsum(weights / weights.sum())

    def draw(self, rng: np.random.Generator) -> tuple[Region, npt.NDArray[np.int32]]:
        where = int(np.searchsorted(self._cumulative, rng.random(), side="right"))
        source = self._sources[min(where, len(self._sources) - 1)]
        return source.region, source.zyx[rng.integers(len(source.zyx))]


def _sources_per_class(
    regions: Sequence[Region], indices: Sequence[LabelIndex]
) -> dict[int, list[_Source]]:
    found: dict[int, list[_Source]] = {}
    for region in regions:
        for positions in indices[region.pair].positions:
            source = _inside(region, positions)
            if source is not None:
                found.setdefault(positions.class_index, []).append(source)
    return found


def _inside(region: Region, positions: Positions) -> _Source | None:
    inside = (positions.zyx >= region.start) & (positions.zyx < region.stop)
    kept = positions.zyx[inside.all(axis=1)]
    if not len(kept):
        return None
    weight = positions.n_voxels * len(kept) / len(positions.zyx)
    return _Source(region, kept, weight)


class PatchReader:
    """Reads images and targets of patches, from memory where they are small.

    Parameters
    ----------
    images, targets
        Items and their class indices.
    intensities : sequence of Intensities
        Normalization of each item.
    cache_bytes : int
        Items are kept in memory when all of them together are not larger.
    context : ZYX
        Voxels around a patch, on each side, that its target keeps for the loss, where
        the region has them; the others are unlabelled.
    """

    def __init__(
        self,
        images: Sequence[Item],
        targets: Sequence[TargetItem],
        intensities: Sequence[Intensities],
        *,
        cache_bytes: int,
        context: ZYX = (0, 0, 0),
    ) -> None:
        self.context = context
        self._images = images
        self._targets: Sequence[BoxReader] = targets
        self._intensities = intensities
        self._cached: list[npt.NDArray[Any]] = []
        if sum(_n_bytes(item) for item in images) <= cache_bytes:
            self._cached = [image.read() for image in images]
            self._targets = [target.in_memory() for target in targets]
            for number, image in enumerate(self._cached, start=1):
                if image.dtype.kind == "f":
                    check_finite(image, name=f"image {number} of {len(images)}")

    def read(
        self, patch: Patch
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
        """Read a patch.

        Returns
        -------
        image : ndarray of float32, shape (C, Z, Y, X)
            Normalized.
        target : ndarray of uint8, shape (Z, Y, X)
            Class indices.
        """
        image, target = self._read(patch)
        image = self._intensities[patch.pair].apply(image, patch.box)
        if patch.padding != _NONE:
            target = np.pad(target, patch.padding, mode="symmetric")
        if patch.unlabelled != _NONE:
            target = np.pad(target, patch.unlabelled, constant_values=IGNORE_INDEX)
        if image.shape[1:] != target.shape:
            lacking = _added(patch.padding, patch.unlabelled)
            image = np.pad(image, ((0, 0), *lacking), mode="symmetric")
        return image, target

    def _read(self, patch: Patch) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
        target = self._targets[patch.pair].read(patch.box)
        if self._cached:
            return self._cached[patch.pair][(slice(None), *patch.box)], target
        return self._images[patch.pair].read(patch.box), target


def _added(first: Widths, second: Widths) -> Widths:
    pairs = zip(first, second, strict=True)
    return tuple((a + c, b + d) for (a, b), (c, d) in pairs)


def _n_bytes(item: Item) -> int:
    per_voxel = item.n_channels * item.dtype.itemsize + 1
    return int(np.prod(item.shape)) * per_voxel
