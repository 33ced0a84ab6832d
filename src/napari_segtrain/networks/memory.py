"""Memory that a network needs, before it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_segtrain.networks.blocks import VOLUME
from napari_segtrain.networks.deep_supervision import supervised
from napari_segtrain.networks.registry import build_network

if TYPE_CHECKING:
    from napari_segtrain.axes import ZYX
    from napari_segtrain.config import NetworkConfig

_BYTES_PER_PARAMETER = 4 * 5
"""float32 weight, gradient, two moments of Adam, running mean."""

_TRANSIENT_SHARE = 0.35
"""Gradients and work space of a backward pass, as a share of what forward keeps."""


def estimate_training_bytes(
    config: NetworkConfig,
    patch: ZYX,
    batch: int,
    *,
    in_channels: int,
    n_classes: int,
) -> int:
    """Estimate the memory of a training iteration in float32.

    A forward pass on torch's meta device counts what is kept for the backward pass;
    weights, gradients, Adam's moments and the running mean are added.

    Parameters
    ----------
    config : NetworkConfig
        Without ``auto`` sizes.
    patch : ZYX
        Patch in voxels.
    batch : int
        Patches per iteration.
    in_channels, n_classes : int
        Channels of image and logits.

    Returns
    -------
    int
        Bytes, without those of Python and its libraries.
    """
    with torch.device("meta"):
        network = build_network(
            config, in_channels=in_channels, n_classes=n_classes, seed=None
        )
        network = supervised(network, config, n_classes=n_classes)
        dims = VOLUME if config.dims == VOLUME else 2
        image = torch.empty(batch, in_channels, *patch[-dims:])
    n_parameters = sum(weight.numel() for weight in network.parameters())
    kept = _bytes_kept_for_backward(network, image)
    return int(kept * (1 + _TRANSIENT_SHARE)) + n_parameters * _BYTES_PER_PARAMETER


def _bytes_kept_for_backward(network: nn.Module, image: torch.Tensor) -> int:
    weights = {id(weight.untyped_storage()) for weight in network.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept.setdefault(id(storage), storage)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = network(image)
        levels = logits if isinstance(logits, list) else [logits]
        probabilities = [level.softmax(dim=1) for level in levels]
    sizes = [store.nbytes() for key, store in kept.items() if key not in weights]
    sizes += [level.untyped_storage().nbytes() for level in probabilities]
    return int(sum(sizes))
