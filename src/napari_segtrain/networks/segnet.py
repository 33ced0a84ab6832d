"""SegNet in two and three dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_segtrain.errors import ConfigError
from napari_segtrain.networks.blocks import (
    VOLUME,
    ConvBlock,
    Dims,
    max_pool,
    max_unpool,
)
from napari_segtrain.networks.levels import Level
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
        dims = _dims(config)
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
    if config.depth == "auto" or config.first_filters == "auto":
        raise ConfigError(
            "A network cannot be built with sizes of 'auto'; set network.depth and "
            "network.first_filters to numbers, or let the training plan choose them."
        )
    n_flat = 0 if _dims(config) == VOLUME else config.depth + 1
    shapes = level_shapes(config.depth, n_flat, config.kernel_size)
    n_convs = [2] * config.depth + [0]
    return tuple(
        Level(config.first_filters, kernel, stride, n)
        for n, (kernel, stride) in zip(n_convs, shapes, strict=True)
    )


def _dims(config: SegNetConfig) -> Dims:
    if config.dims == "auto":
        raise ConfigError(
            "A network cannot be built with dims='auto'; set network.dims to 2 or 3."
        )
    return config.dims
