"""The training loss, deaf to unlabelled voxels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from napari_segtrain.config import (
    BoundaryCrossEntropyConfig,
    CrossEntropyConfig,
    DiceConfig,
    DiceCrossEntropyConfig,
    FocalConfig,
    GeneralizedDiceConfig,
    TverskyConfig,
)
from napari_segtrain.errors import ConfigError
from napari_segtrain.networks.blocks import centered
from napari_segtrain.training.class_weights import resolve_class_weights
from napari_segtrain.training.defaults import complete_loss
from napari_segtrain.training.overlap_losses import (
    BatchDice,
    BatchTversky,
    GeneralizedDice,
)
from napari_segtrain.training.voxel_losses import (
    BoundaryCrossEntropy,
    CrossEntropy,
    Focal,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.axes import ZYX
    from napari_segtrain.config import LossConfig
    from napari_segtrain.training.plan import TrainingPlan


_CONTEXT = 2.0
"""Distance, in sigma, up to which objects around a patch are looked for."""


class DiceCrossEntropy(nn.Module):
    """Weighted sum of `BatchDice` and `CrossEntropy`.

    Parameters
    ----------
    config : DiceCrossEntropyConfig
        Weights of the two.
    weights : sequence of float, optional
        One for each class.
    """

    def __init__(
        self, config: DiceCrossEntropyConfig, weights: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        if config.exclude_background == "auto":
            raise ConfigError(
                "A loss cannot be built with exclude_background='auto'; set "
                "loss.exclude_background, or let the training plan choose it."
            )
        self._config = config
        self._entropy = CrossEntropy(weights)
        self._dice = BatchDice(weights, exclude_background=config.exclude_background)

    def forward(self, logits: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        """Return the loss; logits (N, K, [Z], Y, X), indices int64 (N, [Z], Y, X)."""
        total = self._entropy.total(logits, indices)
        n_labelled = self._entropy.n_labelled(indices)
        dice = cast("torch.Tensor", self._dice(logits, indices))
        return (
            self._config.cross_entropy_weight * total / n_labelled
            + self._config.dice_weight * dice
        )


class SegmentationLoss(nn.Module):
    """The loss that a config names.

    Parameters
    ----------
    config : LossConfig
        Which loss, and its settings.
    n_classes : int
        Classes, background included.
    has_background : bool
        Whether class 0 is the background.
    class_weights : sequence of float, optional
        One for each class; without them all weigh the same.
    """

    def __init__(
        self,
        config: LossConfig,
        *,
        n_classes: int,
        has_background: bool = True,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        is_background = [has_background and index == 0 for index in range(n_classes)]
        self._loss = _build(config, is_background, class_weights)

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        logits : Tensor, shape (N, K, [Z], Y, X)
            Output of the network.
        targets : Tensor of uint8, shape (N, [Z], Y, X)
            Class indices; `IGNORE_INDEX` counts not at all. They may reach farther
            than the logits, the same on opposite sides; the voxels there are only
            looked at by losses that look at the surroundings (see `loss_context`).

        Returns
        -------
        Tensor
            A number; 0, with gradient 0, when no voxel is labelled.
        """
        logits, seen = logits.float(), targets.long()
        if not isinstance(self._loss, BoundaryCrossEntropy):
            seen = centered(seen, logits.shape[2:])
        return cast("torch.Tensor", self._loss(logits, seen))


class DeepLoss(nn.Module):
    """Mean of a loss over the logits of several levels, the finest first.

    Each level counts half as much as the one before.

    Parameters
    ----------
    loss : SegmentationLoss
        Of each level.
    """

    def __init__(self, loss: SegmentationLoss) -> None:
        super().__init__()
        self._loss = loss

    def forward(
        self, logits: Sequence[torch.Tensor], targets: torch.Tensor
    ) -> torch.Tensor:
        """Return the loss of a batch; see `SegmentationLoss.forward`."""
        weights = [0.5**level for level in range(len(logits))]
        losses = [self._loss(level, targets) for level in logits]
        total = sum(w * part for w, part in zip(weights, losses, strict=True))
        return cast("torch.Tensor", total) / sum(weights)


def build_loss(plan: TrainingPlan) -> SegmentationLoss:
    """Build the loss of a run, with the class weights of its data.

    Parts of objects weigh as much as the class that they are parts of.
    """
    config, objects = complete_loss(plan.config.loss, plan.facts), plan.objects
    weights = resolve_class_weights(config, plan.facts)
    if objects is not None and weights is not None:
        weights = tuple(weights[index] for index in objects.class_of_part)
    return SegmentationLoss(
        config,
        n_classes=plan.info.n_classes,
        has_background=0 not in plan.facts.classes.foreground,
        class_weights=weights,
    )


def loss_context(config: LossConfig, *, is_2d: bool) -> ZYX:
    """Voxels around a patch, on each side, in which a loss looks for objects."""
    if not isinstance(config, BoundaryCrossEntropyConfig):
        return (0, 0, 0)
    width = math.ceil(_CONTEXT * config.border_sigma)
    return (0 if is_2d else width, width, width)


def _build(
    config: LossConfig, is_background: list[bool], weights: Sequence[float] | None
) -> nn.Module:
    match config:
        case CrossEntropyConfig():
            return CrossEntropy(weights)
        case FocalConfig(gamma=gamma, alpha=alpha):
            alphas = [1 - alpha if is_back else alpha for is_back in is_background]
            return Focal(gamma, alphas, weights)
        case BoundaryCrossEntropyConfig():
            background = 0 if any(is_background) else None
            return BoundaryCrossEntropy(config, background, weights)
        case _:
            return _build_overlap(config, weights)


def _build_overlap(
    config: DiceCrossEntropyConfig | DiceConfig | GeneralizedDiceConfig | TverskyConfig,
    weights: Sequence[float] | None,
) -> nn.Module:
    if isinstance(config, DiceCrossEntropyConfig):
        return DiceCrossEntropy(config, weights)
    excludes = config.exclude_background
    match config:
        case DiceConfig():
            return BatchDice(weights, exclude_background=excludes)
        case GeneralizedDiceConfig():
            return GeneralizedDice(weights, exclude_background=excludes)
        case TverskyConfig(alpha=alpha, beta=beta):
            return BatchTversky(alpha, beta, weights, exclude_background=excludes)
