"""Encoder, decoder and skip connections: what the U-Nets have in common."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_segtrain.axes import ZYX
from napari_segtrain.networks.blocks import (
    Dims,
    centered,
    conv,
    dropout,
    join,
    max_pool,
    strided_conv,
    to_blocks,
    to_channels,
    up_conv,
)
from napari_segtrain.networks.deep_supervision import Decoder
from napari_segtrain.networks.levels import total_stride, valid_border

if TYPE_CHECKING:
    from napari_segtrain.networks.levels import Level


@dataclass(frozen=True)
class Layers:
    """What the levels are made of.

    Parameters
    ----------
    dims : int
        2 or 3.
    block : callable
        Makes the convolutions of a level from their channels (those of the input
        first) and their kernel.
    keeps_channels : bool
        Whether up-convolutions keep the number of channels.
    is_strided : bool
        Whether strided convolutions, not maxima, lead to the next level.
    is_padded : bool
        Whether convolutions keep the size; the result is smaller otherwise.
    dropout : float
        Share of the channels dropped in the deepest level while training.
    """

    dims: Dims
    block: Callable[[Sequence[int], ZYX], nn.Module]
    keeps_channels: bool = False
    is_strided: bool = False
    is_padded: bool = True
    dropout: float = 0.0


class EncoderDecoder(nn.Module):
    """A U-Net (Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597).

    Without padding, skips are cropped in the middle, and the result is what a padded
    network with the same weights gives in the middle of the image, without its border
    of ``valid_border(levels).margin`` voxels.

    Parameters
    ----------
    levels : sequence of Level
        The first is the stem, whose stride turns voxels into channels.
    layers : Layers
        What they are made of.
    in_channels, n_classes : int
        Channels of the image and of the logits.
    """

    def __init__(
        self,
        levels: Sequence[Level],
        layers: Layers,
        *,
        in_channels: int,
        n_classes: int,
    ) -> None:
        super().__init__()
        self._strides = [total_stride(levels[: n + 1]) for n in range(len(levels) - 1)]
        stem, *levels = levels
        self._block = stem.stride
        self._crop, self._margin = _borders([stem, *levels], layers)
        dims, block_size = layers.dims, math.prod(stem.stride)
        self.encoders = nn.ModuleList()
        self.pools = nn.ModuleList()
        self.ups = nn.ModuleList()
        self.decoders = nn.ModuleList()
        previous = in_channels * block_size
        for level in levels:
            self.encoders.append(layers.block((previous, *level.widths), level.kernel))
            previous = level.filters
        down = strided_conv if layers.is_strided else _max_pool
        for upper, lower in itertools.pairwise(levels):
            n_up = lower.filters if layers.keeps_channels else upper.filters
            channels = (upper.filters + n_up, *[upper.filters] * upper.n_convs)
            self.pools.append(down(upper.filters, upper.stride, dims=dims))
            self.ups.append(up_conv(lower.filters, n_up, upper.stride, dims=dims))
            self.decoders.append(layers.block(channels, upper.kernel))
        self.dropout = dropout(layers.dropout, dims=dims)
        n_out = n_classes * block_size
        self.head = conv(levels[0].filters, n_out, (1, 1, 1), dims=dims, bias=True)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Compute logits.

        Parameters
        ----------
        image : Tensor of shape (N, C, [Z], Y, X)
            float32; sizes are multiples of the grid.

        Returns
        -------
        Tensor of shape (N, K, [Z], Y, X)
            One channel per class; smaller by the margin where nothing is padded.
        """
        skips: list[torch.Tensor] = []
        cells = to_channels(image, self._block)
        features = self.encoders[0](_without(cells, self._crop))
        for pool, encoder in zip(self.pools, self.encoders[1:], strict=True):
            skips.append(features)
            features = encoder(pool(features))
        features = self.dropout(features)
        for up, decoder in zip(self.ups[::-1], self.decoders[::-1], strict=True):
            features = decoder(join(skips.pop(), up(features)))
        logits = self.head(features)
        size = _without(cells, self._margin).shape[2:]
        return to_blocks(centered(logits, size), self._block)

    def coarse_decoders(self) -> list[Decoder]:
        """Levels on the way up but the finest, the finer ones first."""
        pairs = zip(self.decoders, self._strides, strict=False)
        return [Decoder(module, stride) for module, stride in pairs][1:]


def _borders(levels: Sequence[Level], layers: Layers) -> tuple[ZYX, ZYX]:
    """Cells of the stem cropped from the image and lacking in the result."""
    if layers.is_padded:
        return (0, 0, 0), (0, 0, 0)
    border, block = valid_border(levels), levels[0].stride
    crop, margin = (
        tuple(n // step for n, step in zip(width, block, strict=True))
        for width in (border.crop, border.margin)
    )
    return (crop[0], crop[1], crop[2]), (margin[0], margin[1], margin[2])


def _without(maps: torch.Tensor, border: ZYX) -> torch.Tensor:
    """Maps without so many voxels on each side."""
    size = maps.shape[2:]
    widths = border[-len(size) :]
    return centered(maps, [n - 2 * m for n, m in zip(size, widths, strict=True)])


def _max_pool(_n_channels: int, stride: ZYX, *, dims: Dims) -> nn.Module:
    return max_pool(stride, dims=dims)
