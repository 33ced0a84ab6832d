"""The encoder of a network, held as it is while the rest learns."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from napari_segtrain.networks.transplant import channel_weights

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_segtrain.networks import NetworkInfo
    from napari_segtrain.training.plan import TrainingPlan

_CONVS = (
    nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d,
)  # fmt: skip
_NORMS = (_NormBase, nn.GroupNorm)


class FrozenEncoder:
    """Switches the learning of an encoder off and on.

    While it is off its weights get no gradient, and its batch norms use and keep the
    statistics that they have.

    Parameters
    ----------
    network : nn.Module
        What is trained.
    info : NetworkInfo
        Its channels and grid.
    learning : collection of str
        Parameters that always learn, such as those of a new first layer.
    """

    def __init__(
        self, network: nn.Module, info: NetworkInfo, learning: Collection[str] = ()
    ) -> None:
        modules = dict(network.named_modules())
        self._modules = [
            modules[name]
            for name in encoder_names(network, info)
            if not any(parameter.rpartition(".")[0] == name for parameter in learning)
        ]
        self._norms = [m for m in self._modules if isinstance(m, _BatchNorm)]

    def set(self, *, is_frozen: bool) -> None:
        """Hold the encoder, or let it learn; to be called before each step."""
        for module in self._modules:
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(not is_frozen)
        for norm in self._norms:
            norm.train(not is_frozen)


def frozen_encoder(network: nn.Module, plan: TrainingPlan) -> FrozenEncoder | None:
    """Return the encoder that a plan freezes, without layers for new channels."""
    if plan.base is None or plan.frozen_share == 0:
        return None
    learning: set[str] = set()
    if not plan.base.has_same_channels:
        learning = channel_weights(plan.base.graft(plan.network))
    return FrozenEncoder(network, plan.info, learning)


def encoder_names(network: nn.Module, info: NetworkInfo) -> list[str]:
    """Modules with weights that a forward pass uses until the coarsest map is made.

    Parameters
    ----------
    network : nn.Module
        Any network.
    info : NetworkInfo
        Its channels and grid.
    """
    order: list[str] = []
    sizes: dict[str, int] = {}
    with torch.device("meta"):
        shadow = copy.deepcopy(network).to("meta").eval()

    def note(name: str, output: Any) -> None:
        if name not in sizes and isinstance(output, torch.Tensor):
            order.append(name)
            sizes[name] = math.prod(output.shape[2:])

    for name, module in shadow.named_modules():
        if next(module.parameters(recurse=False), None) is not None:
            module.register_forward_hook(
                lambda _module, _inputs, output, name=name: note(name, output)
            )
    pairs = zip(info.grid, info.min_size, strict=True)
    size = [max(4 * step, least) for step, least in pairs]
    shape = (1, info.in_channels, *size[-info.dims :])
    with torch.no_grad():
        shadow(torch.empty(shape, device="meta"))
    modules = dict(shadow.named_modules())
    convs = [name for name in order if isinstance(modules[name], _CONVS)]
    coarsest = min(sizes[name] for name in convs)
    end = 1 + max(order.index(name) for name in convs if sizes[name] == coarsest)
    while end < len(order) and isinstance(modules[order[end]], _NORMS):
        end += 1
    return order[:end] if end < len(order) else []
