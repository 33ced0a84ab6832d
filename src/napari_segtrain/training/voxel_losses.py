"""Losses that are means over voxels: cross-entropy, focal, boundary-weighted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from napari_segtrain.image import IGNORE_INDEX
from napari_segtrain.networks.blocks import centered
from napari_segtrain.training.boundary_weights import boundary_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.config import BoundaryCrossEntropyConfig

_CACHE_BYTES = 256 << 20
_LEAST = 1e-6


class _VoxelLoss(nn.Module):
    """A mean over the labelled voxels, weighted by the classes they are of."""

    def __init__(self, weights: Sequence[float] | None = None) -> None:
        super().__init__()
        self._weight = None if weights is None else torch.tensor(weights)

    def forward(self, logits: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        """Return the loss; logits (N, K, [Z], Y, X), indices int64 (N, [Z], Y, X)."""
        return self.total(logits, indices) / self.n_labelled(indices)

    def total(self, logits: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        """Return the sum over the labelled voxels."""
        raise NotImplementedError

    def n_labelled(self, indices: torch.Tensor) -> torch.Tensor:
        """Count the labelled voxels, each by its class's weight; never 0."""
        labelled = indices != IGNORE_INDEX
        if self._weight is None:
            return labelled.sum().clamp(min=1)
        weight = self._weight.to(indices.device)
        total = (weight[indices.where(labelled, 0)] * labelled).sum()
        return total.where(total > 0, 1.0)

    def _entropy(
        self, logits: torch.Tensor, indices: torch.Tensor, reduction: str
    ) -> torch.Tensor:
        weight = None if self._weight is None else self._weight.to(logits)
        return functional.cross_entropy(
            logits, indices, weight, ignore_index=IGNORE_INDEX, reduction=reduction
        )


class CrossEntropy(_VoxelLoss):
    """Cross-entropy.

    Parameters
    ----------
    weights : sequence of float, optional
        One for each class.
    """

    def total(self, logits: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        """Return the sum over the labelled voxels."""
        return self._entropy(logits, indices, "sum")


class Focal(_VoxelLoss):
    """Focal loss, the mean of ``-a (1 - p)^gamma log p`` (Lin 2017, ICCV).

    Parameters
    ----------
    gamma : float
        How much voxels count less that are predicted well.
    alphas : sequence of float
        ``a`` of each class.
    weights : sequence of float, optional
        One for each class; they count in the mean, ``a`` does not.
    """

    def __init__(
        self,
        gamma: float,
        alphas: Sequence[float],
        weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__(weights)
        self._gamma = gamma
        self._alphas = torch.tensor(alphas)
        if self._weight is not None:
            self._alphas = self._alphas * self._weight

    def total(self, logits: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        """Return the sum over the labelled voxels."""
        entropy = functional.cross_entropy(
            logits, indices, ignore_index=IGNORE_INDEX, reduction="none"
        )
        labelled = indices != IGNORE_INDEX
        alphas = self._alphas.to(logits)[indices.where(labelled, 0)] * labelled
        doubt = (1 - torch.exp(-entropy)).clamp(min=_LEAST)
        return (alphas * doubt**self._gamma * entropy).sum()


class BoundaryCrossEntropy(_VoxelLoss):
    """Cross-entropy with `boundary_weights`.

    Without gradients, as when validating, the weights of targets that came before are
    taken from a cache.

    Parameters
    ----------
    config : BoundaryCrossEntropyConfig
        Height and reach of the borders.
    background : int, optional
        Class index of the background; ``None`` when no class is.
    weights : sequence of float, optional
        One for each class; they count in the mean, those of borders do not.
    """

    def __init__(
        self,
        config: BoundaryCrossEntropyConfig,
        background: int | None,
        weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__(weights)
        self._config = config
        self._background = background
        self._cache: dict[bytes, npt.NDArray[np.float32]] = {}

    def forward(self, logits: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        """Return the loss; the indices may reach farther than the logits."""
        border = centered(self._border(indices), logits.shape[2:])
        indices = centered(indices, logits.shape[2:])
        entropy = self._entropy(logits, indices, "none")
        return (entropy * border.to(entropy)).sum() / self.n_labelled(indices)

    def _border(self, indices: torch.Tensor) -> torch.Tensor:
        targets = list(indices.to(torch.uint8).cpu().numpy())
        find = self._compute if torch.is_grad_enabled() else self._recall
        if len(targets) == 1:
            return torch.from_numpy(find(targets[0])[None])
        with ThreadPoolExecutor(min(len(targets), torch.get_num_threads())) as pool:
            return torch.from_numpy(np.stack(list(pool.map(find, targets))))

    def _compute(self, target: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return boundary_weights(
            target,
            border_weight=self._config.border_weight,
            sigma=self._config.border_sigma,
            background=self._background,
        )

    def _recall(self, target: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        key = repr(target.shape).encode() + blake2b(target.tobytes()).digest()
        found = self._cache.get(key)
        if found is None:
            found = self._compute(target)
            n_bytes = sum(weights.nbytes for weights in self._cache.values())
            if n_bytes + found.nbytes <= _CACHE_BYTES:
                self._cache[key] = found
        return found
