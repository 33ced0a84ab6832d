"""SegNet in two and three dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_segtrain.networks.blocks import (
    VOLUME,
    ConvBlock,
    Dims,
    max_pool,
    max_unpool,
)
from napari_segtrain.networks.levels import Level
from napari_segtrain.networks.sizes import depth_of, dims_of, filters_of
from napari_segtrain.networks.unet import level_shapes

if TYPE_CHECKING:
    from napari_segtrain.config import SegNetConfig


class SegNet(nn.Module):
    """Encoder and decoder that hand on the places of maxima instead of features.

    All levels have the same number of filters, and the last convolution gives the
    classes, followed by batch norm and ReLU as the others (Badrinarayanan et al. 2017,
    https://arxiv.org/abs/1511.00561, as in MATLAB's ``segnetLayers`` and DeepMIB).

    Parameters
    ----------
    config : SegNetConfig
        Without ``auto`` sizes.
    in_channels, n_classes : int
        Channels of the image and of the logits.
    """

    def __init__(
        self, config: SegNetConfig, *, in_channels: int, n_classes: int
    ) -> None:
        super().__init__()
        dims = dims_of(config)
        *levels, _ = segnet_levels(config)
        self.encoders = nn.ModuleList()
        self.pools = nn.ModuleList()
        self.unpools = nn.ModuleList()
        self.decoders = nn.ModuleList()
        previous = in_channels
        for number, level in enumerate(levels):
            width = level.filters
            last = width if number else n_classes
            self.encoders.append(_block((previous, width, width), level, dims))
            self.decoders.append(_block((width, width, last), level, dims))
            self.pools.append(max_pool(level.stride, dims=dims, has_places=True))
            self.unpools.append(max_unpool(level.stride, dims=dims))
            previous = width

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Compute logits, (N, C, [Z], Y, X) to (N, K, [Z], Y, X)."""
        features, places = image, []
        for encoder, pool in zip(self.encoders, self.pools, strict=True):
            features, found = pool(encoder(features))
            places.append(found)
        pairs = zip(self.unpools[::-1], self.decoders[::-1], strict=True)
        for unpool, decoder in pairs:
            features = decoder(unpool(features, places.pop()))
        return features


def _block(channels: tuple[int, ...], level: Level, dims: Dims) -> ConvBlock:
    return ConvBlock(channels, level.kernel, dims=dims, norm="batch", has_bias=True)


def segnet_levels(config: SegNetConfig) -> tuple[Level, ...]:
    """Levels of the network, the finest first; the deepest has no convolutions.

    Raises
    ------
    ConfigError
        When a size in the config is still ``auto``.
    """
    depth, filters = depth_of(config), filters_of(config)
    n_flat = 0 if dims_of(config) == VOLUME else depth + 1
    shapes = level_shapes(depth, n_flat, config.kernel_size)
    n_convs = [2] * depth + [0]
    return tuple(
        Level(filters, kernel, stride, n)
        for n, (kernel, stride) in zip(n_convs, shapes, strict=True)
    )
