"""Running mean of the weights, which is what is validated and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Mapping

_RAMP = 10.0


class WeightAverage:
    """Exponential moving average of a network's weights and buffers.

    The decay is ramped up, ``min(decay, (1 + t) / (10 + t))``, so that the first
    weights are soon forgotten (as in TensorFlow's ``ExponentialMovingAverage``).

    Parameters
    ----------
    network : nn.Module
        Its present state is the first average.
    decay : float
        Share of the old average that is kept per update, after the ramp.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self.state = {k: v.detach().clone() for k, v in network.state_dict().items()}
        self._floating = [k for k, v in self.state.items() if v.is_floating_point()]

    @torch.no_grad()
    def update(self, network: nn.Module, n_updates: int) -> None:
        """Move the average towards the network's weights.

        Parameters
        ----------
        network : nn.Module
            The network that is trained.
        n_updates : int
            How many updates came before.
        """
        decay = min(self._decay, (1 + n_updates) / (_RAMP + n_updates))
        present = network.state_dict()
        averages = [self.state[name] for name in self._floating]
        weights = [present[name].detach() for name in self._floating]
        torch._foreach_lerp_(averages, weights, 1 - decay)
        for name, value in self.state.items():
            if not value.is_floating_point():
                value.copy_(present[name])

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over an average from a checkpoint."""
        for name, value in self.state.items():
            value.copy_(state[name])
