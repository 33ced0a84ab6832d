"""The training loss: Dice plus cross-entropy, deaf to unlabelled voxels."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from monai.losses.dice import DiceLoss
from torch import nn
from torch.nn import functional

from napari_segtrain.image import IGNORE_INDEX

if TYPE_CHECKING:
    from napari_segtrain.config import LossConfig

_SMOOTHING = 1.0


class SegmentationLoss(nn.Module):
    """Weighted sum of MONAI's batch Dice loss and cross-entropy.

    Parameters
    ----------
    config : LossConfig
        Weights of the two.
    """

    def __init__(self, config: LossConfig) -> None:
        super().__init__()
        self._config = config
        self._dice = DiceLoss(
            softmax=True,
            to_onehot_y=True,
            batch=True,
            ignore_index=IGNORE_INDEX,
            smooth_nr=_SMOOTHING,
            smooth_dr=_SMOOTHING,
        )

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        logits : Tensor, shape (N, K, [Z], Y, X)
            Output of the network.
        targets : Tensor of uint8, shape (N, [Z], Y, X)
            Class indices; `IGNORE_INDEX` counts not at all.

        Returns
        -------
        Tensor
            A number; 0, with gradient 0, when no voxel is labelled.
        """
        logits, indices = logits.float(), targets.long()
        n_labelled = (indices != IGNORE_INDEX).sum().clamp(min=1)
        entropy = functional.cross_entropy(
            logits, indices, ignore_index=IGNORE_INDEX, reduction="sum"
        )
        dice = cast("torch.Tensor", self._dice(logits, indices.unsqueeze(1)))
        return (
            self._config.cross_entropy_weight * entropy / n_labelled
            + self._config.dice_weight * dice
        )
