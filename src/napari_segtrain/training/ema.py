"""Running mean of the weights, which is what is validated and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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

    def is_finite(self) -> bool:
        """Whether no value is NaN or infinite."""
        return all(bool(self.state[n].isfinite().all()) for n in self._floating)

    def move(self, device: torch.device) -> None:
        """Keep the average on another device."""
        self.state = {name: value.to(device) for name, value in self.state.items()}

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over an average from a checkpoint."""
        for name, value in self.state.items():
            value.copy_(state[name])

    @torch.no_grad()
    def recalibrate(self, network: nn.Module, batches: Iterable[torch.Tensor]) -> None:
        """Measure the statistics of batch norms anew, for the averaged weights.

        Those of a frozen encoder stay as they are.

        The mean and variance that batch norms keep while training belong to the
        weights of the moment, and reach back a few batches only (Izmailov et al. 2018,
        https://arxiv.org/abs/1803.05407, section 3.2).

        Parameters
        ----------
        network : nn.Module
            Gives the architecture; its own state is left as it is.
        batches : iterable of Tensor, shape (N, C, [Z], Y, X)
            Normalized training patches on the network's device; the mean over them
            is taken.
        """
        norms = [
            module
            for module in network.modules()
            if isinstance(module, _BatchNorm) and _learns(module)
        ]
        if not norms:
            return
        momenta = [norm.momentum for norm in norms]
        was_training = network.training
        network.eval()
        try:
            for norm in norms:
                norm.train()
            for number, images in enumerate(batches, start=1):
                for norm in norms:
                    norm.momentum = 1 / number
                torch.func.functional_call(network, self.state, (images,))
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum
            network.train(was_training)


def _learns(module: nn.Module) -> bool:
    return all(p.requires_grad for p in module.parameters(recurse=False))
