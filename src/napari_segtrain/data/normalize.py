"""Intensity normalization: measured lazily, stored with the model.

The statistics describe a whole image (or the whole training set), never a tile, so a
region of an image is normalized exactly as the image is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from napari_segtrain.data.denoising import DenoisedItem, measure_noise
from napari_segtrain.data.histogram import HistogramMatch, Quantiles, quantiles_of
from napari_segtrain.data.local_contrast import LocalContrast
from napari_segtrain.data.voxel_samples import Used, sample_items
from napari_segtrain.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.boxes import Box
    from napari_segtrain.config import NormalizationConfig
    from napari_segtrain.image import Item

Method = Literal[
    "percentile", "zscore", "zero-center", "rescale", "local-contrast", "none"
]
Scope = Literal["image", "training-set"]

RANGE_RATIO = 1.5
"""Images whose intensity ranges differ by more than this are measured one by one."""
OFFSET_SHARE = 0.25
"""So are images whose low ends differ by more than this share of the range."""


class Intensities(Protocol):
    """Normalization of one item."""

    def apply(self, block: npt.NDArray[Any], box: Box, /) -> npt.NDArray[np.float32]:
        """Normalize a block of shape (C, Z, Y, X) that was read from ``box``."""
        ...


@dataclass(frozen=True)
class IntensityMap:
    """``(value - offset) * scale``, one number of each per channel.

    Parameters
    ----------
    offset, scale : tuple of float
        Per channel.
    match : HistogramMatch, optional
        What is done to the values before.
    noise : tuple of float
        Standard deviation of the noise per channel, for what is denoised before; else
        empty.
    """

    offset: tuple[float, ...]
    scale: tuple[float, ...]
    match: HistogramMatch | None = None
    noise: tuple[float, ...] = ()

    def apply(
        self, block: npt.NDArray[Any], _box: Box | None = None, /
    ) -> npt.NDArray[np.float32]:
        """Normalize a block of shape (C, Z, Y, X) or (C, Y, X), wherever it lies.

        Raises
        ------
        DataError
            When a voxel is NaN or infinite.
        """
        if block.dtype.kind == "f":
            check_finite(block)
        if self.match is not None:
            block = self.match.apply(block)
        shape = (-1, *[1] * (block.ndim - 1))
        kind = np.float32 if np.can_cast(block.dtype, np.float32) else np.float64
        result: npt.NDArray[Any] = block.astype(kind)
        np.subtract(result, np.array(self.offset, kind).reshape(shape), out=result)
        np.multiply(result, np.array(self.scale, kind).reshape(shape), out=result)
        return result.astype(np.float32, copy=False)


@dataclass(frozen=True)
class IntensityStatistics:
    """What was sampled of one item, or of all, per channel."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]


@dataclass(frozen=True)
class Normalization:
    """The rule that a model applies to every image.

    Parameters
    ----------
    method, scope, percentiles
        As in `NormalizationConfig`, with nothing left to choose.
    training_set : IntensityMap, optional
        The map of the training set; absent when images are measured one by one.
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

    def _match(self, item: Item) -> HistogramMatch | None:
        if self.histogram is None:
            return None
        found = _quantiles([item], per_channel=self.per_channel)
        return HistogramMatch(found, self.histogram)


def check_finite(values: npt.NDArray[Any], *, name: str = "the image") -> None:
    """Raise a `DataError` when ``values`` hold NaN or infinity."""
    if np.isfinite(values).all():
        return
    n_bad = int(values.size - np.isfinite(values).sum())
    raise DataError(
        f"There are NaN or infinite voxels in {name} ({n_bad} in the part that was "
        "read); replace them, for instance by the median, and save the image again."
    )


def measure(
    items: Sequence[Item],
    percentiles: tuple[float, float],
    *,
    name: str = "the image",
    used: Sequence[Used] = (),
    per_channel: bool = True,
) -> IntensityStatistics:
    """Sample items evenly and describe their intensities per channel.

    Voxels are those of `sample_items`.

    Parameters
    ----------
    items : sequence of Item
        Measured together.
    percentiles : tuple of float
        Low and high.
    name : str
        For messages.
    used : sequence of tuple of bool
        For each item, the slices along Z to look at; all of them without it.
    per_channel : bool
        Whether channels are described one by one, or all by the same numbers.

    Raises
    ------
    DataError
        When a sampled voxel is NaN or infinite.
    """
    used = used or [(True,) * item.shape[0] for item in items]
    values = sample_items(items, used).astype(np.float64)
    check_finite(values, name=name)
    n_repeats = 1 if per_channel else len(values)
    values = values if per_channel else values.reshape(1, -1)
    low, high = np.percentile(values, percentiles, axis=1)
    rows = (
        low, high, values.mean(axis=1), values.std(axis=1),
        values.min(axis=1), values.max(axis=1),
    )  # fmt: skip
    return IntensityStatistics(*(n_repeats * _floats(row) for row in rows))


def intensity_map(statistics: IntensityStatistics, method: Method) -> IntensityMap:
    """Turn statistics into the map of a method; a constant channel maps to 0."""
    s = statistics
    offset, top = {
        "percentile": (s.low, np.subtract(s.high, s.low)),
        "zscore": (s.mean, np.array(s.std)),
        "zero-center": (s.mean, np.ones(len(s.mean))),
        "rescale": (s.minimum, np.subtract(s.maximum, s.minimum)),
        "local-contrast": (s.low, np.subtract(s.high, s.low)),
        "none": (np.zeros(len(s.mean)), np.ones(len(s.mean))),
    }[method]
    spread = np.subtract(s.maximum, s.minimum)
    top = np.where(top > 0, top, np.where(spread > 0, spread, 1.0))
    return IntensityMap(_floats(np.array(offset)), _floats(1 / top))


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
    ``auto`` measures each image by itself (percentiles) when their ranges differ by
    more than `RANGE_RATIO` or their low ends by more than `OFFSET_SHARE` of the range,
    and the training set once (z-score) otherwise.

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
    scope = config.scope
    if scope == "auto" and config.match_histogram:
        scope = "training-set"
    if scope == "auto":
        scope = "image" if _differ(each) else "training-set"
    method = config.method
    if method == "auto":
        method = "percentile" if scope == "image" else "zscore"
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
    if scope == "image":
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


def _differ(each: Sequence[IntensityStatistics]) -> bool:
    low = np.array([s.low for s in each])
    span = np.array([s.high for s in each]) - low
    span = np.maximum(span, 1e-12)
    ratio = span.max(axis=0) / span.min(axis=0)
    shift = np.ptp(low, axis=0) / np.median(span, axis=0)
    return bool((ratio > RANGE_RATIO).any() or (shift > OFFSET_SHARE).any())


def _floats(values: npt.NDArray[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
