"""Auxiliary heads that let the coarser levels of a network be judged in training."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import nn
from torch.nn import functional

from napari_segtrain.axes import ZYX
from napari_segtrain.errors import ConfigError
from napari_segtrain.networks.blocks import VOLUME, centered, conv

if TYPE_CHECKING:
    from napari_segtrain.config import NetworkConfig

_CONVS = (nn.Conv2d, nn.Conv3d)
_PLANE_AXES = 4
"""Axes of a batch of images."""


@dataclass(frozen=True)
class Decoder:
    """A level on the way up.

    Parameters
    ----------
    module : nn.Module
        Its output is the level's.
    stride : ZYX
        Voxels of the image per voxel of the level.
    """

    module: nn.Module
    stride: ZYX

    @property
    def n_out(self) -> int:
        """Channels of the output."""
        convs = [m for m in self.module.modules() if isinstance(m, _CONVS)]
        return int(convs[-1].out_channels)


class HasDecoders(Protocol):
    """A network whose coarser levels can be judged."""

    def coarse_decoders(self) -> list[Decoder]:
        """Levels on the way up but the finest, the finer ones first."""
        ...


class SupervisedNetwork(nn.Module):
    """A network with a head at each coarser level of the decoder, for training only.

    The network itself stays as it is (Lee et al. 2015, https://arxiv.org/abs/1409.5185;
    as in nnU-Net, https://doi.org/10.1038/s41592-020-01008-z).

    Parameters
    ----------
    network : nn.Module
        From images to logits; is trained with the heads.
    decoders : list of Decoder
        Its levels that get a head.
    n_classes : int
        Classes.

    Attributes
    ----------
    heads : nn.ModuleList
        Pointwise convolutions to the logits of a level.
    """

    def __init__(
        self, network: nn.Module, decoders: list[Decoder], n_classes: int
    ) -> None:
        super().__init__()
        self.network = network
        self._decoders = decoders
        dims = [VOLUME if _is_3d(decoder.module) else 2 for decoder in decoders]
        self.heads = nn.ModuleList(
            conv(decoder.n_out, n_classes, (1, 1, 1), dims=dim, bias=True)
            for decoder, dim in zip(decoders, dims, strict=True)
        )

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Compute logits, those of the network first; all have the same shape."""
        maps: dict[int, torch.Tensor] = {}
        hooks = [
            decoder.module.register_forward_hook(functools.partial(_keep, maps, place))
            for place, decoder in enumerate(self._decoders)
        ]
        try:
            logits: torch.Tensor = self.network(image)
        finally:
            for hook in hooks:
                hook.remove()
        pairs = zip(self._decoders, self.heads, strict=True)
        others = [
            _enlarged(head(maps[place]), decoder.stride, logits)
            for place, (decoder, head) in enumerate(pairs)
        ]
        return [logits, *others]


def supervised(
    network: nn.Module, config: NetworkConfig, *, n_classes: int
) -> nn.Module:
    """Give a network heads at its coarser levels when its config asks for them.

    Raises
    ------
    ConfigError
        When there is no coarser level on the way up.
    """
    if not getattr(config, "deep_supervision", False):
        return network
    decoders = cast("HasDecoders", network).coarse_decoders()
    if not decoders:
        raise ConfigError(
            "Deep supervision judges the coarser levels of the decoder, but with "
            "network.depth 1 there is none; set network.depth to 2 or more, or "
            "network.deep_supervision to false."
        )
    return SupervisedNetwork(network, decoders, n_classes)


def _keep(
    maps: dict[int, torch.Tensor],
    place: int,
    _module: nn.Module,
    _inputs: Any,
    output: torch.Tensor,
) -> None:
    maps[place] = output


def _enlarged(maps: torch.Tensor, stride: ZYX, logits: torch.Tensor) -> torch.Tensor:
    """Logits of a level, interpolated to the voxels of the network's logits."""
    is_plane = maps.dim() == _PLANE_AXES
    steps = [float(n) for n in stride[is_plane:]]
    mode = "bilinear" if is_plane else "trilinear"
    large = functional.interpolate(maps, scale_factor=steps, mode=mode)
    if large.dim() != logits.dim():  # slices that passed as images
        n, _, depth = logits.shape[:3]
        large = large.reshape(n, depth, *large.shape[1:]).transpose(1, 2)
    return centered(large, logits.shape[2:])


def _is_3d(module: nn.Module) -> bool:
    return any(isinstance(m, nn.Conv3d) for m in module.modules())
