"""The optimizer, and the memory layout that is fastest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from napari_segtrain.networks.dynamo import load_dynamo
from napari_segtrain.training.muon import Muon

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from napari_segtrain.config import (
        AdamSolver,
        AdamWSolver,
        FixedSolverConfig,
        RmspropSolver,
        SgdSolver,
    )

load_dynamo()  # with the first optimizer it would cost a time budget 1 s


def build_optimizer(
    network: nn.Module,
    solver: FixedSolverConfig,
    learning_rate: float,
    weight_decay: float,
) -> torch.optim.Optimizer:
    """Optimizer of a network; biases and norms are not decayed.

    Parameters
    ----------
    network : nn.Module
        On its device.
    solver : FixedSolverConfig
        Rule of a step.
    learning_rate : float
        Peak; the loop sets the rate of each step.
    weight_decay : float
        Of the convolutions' weights: decoupled with Muon and AdamW, L2 with the others.
    """
    usual = {"lr": learning_rate, "weight_decay": weight_decay}
    if solver.kind == "muon":
        return Muon(network, momentum=solver.momentum, **usual)
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.dim() > 1]},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    is_fused = parameters[0].device.type in {"cpu", "cuda"}
    build, settings = _rule(solver, is_fused=is_fused)
    return build(groups, **usual, **settings)


def _rule(
    solver: AdamWSolver | AdamSolver | SgdSolver | RmspropSolver, *, is_fused: bool
) -> tuple[Callable[..., torch.optim.Optimizer], dict[str, Any]]:
    """Class of the optimizer, and what it takes beside rate and weight decay."""
    if solver.kind == "sgd":
        # not fused, which fails when an encoder is frozen
        settings = {"momentum": solver.momentum, "nesterov": solver.nesterov}
        return torch.optim.SGD, settings
    if solver.kind == "rmsprop":
        settings = {"alpha": solver.smoothing, "momentum": solver.momentum}
        return torch.optim.RMSprop, settings
    adam = torch.optim.AdamW if solver.kind == "adamw" else torch.optim.Adam
    return adam, {"betas": (solver.beta1, solver.beta2), "fused": is_fused}


def drop_unfinished(optimizer: torch.optim.Optimizer) -> None:
    """Forget the moments of weights for which there was no memory to make them all."""
    sizes = [len(state) for state in optimizer.state.values()]
    for weight, state in list(optimizer.state.items()):
        if len(state) < max(sizes):
            del optimizer.state[weight]


def memory_layout(device: torch.device, *, is_2d: bool) -> torch.memory_format:
    """Channels last in 2D, where it is measured to be faster."""
    del device
    return torch.channels_last if is_2d else torch.contiguous_format
