"""Normalized intensities of a training set, and how far an image is from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.boxes import full_box
from napari_segtrain.data.histogram import Quantiles
from napari_segtrain.data.voxel_samples import Used, spread_boxes
from napari_segtrain.image import Item

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_segtrain.data.intensity_map import IntensityMap
    from napari_segtrain.data.normalize import Normalization

LEVELS = (0.5, 5.0, 25.0, 50.0, 75.0, 95.0, 99.5)
"""Percents of the voxels that are darker than a quantile."""
SAMPLE_VOXELS = 1 << 18
"""Wanted of an image, per channel; at most four times as many are read."""

_WEIGHTS = np.array([0.5, 1, 1, 1, 1, 1, 0.5])
_ALL_SAMPLES = 1 << 22
_MAX_ITEMS = 64
_ALWAYS, _OF_ONE = 0.1, 0.15

Rows = npt.NDArray[np.float64]
"""Quantiles (C, `LEVELS`)."""


@dataclass(frozen=True)
class SeenIntensities:
    """Quantiles of the intensities that a network was trained on, after normalization.

    Parameters
    ----------
    low, high : Quantiles
        At `LEVELS` per channel, the least and the greatest of all slices.
    spread : tuple of float
        Per channel, from 5 to 95 % of the voxels of a usual image.
    n_slices : int
        Slices, flat images included, that were looked at.
    """

    low: Quantiles
    high: Quantiles
    spread: tuple[float, ...]
    n_slices: int

    @property
    def tolerance(self) -> float:
        """Distance from which an image is unlike the training set; see `distance`.

        Of a single slice it is not known how much images differ, so more is allowed:
        0.25, and 0.1 of many.
        """
        return _ALWAYS + _OF_ONE / self.n_slices

    def problems(self, n_channels: int) -> Iterator[str]:
        """Say what no training would have measured."""
        rows = (*self.low, *self.high)
        has_shape = len(self.low) == len(self.high) == len(self.spread) == n_channels
        has_levels = all(len(row) == len(LEVELS) for row in rows)
        numbers = [*self.spread, *(number for row in rows for number in row)]
        is_sane = all(map(math.isfinite, numbers)) and self.n_slices > 0
        if not (has_shape and has_levels and is_sane):
            yield f"it holds no intensities that {n_channels} channels were trained on"


def sample_slices(
    item: Item, used: Used | None = None, n_voxels: int = SAMPLE_VOXELS
) -> npt.NDArray[Any]:
    """Read a few slices, or bands of them, spread over an item.

    Parameters
    ----------
    item : Item
        Read lazily.
    used : tuple of bool, optional
        Slices along Z that may be taken; all of them without it.
    n_voxels : int
        Wanted per channel; at most four times as many are read.

    Returns
    -------
    ndarray, shape (C, N, Y, X)
        At most 16 slices.
    """
    boxes = spread_boxes(item.shape, used or (True,) * item.shape[0], n_voxels)
    return np.concatenate([item.read(box) for box in boxes], axis=1)


def see_intensities(
    rule: Normalization,
    items: Sequence[Item],
    used: Sequence[Used],
    maps: Sequence[IntensityMap],
) -> SeenIntensities | None:
    """Measure what a rule makes of a training set.

    Parameters
    ----------
    rule : Normalization
        Of the training.
    items : sequence of Item
        Images; of many, some.
    used : sequence of tuple of bool
        For each item, the slices along Z that are trained on.
    maps : sequence of IntensityMap
        Of each item.

    Returns
    -------
    SeenIntensities or None
        ``None`` where nothing but NaN and infinite voxels was found.
    """
    chosen = np.linspace(0, len(items) - 1, min(len(items), _MAX_ITEMS)).round()
    budget = min(SAMPLE_VOXELS, _ALL_SAMPLES // len(chosen))
    rows: list[Rows] = []
    wholes: list[Rows] = []
    n_slices = 0
    for n in chosen.astype(int):
        sample = sample_slices(items[n], used[n], budget)
        if not np.isfinite(sample).all():
            continue
        values = normalized(rule, sample, maps[n])
        wholes.append(quantiles(values))
        rows += [quantiles(values[:, z]) for z in range(values.shape[1])]
        n_slices += min(max(1, sum(used[n])), values.shape[1])
    if not wholes:
        return None
    every = np.stack([*rows, *wholes])
    usual = np.median(np.stack(wholes), axis=0)
    return SeenIntensities(
        low=_plain(every.min(axis=0)),
        high=_plain(every.max(axis=0)),
        spread=tuple(map(float, _spread(usual))),
        n_slices=n_slices,
    )


def normalized(
    rule: Normalization, sample: npt.NDArray[Any], known: IntensityMap | None = None
) -> npt.NDArray[np.float32]:
    """Apply a rule to voxels (C, N, Y, X) as if they were an image.

    Denoising, which takes long and hardly changes a histogram, is left out.

    Raises
    ------
    DataError
        When a voxel is NaN or infinite.
    """
    item = Item(sample, "CZYX")
    item, intensities = replace(rule, denoising=0.0).prepare(item, known)
    return np.asarray(intensities.apply(item.read(), full_box(item.shape)), np.float32)


def quantiles(values: npt.NDArray[np.float32]) -> Rows:
    """Quantiles at `LEVELS` of voxels (C, ...)."""
    found = np.percentile(values.reshape(len(values), -1), LEVELS, axis=1).T
    return np.asarray(found, np.float64)


def distance(seen: SeenIntensities, found: Rows) -> npt.NDArray[np.float64]:
    """How far quantiles lie outside of those of a training set, per channel.

    Parameters
    ----------
    seen : SeenIntensities
        Of the training set.
    found : ndarray, shape (C, `LEVELS`)
        Of an image, normalized by the same rule.

    Returns
    -------
    ndarray of float, shape (C,)
        Mean distance, the outermost levels counting half, as a share of the range of
        intensities (from 5 to 95 %) of the image or of the training set, whichever is
        greater. 0 for what is brighter than one slice and darker than another.
    """
    below, above = np.array(seen.low) - found, found - np.array(seen.high)
    outside = np.maximum(0, np.maximum(below, above)) @ _WEIGHTS / _WEIGHTS.sum()
    spread = np.maximum(seen.spread, _spread(found))
    shares: npt.NDArray[np.float64] = outside / np.maximum(spread, 1e-9)
    return shares


def _spread(rows: Rows) -> npt.NDArray[np.float64]:
    spread: npt.NDArray[np.float64] = rows[:, -2] - rows[:, 1]
    return spread


def _plain(rows: Rows) -> Quantiles:
    return tuple(tuple(map(float, row)) for row in rows)
