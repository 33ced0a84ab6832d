"""Losses that compare regions: Dice, generalized Dice, Tversky."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from monai.losses.dice import DiceLoss
from monai.losses.tversky import TverskyLoss
from torch import nn

from napari_segtrain.image import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Sequence

_SMOOTHING = 1.0
_TINY = 1e-8


class BatchDice(nn.Module):
    """MONAI's Dice loss over a batch, the weighted mean over the classes.

    Parameters
    ----------
    weights : sequence of float, optional
        One for each class, background included.
    exclude_background : bool
        Leave class 0 out.
    """

    def __init__(
        self, weights: Sequence[float] | None = None, *, exclude_background: bool
    ) -> None:
        super().__init__()
        weight = _mean_weights(weights, exclude_background=exclude_background)
        self._dice = DiceLoss(
            include_background=not exclude_background,
            softmax=True,
            to_onehot_y=True,
            batch=True,
            ignore_index=IGNORE_INDEX,
            smooth_nr=_SMOOTHING,
            smooth_dr=_SMOOTHING,
            weight=weight,
        )

    def forward(self, logits: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        """Return the loss; logits (N, K, [Z], Y, X), indices int64 (N, [Z], Y, X)."""
        return cast("torch.Tensor", self._dice(logits, indices.unsqueeze(1)))


class BatchTversky(nn.Module):
    """MONAI's Tversky loss over a batch, the weighted mean over the classes.

    Parameters
    ----------
    alpha, beta : float
        Price of false positives and of false negatives.
    weights, exclude_background
        As in `BatchDice`.
    """

    def __init__(
        self,
        alpha: float,
        beta: float,
        weights: Sequence[float] | None = None,
        *,
        exclude_background: bool,
    ) -> None:
        super().__init__()
        self._weight = _mean_weights(weights, exclude_background=exclude_background)
        self._tversky = TverskyLoss(
            include_background=not exclude_background,
            softmax=True,
            to_onehot_y=True,
            alpha=alpha,
            beta=beta,
            batch=True,
            reduction="none",
            ignore_index=IGNORE_INDEX,
            smooth_nr=_SMOOTHING,
            smooth_dr=_SMOOTHING,
        )

    def forward(self, logits: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        """Return the loss; logits (N, K, [Z], Y, X), indices int64 (N, [Z], Y, X)."""
        per_class = cast("torch.Tensor", self._tversky(logits, indices.unsqueeze(1)))
        if self._weight is not None:
            per_class = per_class * self._weight.to(per_class)
        return per_class.mean()


class GeneralizedDice(nn.Module):
    """Generalized Dice loss of each patch by DeepMIB's formula, the mean over patches.

    A class of n labelled voxels weighs 1 / n², or 1e-8 where it is absent, and Dice is
    ``2 Σ w Σ YT / (Σ w Σ (Y² + T²) + 1e-8)``
    (``dicePixelCustomClassificationLayer``). Patches without labelled voxels are left
    out of the mean.

    Parameters
    ----------
    weights, exclude_background
        As in `BatchDice`; the weights multiply those of the formula.
    """

    def __init__(
        self, weights: Sequence[float] | None = None, *, exclude_background: bool
    ) -> None:
        super().__init__()
        self._first = 1 if exclude_background else 0
        self._weight = _mean_weights(weights, exclude_background=exclude_background)

    def forward(self, logits: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        """Return the loss; logits (N, K, [Z], Y, X), indices int64 (N, [Z], Y, X)."""
        labelled = (indices != IGNORE_INDEX).flatten(1)
        predicted = torch.softmax(logits, 1).flatten(2)[:, self._first :]
        predicted = predicted * labelled.unsqueeze(1)
        truth = _one_hot(indices, logits.shape[1])[:, self._first :]
        n_voxels = truth.sum(2)
        weight = torch.where(n_voxels > 0, n_voxels.clamp(min=1) ** -2, _TINY)
        if self._weight is not None:
            weight = weight * self._weight.to(weight)
        shared = (weight * (predicted * truth).sum(2)).sum(1)
        both = (weight * (predicted.square().sum(2) + n_voxels)).sum(1)
        is_counted = labelled.any(1)
        loss = (1 - 2 * shared / (both + _TINY)) * is_counted
        return loss.sum() / is_counted.sum().clamp(min=1)


def _one_hot(indices: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Float one-hot, shape (N, K, voxels), all 0 where unlabelled."""
    classes = torch.arange(n_classes, device=indices.device).view(1, -1, 1)
    return (indices.flatten(1).unsqueeze(1) == classes).float()


def _mean_weights(
    weights: Sequence[float] | None, *, exclude_background: bool
) -> torch.Tensor | None:
    """Weights of the classes that count, such that a mean weighted by them is one."""
    if weights is None:
        return None
    counted = torch.tensor(weights[1:] if exclude_background else weights)
    return counted / counted.mean()
