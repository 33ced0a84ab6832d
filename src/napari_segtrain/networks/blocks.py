"""Building blocks of the networks, for two and three dimensions."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.axes import ZYX

Dims = Literal[2, 3]
VOLUME: Dims = 3
NormName = Literal["batch", "instance", "group", "none"]
ActivationName = Literal["relu", "leaky-relu", "elu", "silu"]

_CONV = {2: nn.Conv2d, 3: nn.Conv3d}
_UP_CONV = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_MAX_UNPOOL = {2: nn.MaxUnpool2d, 3: nn.MaxUnpool3d}
_MAX_POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_DROPOUT = {2: nn.Dropout2d, 3: nn.Dropout3d}
_BATCH_NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_INSTANCE_NORM = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
_GROUPS = 8
_LEAK = 0.01


def conv(
    n_in: int,
    n_out: int,
    kernel: ZYX,
    *,
    dims: Dims,
    bias: bool,
    is_padded: bool = True,
) -> nn.Module:
    """Convolution that keeps the size (zeros beyond the border) when it is padded."""
    size: Any = kernel[-dims:]
    padding: Any = tuple(width // 2 for width in size) if is_padded else 0
    return _CONV[dims](n_in, n_out, size, padding=padding, bias=bias)


def up_conv(n_in: int, n_out: int, stride: ZYX, *, dims: Dims) -> nn.Module:
    """Transposed convolution whose kernel is its stride."""
    size: Any = stride[-dims:]
    return _UP_CONV[dims](n_in, n_out, size, stride=size)


def max_pool(stride: ZYX, *, dims: Dims, has_places: bool = False) -> nn.Module:
    """Maximum of each block of ``stride`` voxels; on request with its place."""
    return _MAX_POOL[dims](stride[-dims:], return_indices=has_places)


def max_unpool(stride: ZYX, *, dims: Dims) -> nn.Module:
    """Put maxima back to their places; 0 elsewhere."""
    size: Any = stride[-dims:]
    return _MAX_UNPOOL[dims](size)


def strided_conv(n_channels: int, stride: ZYX, *, dims: Dims) -> nn.Module:
    """Convolution of blocks of ``stride`` voxels, in place of their maximum."""
    size: Any = stride[-dims:]
    return _CONV[dims](n_channels, n_channels, size, stride=size)


def activation(name: ActivationName) -> nn.Module:
    """Function after a convolution; in place."""
    if name == "leaky-relu":
        return nn.LeakyReLU(_LEAK, inplace=True)
    if name == "elu":
        return nn.ELU(inplace=True)
    return nn.SiLU(inplace=True) if name == "silu" else nn.ReLU(inplace=True)


def dropout(share: float, *, dims: Dims) -> nn.Module:
    """Drop a share of the channels while training; nothing for a share of 0."""
    return _DROPOUT[dims](share) if share else nn.Identity()


def to_channels(image: torch.Tensor, block: ZYX) -> torch.Tensor:
    """Turn blocks of voxels into channels, (N, C, ...) to (N, C · block, ... / block).

    The same as ``torch.nn.functional.pixel_unshuffle``, in 2D and 3D and for any block.
    """
    steps = block[-(image.dim() - 2) :]
    if set(steps) == {1}:
        return image
    n, channels, *size = image.shape
    split = [part for a, b in zip(size, steps, strict=True) for part in (a // b, b)]
    n_space = len(size)
    inside = range(3, 3 + 2 * n_space, 2)
    outside = range(2, 2 + 2 * n_space, 2)
    parts = image.reshape(n, channels, *split).permute(0, 1, *inside, *outside)
    return parts.reshape(n, -1, *split[::2])


def to_blocks(image: torch.Tensor, block: ZYX) -> torch.Tensor:
    """Turn channels back into blocks of voxels; the inverse of `to_channels`."""
    steps = block[-(image.dim() - 2) :]
    if set(steps) == {1}:
        return image
    n, channels, *size = image.shape
    n_space = len(size)
    split = image.reshape(n, channels // math.prod(steps), *steps, *size)
    order = [axis for i in range(n_space) for axis in (2 + n_space + i, 2 + i)]
    whole = [a * b for a, b in zip(size, steps, strict=True)]
    return split.permute(0, 1, *order).reshape(n, -1, *whole)


def norm_layer(name: NormName, filters: int, *, dims: Dims) -> nn.Module | None:
    """Normalization with trained scale and shift; ``None`` for ``none``."""
    if name == "batch":
        return _BATCH_NORM[dims](filters)
    if name == "instance":
        return _INSTANCE_NORM[dims](filters, affine=True)
    if name == "group":
        groups = next(n for n in range(_GROUPS, 0, -1) if filters % n == 0)
        return nn.GroupNorm(groups, filters)
    return None


class ConvBlock(nn.Sequential):
    """Convolutions in a row, each with norm and activation.

    Parameters
    ----------
    channels : sequence of int
        Channels of the input and of each convolution's output.
    kernel : ZYX
        Width of the convolutions.
    dims : int
        2 or 3.
    norm : str
        Normalization after each convolution.
    function : str
        Activation.
    has_bias : bool, optional
        Whether convolutions have one; only those without norm when not given.
    is_padded : bool
        Whether convolutions keep the size.
    """

    def __init__(
        self,
        channels: Sequence[int],
        kernel: ZYX,
        *,
        dims: Dims,
        norm: NormName,
        function: ActivationName = "relu",
        has_bias: bool | None = None,
        is_padded: bool = True,
    ) -> None:
        bias = norm == "none" if has_bias is None else has_bias
        layers: list[nn.Module] = []
        for n_in, n_out in itertools.pairwise(channels):
            layers.append(
                conv(n_in, n_out, kernel, dims=dims, bias=bias, is_padded=is_padded)
            )
            normalize = norm_layer(norm, n_out, dims=dims)
            layers += [normalize] if normalize is not None else []
            layers.append(activation(function))
        super().__init__(*layers)


class ResidualBlock(nn.Module):
    """A `ConvBlock` whose input is added before the last activation (He et al. 2016).

    The parameters are those of `ConvBlock`. Where the number of channels changes, a
    1 × 1 convolution takes the input along.
    """

    def __init__(
        self,
        channels: Sequence[int],
        kernel: ZYX,
        *,
        dims: Dims,
        norm: NormName,
        function: ActivationName = "relu",
        is_padded: bool = True,
    ) -> None:
        super().__init__()
        block = ConvBlock(
            channels,
            kernel,
            dims=dims,
            norm=norm,
            function=function,
            is_padded=is_padded,
        )
        *body, self.last = block
        self.body = nn.Sequential(*body)
        n_in, n_out = channels[0], channels[-1]
        self.shortcut: nn.Module = nn.Identity()
        if n_in != n_out:
            self.shortcut = conv(n_in, n_out, (1, 1, 1), dims=dims, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Add the input to what the convolutions make of it."""
        change = self.body(features)
        kept = self.shortcut(centered(features, change.shape[2:]))
        result: torch.Tensor = self.last(change + kept)
        return result


def init_weights(network: nn.Module) -> None:
    """Draw weights from He et al. (2015), by torch's global generator; biases are 0.

    A transposed convolution with kernel = stride sees one input voxel per output
    voxel, which its fan-in counts.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.ConvTranspose2d | nn.ConvTranspose3d):
            nn.init.normal_(module.weight, std=module.in_channels**-0.5)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def join(skip: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """Concatenate the channels of the encoder, as far as needed, and the decoder."""
    return torch.cat((centered(skip, up.shape[2:]), up), dim=1)


def centered(maps: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Middle of a batch of maps or targets, of ``size`` along their last axes."""
    for axis, length in enumerate(size, start=maps.dim() - len(size)):
        lacking = maps.shape[axis] - length
        if lacking:
            maps = maps.narrow(axis, lacking // 2, length)
    return maps
