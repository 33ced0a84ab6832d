"""Less memory for more time: stages of a network whose inside is computed twice.

What a stage computes on the way forward is not kept for the way back but computed
again there (gradient checkpointing; Chen et al. 2016,
https://arxiv.org/abs/1604.06174).
"""

from __future__ import annotations

import functools
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

_LARGEST_SHARE = 0.25
"""A stage holds at most this share of the layers: what it computes again is in memory
at once."""


def recompute_stages(network: nn.Module) -> int:
    """Let the stages of a network compute their inside twice while it is trained.

    Weights, their names, results and gradients stay the same; batch norms count each
    batch once.

    Parameters
    ----------
    network : nn.Module
        Any network; its stages are found by how many layers with weights they hold.

    Returns
    -------
    int
        Number of stages; 0 when the network has none.
    """
    stages = find_stages(network)
    for stage in stages:
        if not isinstance(stage, _Recomputed):
            stage.__class__ = _recomputed(type(stage))  # type: ignore[arg-type]
    return len(stages)


def find_stages(network: nn.Module) -> list[nn.Module]:
    """Parts of a network whose inside may be computed twice; there may be none."""
    return _stages_in(network, _LARGEST_SHARE * _n_layers(network))


def _stages_in(module: nn.Module, n_most: float) -> list[nn.Module]:
    """Outermost parts that hold several layers, but not most of them."""
    found = []
    for child in module.children():
        n_layers = _n_layers(child)
        is_callable = not isinstance(child, nn.ModuleList | nn.ModuleDict)
        if n_layers <= 1:
            continue
        if is_callable and n_layers <= max(2, n_most):
            found.append(child)
        else:
            found += _stages_in(child, n_most)
    return found


def _n_layers(module: nn.Module) -> int:
    return sum(
        any(weight.dim() > 1 for weight in part.parameters(recurse=False))
        for part in module.modules()
    )


class _Recomputed(nn.Module):
    """Base that a stage gets in front of its class."""

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Compute as the stage does, and once more on the way back."""
        compute = super().forward
        if not (self.training and torch.is_grad_enabled()):
            return compute(*inputs, **named)
        return checkpoint(
            compute,
            *inputs,
            use_reentrant=False,
            context_fn=lambda: (nullcontext(), _uncounted(self)),
            **named,
        )


@functools.cache
def _recomputed(stage: type[nn.Module]) -> type[nn.Module]:
    return type(f"Recomputed{stage.__name__}", (_Recomputed, stage), {})


@contextmanager
def _uncounted(stage: nn.Module) -> Iterator[None]:
    """Let batch norms normalize by a batch without counting it in their statistics."""
    norms = [part for part in stage.modules() if isinstance(part, _BatchNorm)]
    kept = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, kept, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
