"""U-Net in two and three dimensions."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

from napari_segtrain.networks.blocks import (
    VOLUME,
    ConvBlock,
    ResidualBlock,
    init_weights,
)
from napari_segtrain.networks.encoder_decoder import EncoderDecoder, Layers
from napari_segtrain.networks.levels import Level
from napari_segtrain.networks.sizes import (
    depth_of,
    dims_of,
    filters_of,
    flat_levels_of,
    number,
)

if TYPE_CHECKING:
    from napari_segtrain.axes import ZYX
    from napari_segtrain.config import UNetConfig

_BYTES = 4  # float32
_LIVE_MAPS = 6
"""Maps of the first level alive at once, in units of its filters (measured)."""


class UNet(EncoderDecoder):
    """Encoder, decoder and skip connections.

    Each level has two convolutions on the way down and two on the way up, with max
    pooling and transposed convolutions between levels; filters double at each step
    down (Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597; Çiçek et al. 2016,
    https://arxiv.org/abs/1606.06650).

    With a stem of 2, each block of 2 voxels per axis becomes channels before the first
    level, and the last convolution gives the logits of a block as channels (Shi et al.
    2016, https://arxiv.org/abs/1609.05158): all levels work at half the resolution.

    Parameters
    ----------
    config : UNetConfig
        With concrete ``dims``, ``depth``, ``stem`` and ``first_filters``.
    in_channels, n_classes : int
        Channels of the image and of the logits.

    Raises
    ------
    ConfigError
        When a size in the config is still ``auto``, or not positive.
    """

    def __init__(self, config: UNetConfig, *, in_channels: int, n_classes: int) -> None:
        dims, is_padded = dims_of(config), config.padding == "same"
        layers = Layers(
            dims=dims,
            block=functools.partial(
                ResidualBlock if config.residual else ConvBlock,
                dims=dims,
                norm=config.norm,
                function=config.activation,
                is_padded=is_padded,
            ),
            is_strided=config.downsampling == "strided",
            is_padded=is_padded,
            dropout=config.dropout,
        )
        super().__init__(
            unet_levels(config), layers, in_channels=in_channels, n_classes=n_classes
        )
        if config.norm == "none":
            init_weights(self)


def unet_levels(config: UNetConfig) -> tuple[Level, ...]:
    """Levels of the network, the finest first.

    The first is the stem: it has no convolutions, and a stride of 1 when there is none.

    Raises
    ------
    ConfigError
        When a size in the config is still ``auto``, or not positive.
    """
    depth, filters = depth_of(config), filters_of(config)
    step = number("stem", config.stem)
    n_flat = flat_levels_of(config) if dims_of(config) == VOLUME else depth + 1
    levels = level_shapes(depth, n_flat, config.kernel_size)
    return (
        stem_level((1 if n_flat else step, step, step)),
        *(Level(filters << n, *shape) for n, shape in enumerate(levels)),
    )


def stem_level(stride: ZYX = (1, 1, 1)) -> Level:
    """A level without convolutions, which turns blocks of voxels into channels."""
    return Level(0, (1, 1, 1), stride, n_convs=0)


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
