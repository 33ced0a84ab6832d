"""Histogram matching by quantiles, so that any part of an image is matched alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

N_QUANTILES = 257

Quantiles = tuple[tuple[float, ...], ...]
"""For each channel, intensities at even steps from the least to the greatest."""


@dataclass(frozen=True)
class HistogramMatch:
    """Intensities of one image in place of those of equal rank in another.

    Parameters
    ----------
    source, target : Quantiles
        Of the image, and of what it is brought to.
    """

    source: Quantiles
    target: Quantiles

    def apply(self, block: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Match a block of shape (C, ...); what lies beyond is cut off."""
        matched = np.empty(block.shape, np.float64)
        for channel, rows in enumerate(zip(self.source, self.target, strict=True)):
            given, wanted = map(np.array, rows)
            values, first, counts = np.unique(
                given, return_index=True, return_counts=True
            )
            means = np.add.reduceat(wanted, first) / counts
            present = block[channel].astype(np.float64)
            matched[channel] = np.interp(present, values, means)
        return matched


def quantiles_of(
    values: npt.NDArray[np.float64], *, per_channel: bool = True
) -> Quantiles:
    """Quantiles of sampled intensities (C, N), or the same of all channels."""
    rows = values if per_channel else values.reshape(1, -1)
    levels = np.linspace(0, 1, N_QUANTILES)
    found = tuple(tuple(map(float, np.quantile(row, levels))) for row in rows)
    return found if per_channel else found * len(values)
