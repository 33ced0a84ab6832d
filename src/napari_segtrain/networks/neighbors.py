"""Networks that look at neighboring slices to segment the one in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import nn
from torch.nn import functional

from napari_segtrain.config import UNetConfig
from napari_segtrain.networks.deepem3d import DeepEM3D
from napari_segtrain.networks.unet import UNet

if TYPE_CHECKING:
    from napari_segtrain.config import DeepEM3DConfig, UNet25DConfig
    from napari_segtrain.networks.deep_supervision import Decoder, HasDecoders


class NeighborNetwork(nn.Module):
    """Takes a volume and segments each slice with those beside it.

    While training, slices without all of their neighbors give no logits; otherwise the
    first and the last slice are repeated.

    Parameters
    ----------
    network : nn.Module
        From slices, (N, C, S, Y, X) or as channels (N, C · S, Y, X), to the logits of
        the middle one, (N, K, Y, X).
    slices : int
        Number of slices; odd.
    as_channels : bool
        Whether the network takes slices as channels.
    """

    def __init__(self, network: nn.Module, slices: int, *, as_channels: bool) -> None:
        super().__init__()
        self.network = network
        self._slices = slices
        self._as_channels = as_channels

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Compute logits, (N, C, Z, Y, X) to (N, K, Z, Y, X), or fewer slices."""
        if not self.training:
            beside = self._slices // 2
            image = functional.pad(image, (0, 0, 0, 0, beside, beside), "replicate")
        windows = image.unfold(2, self._slices, 1)
        n, channels, depth, height, width, slices = windows.shape
        stacks = windows.permute(0, 2, 1, 5, 3, 4)
        flat = stacks.reshape(n * depth, channels, slices, height, width)
        if self._as_channels:
            flat = flat.flatten(1, 2).contiguous(memory_format=torch.channels_last)
        logits: torch.Tensor = self.network(flat)
        split = logits.reshape(n, depth, *logits.shape[1:])
        return split.transpose(1, 2)

    def coarse_decoders(self) -> list[Decoder]:
        """Those of the network inside."""
        return cast("HasDecoders", self.network).coarse_decoders()


class _SingleSlice(nn.Module):
    """DeepEM3D of one slice as a network for images."""

    def __init__(self, network: DeepEM3D) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(image.unsqueeze(2))
        return logits


def slice_config(config: UNet25DConfig) -> UNetConfig:
    """Return the 2D U-Net inside a 2.5D one."""
    values = config.model_dump(exclude={"name", "dims", "slices"})
    return UNetConfig(dims=2, **values)


def build_unet25d(
    config: UNet25DConfig, *, in_channels: int, n_classes: int
) -> nn.Module:
    """Build a U-Net whose channels are neighboring slices."""
    network = UNet(
        slice_config(config),
        in_channels=in_channels * config.slices,
        n_classes=n_classes,
    )
    return NeighborNetwork(network, config.slices, as_channels=True)


def build_deepem3d(
    config: DeepEM3DConfig, *, in_channels: int, n_classes: int
) -> nn.Module:
    """Build DeepEM3D for images (one slice) or volumes."""
    network = DeepEM3D(config, in_channels=in_channels, n_classes=n_classes)
    if config.slices == 1:
        return _SingleSlice(network)
    return NeighborNetwork(network, int(config.slices), as_channels=False)
