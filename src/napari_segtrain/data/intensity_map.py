"""What is measured of intensities, and the linear map that follows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from napari_segtrain.data.histogram import HistogramMatch
from napari_segtrain.data.voxel_samples import Used, sample_items
from napari_segtrain.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.boxes import Box
    from napari_segtrain.image import Item

Method = Literal[
    "percentile", "zscore", "zero-center", "rescale", "local-contrast", "none"
]


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

    def limited(self, factor: float, other: IntensityMap) -> IntensityMap:
        """Return a map that stretches at most so many times as much as another."""
        pairs = zip(self.scale, other.scale, strict=True)
        return replace(self, scale=tuple(min(a, factor * b) for a, b in pairs))


@dataclass(frozen=True)
class IntensityStatistics:
    """What was sampled of one item, or of all, per channel."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]


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
    values = sample_items(items, used)
    return describe(values, percentiles, name=name, per_channel=per_channel)


def describe(
    values: npt.NDArray[Any],
    percentiles: tuple[float, float],
    *,
    name: str = "the image",
    per_channel: bool = True,
) -> IntensityStatistics:
    """Describe voxels of shape (C, N); see `measure`."""
    values = values.astype(np.float64)
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


def _floats(values: npt.NDArray[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
