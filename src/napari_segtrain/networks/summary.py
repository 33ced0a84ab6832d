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
    passes = _pass(config, in_channels, n_classes, patch)
    layout = passes
    if getattr(config, "padding", "same") == "valid":
        padded = config.model_copy(update={"padding": "same"})
        layout = _pass(padded, in_channels, n_classes, patch)
    parameters = _parameters_by_stride(layout)
    # neighboring slices are looked at together, as channels are
    depth = 1 if info.is_of_slices else patch[0]
    above = 1
    found: list[LevelSummary] = []
    for stride in sorted({layer.stride for layer in layout.layers}):
        layers = [layer for layer in layout.layers if layer.stride == stride]
        z, y, x = passes.layers[layout.layers.index(layers[0])].size
        step_z = max(1, round(depth / layers[0].size[0]))
        depth = min(depth, layers[0].size[0])
        found.append(
            LevelSummary(
                size=(min(z, depth), y, x),
                channels=_channels(layers),
                kernels=_kernels(layers),
                stride=(step_z, stride // above, stride // above),
                n_parameters=parameters[stride],
            )
        )
        above = stride
    return tuple(found)


def _pass(config: Any, in_channels: int, n_classes: int, patch: ZYX) -> _Passes:
    with torch.device("meta"):
        network = build_network(
            config, in_channels=in_channels, n_classes=n_classes, seed=None
        )
        image = torch.empty(1, in_channels, *patch[-config.dims :])
    return _Passes(network, image, patch)


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


def _parameters_by_stride(passes: _Passes) -> dict[int, int]:
    """Count the parameters of each module where it, or what holds it, works."""
    counts: dict[int, int] = defaultdict(int)
    for name, module in passes.network.named_modules():
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


def _is_conv(layer: _Layer) -> bool:
    return isinstance(layer.module, _CONVS)


def _n_out(layer: _Layer) -> int:
    module: Any = layer.module
    return int(module.out_channels)


def _zyx(size: Any) -> ZYX:
    z, y, x = (1,) * (len(SPATIAL_AXES) - len(size)) + tuple(size)
    return z, y, x
