"""3D U-Net as DeepMIB builds it, isotropic and anisotropic."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_segtrain.errors import ConfigError
from napari_segtrain.networks.blocks import (
    VOLUME,
    ConvBlock,
    conv,
    join,
    max_pool,
    up_conv,
)
from napari_segtrain.networks.levels import Level
from napari_segtrain.networks.unet import level_shapes

if TYPE_CHECKING:
    from napari_segtrain.config import UNet3DConfig


class UNet3D(nn.Module):
    """3D U-Net whose levels have convolutions of f and 2f filters.

    Batch norm and ReLU follow each convolution, and transposed convolutions keep the
    number of channels (Çiçek et al. 2016, https://arxiv.org/abs/1606.06650, as in
    DeepMIB, https://doi.org/10.1371/journal.pcbi.1008374). In a flat level both
    convolutions are in the plane and have f filters; with one flat level it is
    DeepMIB's anisotropic U-Net.

    Parameters
    ----------
    config : UNet3DConfig
        Without ``auto`` sizes.
    in_channels, n_classes : int
        Channels of the image and of the logits.
    """

    def __init__(
        self, config: UNet3DConfig, *, in_channels: int, n_classes: int
    ) -> None:
        super().__init__()
        levels = unet3d_levels(config)
        n_flat = _n_flat(config)
        self.encoders = nn.ModuleList()
        self.pools = nn.ModuleList()
        self.ups = nn.ModuleList()
        self.decoders = nn.ModuleList()
        previous = in_channels
        for number, level in enumerate(levels):
            width = level.filters
            first = width if number < n_flat else width // 2
            block = _block((previous, first, width), level, config)
            self.encoders.append(block)
            previous = width
        for upper, lower in itertools.pairwise(levels):
            channels = (upper.filters + lower.filters, *[upper.filters] * 2)
            self.pools.append(max_pool(upper.stride, dims=VOLUME))
            self.ups.append(
                up_conv(lower.filters, lower.filters, upper.stride, dims=VOLUME)
            )
            self.decoders.append(_block(channels, upper, config))
        self.head = conv(
            levels[0].filters, n_classes, (1, 1, 1), dims=VOLUME, bias=True
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Compute logits, (N, C, Z, Y, X) to (N, K, Z, Y, X)."""
        skips: list[torch.Tensor] = []
        features = self.encoders[0](image)
        for pool, encoder in zip(self.pools, self.encoders[1:], strict=True):
            skips.append(features)
            features = encoder(pool(features))
        for up, decoder in zip(self.ups[::-1], self.decoders[::-1], strict=True):
            features = decoder(join(skips.pop(), up(features)))
        logits: torch.Tensor = self.head(features)
        return logits


def _block(channels: tuple[int, ...], level: Level, config: UNet3DConfig) -> ConvBlock:
    return ConvBlock(
        channels,
        level.kernel,
        dims=VOLUME,
        norm="batch",
        function=config.activation,
        has_bias=True,
    )


def unet3d_levels(config: UNet3DConfig) -> tuple[Level, ...]:
    """Levels of the network, the finest first; filters are those of the output.

    Raises
    ------
    ConfigError
        When a size in the config is still ``auto``.
    """
    if config.depth == "auto" or config.first_filters == "auto":
        raise ConfigError(
            "A network cannot be built with sizes of 'auto'; set network.depth and "
            "network.first_filters to numbers, or let the training plan choose them."
        )
    n_flat = _n_flat(config)
    shapes = level_shapes(config.depth, n_flat, config.kernel_size)
    return tuple(
        Level(config.first_filters << (n if n < n_flat else n + 1), kernel, stride)
        for n, (kernel, stride) in enumerate(shapes)
    )


def _n_flat(config: UNet3DConfig) -> int:
    return 0 if config.flat_levels == "auto" else config.flat_levels
