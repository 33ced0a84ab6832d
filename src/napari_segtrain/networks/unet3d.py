"""3D U-Net as DeepMIB builds it, isotropic and anisotropic."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from napari_segtrain.networks.blocks import VOLUME, ConvBlock
from napari_segtrain.networks.encoder_decoder import EncoderDecoder, Layers
from napari_segtrain.networks.levels import Level
from napari_segtrain.networks.sizes import depth_of, filters_of, flat_levels_of
from napari_segtrain.networks.unet import level_shapes, stem_level

if TYPE_CHECKING:
    from napari_segtrain.config import UNet3DConfig


class UNet3D(EncoderDecoder):
    """3D U-Net whose levels have convolutions of f and 2f filters.

    Batch norm and the activation follow each convolution, and transposed convolutions
    keep the number of channels (Çiçek et al. 2016, https://arxiv.org/abs/1606.06650, as
    in DeepMIB, https://doi.org/10.1371/journal.pcbi.1008374). In a flat level both
    convolutions are in the plane and have f filters; with one flat level it is
    DeepMIB's anisotropic U-Net.

    Parameters
    ----------
    config : UNet3DConfig
        Without ``auto`` sizes.
    in_channels, n_classes : int
        Channels of the image and of the logits.

    Raises
    ------
    ConfigError
        When a size in the config is still ``auto``.
    """

    def __init__(
        self, config: UNet3DConfig, *, in_channels: int, n_classes: int
    ) -> None:
        is_padded = config.padding == "same"
        layers = Layers(
            dims=VOLUME,
            block=functools.partial(
                ConvBlock,
                dims=VOLUME,
                norm="batch",
                function=config.activation,
                has_bias=True,
                is_padded=is_padded,
            ),
            keeps_channels=True,
            is_padded=is_padded,
        )
        super().__init__(
            unet3d_levels(config), layers, in_channels=in_channels, n_classes=n_classes
        )


def unet3d_levels(config: UNet3DConfig) -> tuple[Level, ...]:
    """Levels of the network, after a stem without effect, the finest first.

    Raises
    ------
    ConfigError
        When a size in the config is still ``auto``.
    """
    first, n_flat = filters_of(config), flat_levels_of(config)
    shapes = level_shapes(depth_of(config), n_flat, config.kernel_size)
    levels = [stem_level()]
    for n, (kernel, stride) in enumerate(shapes):
        width = first << (n if n < n_flat else n + 1)
        half = width if n < n_flat else width // 2
        levels.append(Level(width, kernel, stride, first=half))
    return tuple(levels)
