"""Intensity normalization: measured lazily, stored with the model.

The statistics describe a whole image (or the whole training set), never a tile, so a
region of an image is normalized exactly as the image is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from napari_segtrain.data.denoising import REACH, DenoisedItem, measure_noise
from napari_segtrain.data.histogram import HistogramMatch, Quantiles, quantiles_of
from napari_segtrain.data.intensity_map import (
    IntensityMap,
    IntensityStatistics,
    Method,
    check_finite,
    describe,
    intensity_map,
    measure,
)
from napari_segtrain.data.local_contrast import LocalContrast
from napari_segtrain.data.slice_intensities import SliceIntensities, slices_jump
from napari_segtrain.data.voxel_samples import Used, sample_items
from napari_segtrain.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.axes import ZYX
    from napari_segtrain.boxes import Box
    from napari_segtrain.config import NormalizationConfig
    from napari_segtrain.image import Item

Scope = Literal["slice", "image", "training-set"]

RANGE_RATIO = 1.5
"""Images whose intensity ranges differ by more than this are measured one by one."""
OFFSET_SHARE = 0.25
"""So are images whose low ends differ by more than this share of the range."""
MEAN_SHIFT = 0.5
"""And those whose means differ by more than so many standard deviations."""
_MIN_MEAN = 0.25
"""That holds for means above this share of the range: where the background is dark,
they tell how much there is to see, not how bright it is."""


class Intensities(Protocol):
    """Normalization of one item."""

    def apply(self, block: npt.NDArray[Any], box: Box, /) -> npt.NDArray[np.float32]:
        """Normalize a block of shape (C, Z, Y, X) that was read from ``box``."""
        ...


@dataclass(frozen=True)
class Normalization:
    """The rule that a model applies to every image.

    Parameters
    ----------
    method, scope, percentiles
        As in `NormalizationConfig`, with nothing left to choose.
    training_set : IntensityMap, optional
        The map of the training set; absent when images, or slices, are measured one by
        one.
    per_channel, cell_size, clip_limit, denoising
        As in `NormalizationConfig`.
    histogram : Quantiles, optional
        Of the training set, when every image is brought to it first.
    """

    method: Method
    scope: Scope
    percentiles: tuple[float, float] = (1.0, 99.8)
    training_set: IntensityMap | None = None
    per_channel: bool = True
    cell_size: int = 128
    clip_limit: float = 0.01
    histogram: Quantiles | None = None
    denoising: float = 0.0

    @property
    def words(self) -> str:
        """What is done, for people."""
        parts = [
            f"{self.method} per {self.scope}",
            "" if self.per_channel else "channels together",
            "matched to the training set" if self.histogram else "",
            f"denoising {self.denoising:g}" if self.denoising else "",
        ]
        return ", ".join(part for part in parts if part)

    @property
    def reach(self) -> ZYX:
        """Voxels around a box, on each side, that are read with it."""
        return (0, REACH, REACH) if self.denoising else (0, 0, 0)

    def prepare(
        self, item: Item, known: IntensityMap | None = None
    ) -> tuple[Item, Intensities]:
        """Return an item as it is to be read, and what normalizes what is read.

        Parameters
        ----------
        item : Item
            An image.
        known : IntensityMap, optional
            Its map; it is measured, where the rule says so, without.

        Raises
        ------
        DataError
            When a sampled voxel is NaN or infinite.
        """
        if known is None:
            known = replace(self.map_of(item), noise=self.noise_of(item))
        if self.denoising:
            weights = tuple(self.denoising * sigma for sigma in known.noise)
            item = DenoisedItem(item.array, item.axes, item.index, weights)
        if self.scope == "slice":
            return item, SliceIntensities(item, known, self._map_of_voxels)
        if self.method != "local-contrast":
            return item, known
        size, limit = self.cell_size, self.clip_limit
        return item, LocalContrast(item, known, cell_size=size, clip_limit=limit)

    def noise_of(self, item: Item, used: Used | None = None) -> tuple[float, ...]:
        """Measure the noise of an item for denoising; empty when there is none."""
        if not self.denoising:
            return ()
        return measure_noise(item, used, per_channel=self.per_channel)

    def map_of(self, item: Item) -> IntensityMap:
        """Return the map for an item, measuring it where the rule says so.

        Raises
        ------
        DataError
            When a sampled voxel is NaN or infinite.
        """
        if self.training_set is not None:
            return replace(self.training_set, match=self._match(item))
        if self.method == "none":
            ones = (1.0,) * item.n_channels
            return IntensityMap((0.0,) * item.n_channels, ones)
        statistics = measure([item], self.percentiles, per_channel=self.per_channel)
        return intensity_map(statistics, self.method)

    def _map_of_voxels(self, values: npt.NDArray[Any]) -> IntensityMap:
        statistics = describe(values, self.percentiles, per_channel=self.per_channel)
        return intensity_map(statistics, self.method)

    def _match(self, item: Item) -> HistogramMatch | None:
        if self.histogram is None:
            return None
        found = _quantiles([item], per_channel=self.per_channel)
        return HistogramMatch(found, self.histogram)


def plan_normalization(
    items: Sequence[Item],
    config: NormalizationConfig,
    names: Sequence[str] = (),
    used: Sequence[Used] = (),
    *,
    wholes: Sequence[Item] = (),
) -> tuple[Normalization, tuple[IntensityMap, ...]]:
    """Choose the rule for a training set and the map of each of its items.

    Parameters
    ----------
    items : sequence of Item
        Images that are trained on.
    config : NormalizationConfig
        What the user asks for.
    names : sequence of str
        Of the items, for messages.
    used : sequence of tuple of bool
        For each item, the slices that hold labelled voxels: the training set is
        measured there, since a volume may be empty elsewhere.
    wholes : sequence of Item
        What the items were cropped from, or the items themselves: an image that is
        normalized by itself is measured as a whole, as it is for a prediction.

    Notes
    -----
    ``auto`` measures each slice by itself (z-score) where the brightness of a stack
    jumps from slice to slice, see `slices_jump`; each image by itself when their ranges
    differ by more than `RANGE_RATIO` or their low ends by more than `OFFSET_SHARE` of
    the range (percentiles), or else their means by more than `MEAN_SHIFT` (z-score);
    and the training set once (z-score) otherwise. Slices of an image that was cropped
    are not measured, as a prediction sees whole ones.

    Raises
    ------
    DataError
        When every image is constant, or a sampled voxel is NaN or infinite.
    """
    names = names or [f"image {number}" for number in range(1, len(items) + 1)]
    used = used or [(True,) * item.shape[0] for item in items]
    each = [
        measure(
            [item],
            config.percentiles,
            name=name,
            used=[slices],
            per_channel=config.per_channel,
        )
        for item, name, slices in zip(items, names, used, strict=True)
    ]
    if all(np.array_equal(s.minimum, s.maximum) for s in each):
        raise DataError(
            f"Every image is constant where it was looked at (value "
            f"{each[0].mean[0]:g}), so there is nothing to learn; check that the "
            "images, not empty channels or labels, were given."
        )
    scope, method = config.scope, config.method
    if scope == "auto" and config.match_histogram:
        scope = "training-set"
    if scope == "auto":
        scope = _usual_scope(each, config, items, used, wholes or items)
    if method == "auto":
        has_same_ranges = scope != "image" or _only_means_differ(each)
        method = "zscore" if has_same_ranges else "percentile"
    rule = Normalization(
        method,
        scope,
        config.percentiles,
        per_channel=config.per_channel,
        cell_size=config.cell_size,
        clip_limit=config.clip_limit,
        denoising=config.denoising,
    )
    noises = [rule.noise_of(*pair) for pair in zip(items, used, strict=True)]
    if scope != "training-set":
        return rule, _maps(rule, wholes or items, noises)
    statistics = measure(
        items, config.percentiles, used=used, per_channel=config.per_channel
    )
    whole = intensity_map(statistics, method)
    histogram = None
    if config.match_histogram:
        histogram = _quantiles(items, used, per_channel=config.per_channel)
    rule = replace(rule, training_set=whole, histogram=histogram)
    return rule, _maps(rule, wholes or items, noises)


def _maps(
    rule: Normalization, items: Sequence[Item], noises: Sequence[tuple[float, ...]]
) -> tuple[IntensityMap, ...]:
    """Map of each item, with its noise."""
    pairs = zip(items, noises, strict=True)
    return tuple(replace(rule.map_of(item), noise=noise) for item, noise in pairs)


def _quantiles(
    items: Sequence[Item], used: Sequence[Used] = (), *, per_channel: bool
) -> Quantiles:
    used = used or [(True,) * item.shape[0] for item in items]
    values = sample_items(items, used).astype(np.float64)
    check_finite(values)
    return quantiles_of(values, per_channel=per_channel)


def _usual_scope(
    each: Sequence[IntensityStatistics],
    config: NormalizationConfig,
    items: Sequence[Item],
    used: Sequence[Used],
    wholes: Sequence[Item],
) -> Scope:
    is_whole = all(item is whole for item, whole in zip(items, wholes, strict=True))
    may_be_slices = is_whole and config.method not in {"local-contrast", "none"}
    pairs = zip(items, used, strict=True)
    if may_be_slices and any(slices_jump(*pair) for pair in pairs):
        return "slice"
    is_each = _ranges_differ(each) or _only_means_differ(each)
    return "image" if is_each else "training-set"


def _only_means_differ(each: Sequence[IntensityStatistics]) -> bool:
    mean, std = np.array([s.mean for s in each]), np.array([s.std for s in each])
    low, high = np.array([s.low for s in each]), np.array([s.high for s in each])
    share = (mean - low) / np.maximum(high - low, 1e-12)
    shift = np.ptp(mean, axis=0) / np.maximum(np.median(std, axis=0), 1e-12)
    is_bright = np.median(share, axis=0) > _MIN_MEAN
    return not _ranges_differ(each) and bool(((shift > MEAN_SHIFT) & is_bright).any())


def _ranges_differ(each: Sequence[IntensityStatistics]) -> bool:
    low = np.array([s.low for s in each])
    span = np.array([s.high for s in each]) - low
    span = np.maximum(span, 1e-12)
    ratio = span.max(axis=0) / span.min(axis=0)
    shift = np.ptp(low, axis=0) / np.median(span, axis=0)
    return bool((ratio > RANGE_RATIO).any() or (shift > OFFSET_SHARE).any())
