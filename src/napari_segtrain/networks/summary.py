"""The levels of a network, for people: sizes, channels, kernels, parameters."""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from napari_segtrain.axes import SPATIAL_AXES, ZYX
from napari_segtrain.networks.registry import build_network, describe_network

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_segtrain.config import NetworkConfig

_CONVS = (nn.Conv2d, nn.Conv3d)
_UP_CONVS = (nn.ConvTranspose2d, nn.ConvTranspose3d)
_MAP_AXES = (4, 5)
"""Axes of a batch of feature maps, in 2D and in 3D."""


@dataclass(frozen=True)
class LevelSummary:
    """What a network does at one resolution; sizes are ZYX, with 1 along Z in 2D.

    Parameters
    ----------
    size : ZYX
        Voxels of the feature maps that a patch becomes.
    channels : int
        Of the widest feature maps.
    kernels : tuple of ZYX
        Widths of the convolutions that look at neighbors, in voxels of this level.
    stride : ZYX
        Down-sampling from the level above.
    n_parameters : int
        Trained values that work at this resolution.
    """

    size: ZYX
    channels: int
    kernels: tuple[ZYX, ...]
    stride: ZYX
    n_parameters: int


def describe_levels(
    config: NetworkConfig, *, in_channels: int, n_classes: int, patch: ZYX
) -> tuple[LevelSummary, ...]:
    """Levels of a network, the finest first, from a pass on torch's meta device.

    Parameters outside of all levels, such as those of an encoder's unused classifier,
    are in none of them.

    Parameters
    ----------
    config : NetworkConfig
        Without ``auto`` sizes.
    in_channels, n_classes : int
        Channels of image and logits.
    patch : ZYX
        Voxels that pass at once; a multiple of the grid.

    Raises
    ------
    ConfigError
        When the config cannot be built.
    """
    return _levels(config, in_channels, n_classes, patch)


@functools.lru_cache(maxsize=64)
def _levels(
    config: Any, in_channels: int, n_classes: int, patch: ZYX
) -> tuple[LevelSummary, ...]:
    info = describe_network(config, in_channels=in_channels, n_classes=n_classes)
    with torch.device("meta"):
        network = build_network(
            config, in_channels=in_channels, n_classes=n_classes, seed=None
        )
        image = torch.empty(1, in_channels, *patch[-config.dims :])
    passes = _Passes(network, image, patch)
    strides = sorted({layer.stride for layer in passes.layers})
    parameters = _parameters_by_stride(network, passes)
    found: list[LevelSummary] = []
    above = patch
    if info.margin[0]:  # slices are looked at together, as channels are
        above = (1, *patch[1:])
    for stride in strides:
        layers = [layer for layer in passes.layers if layer.stride == stride]
        size = (min(above[0], layers[0].size[0]), *layers[0].size[1:])
        found.append(
            LevelSummary(
                size=size,
                channels=_channels(layers),
                kernels=_kernels(layers),
                stride=_ratio(above, size),
                n_parameters=parameters[stride],
            )
        )
        above = size
    return tuple(found)


@dataclass(frozen=True)
class _Layer:
    """A convolution as it was passed; the stride is that of Y, from the patch."""

    module: nn.Module
    stride: int
    size: ZYX


@dataclass
class _Passes:
    """Records where in the pyramid of resolutions each module of a network works."""

    network: nn.Module
    image: torch.Tensor
    patch: ZYX
    layers: list[_Layer] = field(default_factory=list)
    strides: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        hooks = [
            module.register_forward_hook(functools.partial(self._note, name))
            for name, module in self.network.named_modules()
        ]
        with torch.no_grad():
            self.network.eval()(self.image)
        for hook in hooks:
            hook.remove()

    def _note(
        self, name: str, module: nn.Module, inputs: tuple[Any, ...], output: Any
    ) -> None:
        is_conv = isinstance(module, _CONVS + _UP_CONVS)
        seen = output if is_conv else inputs[0] if inputs else None
        if not isinstance(seen, torch.Tensor) or seen.dim() not in _MAP_AXES:
            return
        # maps of one voxel were averaged over, and belong to those they came from
        if seen.shape[-2] == 1:
            return
        stride = round(self.patch[1] / seen.shape[-2])
        self.strides[name] = stride
        if is_conv:
            y, x = seen.shape[-2:]
            z = seen.shape[-3] if seen.dim() == max(_MAP_AXES) else 1
            self.layers.append(_Layer(module, stride, (z, y, x)))


def _parameters_by_stride(network: nn.Module, passes: _Passes) -> dict[int, int]:
    """Count the parameters of each module where it, or what holds it, works."""
    counts: dict[int, int] = defaultdict(int)
    for name, module in network.named_modules():
        n = sum(math.prod(p.shape) for p in module.parameters(recurse=False))
        place = name
        while n and place and place not in passes.strides:
            place = place.rpartition(".")[0]
        if n and place in passes.strides:
            counts[passes.strides[place]] += n
    return counts


def _channels(level: list[_Layer]) -> int:
    widths = [_n_out(layer) for layer in level if _is_conv(layer)]
    return max(widths, default=_n_out(level[-1]))


def _kernels(level: Iterable[_Layer]) -> tuple[ZYX, ...]:
    kernels = [_zyx(layer.module.kernel_size) for layer in level if _is_conv(layer)]
    return tuple(dict.fromkeys(k for k in kernels if max(k) > 1))


def _ratio(above: ZYX, size: ZYX) -> ZYX:
    z, y, x = (round(a / b) for a, b in zip(above, size, strict=True))
    return z, y, x


def _is_conv(layer: _Layer) -> bool:
    return isinstance(layer.module, _CONVS)


def _n_out(layer: _Layer) -> int:
    module: Any = layer.module
    return int(module.out_channels)


def _zyx(size: Any) -> ZYX:
    z, y, x = (1,) * (len(SPATIAL_AXES) - len(size)) + tuple(size)
    return z, y, x
