"""How sure a prediction is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari_segtrain.inference.events import BlockPredicted
    from napari_segtrain.inference.protocol import Array32
    from napari_segtrain.inference.regions import RegionBlock

Spread = Literal["deviation", "agreement"]


def entropy(probabilities: Array32) -> Array32:
    """Entropy of the classes, as a share of that of equally likely ones.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (K, Z, Y, X)
        Adding up to 1.

    Returns
    -------
    ndarray of float32, shape (Z, Y, X)
        0 where one class is certain, 1 where all are equally likely.
    """
    total = np.zeros(probabilities.shape[1:], np.float32)
    for values in probabilities:
        total -= values * np.log(np.maximum(values, np.finfo(np.float32).tiny))
    return np.asarray(np.clip(total / np.log(len(probabilities)), 0, 1), np.float32)


def uncertainty_of(block: BlockPredicted | RegionBlock) -> Array32:
    """How sure a block is: its spread, or else the entropy of its probabilities."""
    return entropy(block.probabilities) if block.spread is None else block.spread


class SpreadSum:
    """The mean of probabilities, and how far they lie apart.

    Parameters
    ----------
    spread : {"deviation", "agreement"}, optional
        deviation: the greatest standard deviation of the probability of a class, 0 to
        0.5; agreement: the share whose most likely class is that of the mean, 0 to 1.
    """

    def __init__(self, spread: Spread | None = None) -> None:
        self._spread = spread
        self._weights: list[float] = []
        self._sum: Array32 | None = None
        self._squares: Array32 | None = None
        self._votes: list[npt.NDArray[np.uint8]] = []

    def add(self, probabilities: Array32, weight: float = 1.0) -> None:
        """Add probabilities of shape (N, K, [Z], Y, X)."""
        self._weights.append(weight)
        part = probabilities * np.float32(weight)
        if self._sum is None:
            self._sum = part
        else:
            self._sum += part
        if self._spread == "agreement":
            self._votes.append(probabilities.argmax(axis=1).astype(np.uint8))
        elif self._spread == "deviation":
            part = probabilities * probabilities * np.float32(weight)
            self._squares = part if self._squares is None else self._squares + part

    def result(self) -> Array32:
        """Return the means (N, K, [Z], Y, X), with the spread behind the classes."""
        total = float(sum(self._weights))
        if self._sum is None:
            raise ValueError("there is nothing to average")
        mean = self._sum / np.float32(total)
        if self._spread is None:
            return mean
        spread = np.zeros_like(mean[:, :1])
        if self._spread == "agreement":
            winner = mean.argmax(axis=1)
            for vote, weight in zip(self._votes, self._weights, strict=True):
                spread[:, 0] += (vote == winner) * np.float32(weight / total)
        elif self._squares is not None:
            variance = self._squares / np.float32(total) - mean * mean
            spread[:, 0] = np.sqrt(np.maximum(variance, 0).max(axis=1))
        return np.concatenate([mean, spread], axis=1)
