"""Networks that answer together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence


class Ensemble(nn.Module):
    """The mean of the probabilities of networks with the same classes.

    Parameters
    ----------
    members : sequence of nn.Module
        Each from images to logits.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Compute logits whose softmax is the mean of the members' softmax.

        Parameters
        ----------
        image : Tensor, shape (N, C, [Z], Y, X)
            As the members take it.

        Returns
        -------
        Tensor, shape (N, K, [Z], Y, X)
        """
        total: torch.Tensor | None = None
        for member in self.members:
            logits = member(image).float().log_softmax(dim=1)
            total = logits if total is None else torch.logaddexp(total, logits)
        if total is None:
            raise ValueError("an ensemble needs at least one member")
        return total - math.log(len(self.members))
