"""U-Net in two and three dimensions."""

from __future__ import annotations

import functools
import itertools
import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_segtrain.errors import ConfigError
from napari_segtrain.networks.blocks import (
    VOLUME,
    ConvBlock,
    Dims,
    ResidualBlock,
    conv,
    dropout,
    init_weights,
    join,
    max_pool,
    strided_conv,
    to_blocks,
    to_channels,
    up_conv,
)
from napari_segtrain.networks.levels import Level

if TYPE_CHECKING:
    from napari_segtrain.axes import ZYX
    from napari_segtrain.config import UNetConfig

_BYTES = 4  # float32
_LIVE_MAPS = 6
"""Maps of the first level alive at once, in units of its filters (measured)."""


class UNet(nn.Module):
    """Encoder, decoder and skip connections.

    Each level has two convolutions on the way down and two on the way up, with max
    pooling and transposed convolutions between levels; filters double at each step
    down (Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597; Çiçek et al. 2016,
    https://arxiv.org/abs/1606.06650). Convolutions keep the size.

    With a stem of 2, each block of 2 voxels per axis becomes channels before the first
    level, and the last convolution gives the logits of a block as channels (Shi et al.
    2016, https://arxiv.org/abs/1609.05158): all levels work at half the resolution.

    Parameters
    ----------
    config : UNetConfig
        With concrete ``dims``, ``depth`` and ``first_filters``.
    in_channels, n_classes : int
        Channels of the image and of the logits.

    Raises
    ------
    ConfigError
        When a size in the config is still ``auto``, or not positive.
    """

    def __init__(self, config: UNetConfig, *, in_channels: int, n_classes: int) -> None:
        super().__init__()
        self.stem, *levels = unet_levels(config)
        dims = unet_dims(config)
        block_size = math.prod(self.stem.stride)
        block_class = ResidualBlock if config.residual else ConvBlock
        make_block = functools.partial(
            block_class, dims=dims, norm=config.norm, function=config.activation
        )
        self.encoders = nn.ModuleList()
        self.pools = nn.ModuleList()
        self.ups = nn.ModuleList()
        self.decoders = nn.ModuleList()
        previous = in_channels * block_size
        for level in levels:
            width = level.filters
            channels = (previous, *[width] * level.n_convs)
            self.encoders.append(make_block(channels, level.kernel))
            previous = width
        for upper, lower in itertools.pairwise(levels):
            width = upper.filters
            channels = (2 * width, *[width] * upper.n_convs)
            if config.downsampling == "strided":
                self.pools.append(strided_conv(width, upper.stride, dims=dims))
            else:
                self.pools.append(max_pool(upper.stride, dims=dims))
            self.ups.append(up_conv(lower.filters, width, upper.stride, dims=dims))
            self.decoders.append(make_block(channels, upper.kernel))
        self.dropout = dropout(config.dropout, dims=dims)
        n_out = n_classes * block_size
        self.head = conv(levels[0].filters, n_out, (1, 1, 1), dims=dims, bias=True)
        if config.norm == "none":
            init_weights(self)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Compute logits.

        Parameters
        ----------
        image : Tensor of shape (N, C, [Z], Y, X)
            float32; sizes are multiples of the grid.

        Returns
        -------
        Tensor of shape (N, K, [Z], Y, X)
            One channel per class.
        """
        skips: list[torch.Tensor] = []
        features = self.encoders[0](to_channels(image, self.stem.stride))
        for pool, encoder in zip(self.pools, self.encoders[1:], strict=True):
            skips.append(features)
            features = encoder(pool(features))
        features = self.dropout(features)
        for up, decoder in zip(self.ups[::-1], self.decoders[::-1], strict=True):
            features = decoder(join(skips.pop(), up(features)))
        return to_blocks(self.head(features), self.stem.stride)


def unet_dims(config: UNetConfig) -> Dims:
    """Spatial dimensions of the network.

    Raises
    ------
    ConfigError
        When they are still ``auto``.
    """
    if config.dims == "auto":
        raise _not_concrete("dims", config.dims)
    return config.dims


def unet_levels(config: UNetConfig) -> tuple[Level, ...]:
    """Levels of the network, the finest first.

    The first is the stem: it has no convolutions, and a stride of 1 when there is none.

    Raises
    ------
    ConfigError
        When a size in the config is still ``auto``, or not positive.
    """
    is_volume = unet_dims(config) == VOLUME
    depth, filters = config.depth, config.first_filters
    if depth == "auto" or depth < 0:
        raise _not_concrete("depth", depth)
    if filters == "auto" or filters < 1:
        raise _not_concrete("first_filters", filters)
    if config.stem == "auto":
        raise _not_concrete("stem", config.stem)
    # models of before there were flat levels do not say that they have none
    n_flat = 0 if config.flat_levels == "auto" else config.flat_levels
    n_flat = n_flat if is_volume else depth + 1
    stem_z = 1 if n_flat else config.stem
    stem = (stem_z, config.stem, config.stem)
    kernel = (1, config.kernel_size, config.kernel_size)
    levels = level_shapes(depth, n_flat, config.kernel_size)
    return (
        Level(0, kernel, stem, n_convs=0),
        *(Level(filters << n, *shape) for n, shape in enumerate(levels)),
    )


def level_shapes(depth: int, n_flat: int, width: int) -> list[tuple[ZYX, ZYX]]:
    """Kernel and stride of each level, the first ``n_flat`` of them in the plane."""
    kernels = [(1 if n < n_flat else width, width, width) for n in range(depth + 1)]
    strides = [(1 if n < n_flat else 2, 2, 2) for n in range(depth)]
    return list(zip(kernels, [*strides, (1, 1, 1)], strict=True))


def unet_bytes_per_voxel(config: UNetConfig, in_channels: int, n_classes: int) -> int:
    """Memory of a forward pass without gradients, per input voxel."""
    stem, first, *_ = unet_levels(config)
    filters = first.filters / math.prod(stem.stride)
    maps = math.ceil(_LIVE_MAPS * filters) + in_channels + 2 * n_classes
    return _BYTES * maps


def _not_concrete(name: str, value: object) -> ConfigError:
    return ConfigError(
        f"A network cannot be built with {name}={value!r}; set network.{name} to a "
        "number, or let the training plan choose it."
    )
