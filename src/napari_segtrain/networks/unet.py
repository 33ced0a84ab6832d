"""U-Net in two and three dimensions."""

from __future__ import annotations

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
    conv,
    dropout,
    init_weights,
    join,
    max_pool,
    to_blocks,
    to_channels,
    up_conv,
)
from napari_segtrain.networks.levels import Level, receptive_field, total_stride
from napari_segtrain.networks.spec import NetworkInfo

if TYPE_CHECKING:
    from napari_segtrain.axes import ZYX
    from napari_segtrain.config import UNetConfig

_LOCAL_NORMS = ("batch", "none")
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
        self.encoders = nn.ModuleList()
        self.pools = nn.ModuleList()
        self.ups = nn.ModuleList()
        self.decoders = nn.ModuleList()
        previous = in_channels * block_size
        for level in levels:
            width = level.filters
            channels = (previous, *[width] * level.n_convs)
            block = ConvBlock(channels, level.kernel, dims=dims, norm=config.norm)
            self.encoders.append(block)
            previous = width
        for upper, lower in itertools.pairwise(levels):
            width = upper.filters
            channels = (2 * width, *[width] * upper.n_convs)
            block = ConvBlock(channels, upper.kernel, dims=dims, norm=config.norm)
            self.pools.append(max_pool(upper.stride, dims=dims))
            self.ups.append(up_conv(lower.filters, width, upper.stride, dims=dims))
            self.decoders.append(block)
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
    width = config.kernel_size
    kernel = (width if is_volume else 1, width, width)
    down = (2 if is_volume else 1, 2, 2)
    strides = [down] * depth + [(1, 1, 1)]
    return (
        _stem_level(config, kernel),
        *(Level(filters << step, kernel, s) for step, s in enumerate(strides)),
    )


def _stem_level(config: UNetConfig, kernel: ZYX) -> Level:
    if config.stem == "auto":
        raise _not_concrete("stem", config.stem)
    z = config.stem if unet_dims(config) == VOLUME else 1
    return Level(0, kernel, (z, config.stem, config.stem), n_convs=0)


def describe_unet(
    config: UNetConfig, *, in_channels: int, n_classes: int
) -> NetworkInfo:
    """Say what the network asks of its input, without allocating weights."""
    levels = unet_levels(config)
    grid = total_stride(levels)
    with torch.device("meta"):
        network = UNet(config, in_channels=in_channels, n_classes=n_classes)
    stem, first, *_ = levels
    filters = first.filters / math.prod(stem.stride)
    maps = math.ceil(_LIVE_MAPS * filters) + in_channels + 2 * n_classes
    return NetworkInfo(
        dims=unet_dims(config),
        grid=grid,
        receptive_field=receptive_field(levels),
        min_size=_min_size(grid),
        is_local=config.norm in _LOCAL_NORMS,
        n_parameters=sum(math.prod(p.shape) for p in network.parameters()),
        bytes_per_voxel=_BYTES * maps,
        in_channels=in_channels,
        n_classes=n_classes,
    )


def _min_size(grid: ZYX) -> ZYX:
    # Two by two voxels in the deepest level: norms cannot be trained on a single one.
    return grid[0], 2 * grid[1], 2 * grid[2]


def _not_concrete(name: str, value: object) -> ConfigError:
    return ConfigError(
        f"A network cannot be built with {name}={value!r}; set network.{name} to a "
        "number, or let the training plan choose it."
    )
