"""The networks by name."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from napari_segtrain.config import UNetConfig
from napari_segtrain.errors import ConfigError
from napari_segtrain.networks import geometry, monai_networks, neighbors
from napari_segtrain.networks.blocks import VOLUME
from napari_segtrain.networks.segnet import SegNet
from napari_segtrain.networks.spec import Geometry, NetworkInfo
from napari_segtrain.networks.unet import UNet, unet_bytes_per_voxel
from napari_segtrain.networks.unet3d import UNet3D

if TYPE_CHECKING:
    from napari_segtrain.config import NetworkConfig

_BYTES = 4  # float32
_LIVE_SHARE = 2.0
"""Maps alive at once, in units of input and output of the largest layer."""


@dataclass(frozen=True)
class _Entry:
    build: Callable[..., nn.Module]
    geometry: Callable[[Any], Geometry]


_NETWORKS: dict[str, _Entry] = {
    "unet": _Entry(UNet, geometry.unet_geometry),
    "unet-2.5d": _Entry(neighbors.build_unet25d, geometry.unet25d_geometry),
    "unet-3d": _Entry(UNet3D, geometry.unet3d_geometry),
    "segnet": _Entry(SegNet, geometry.segnet_geometry),
    "deepem3d": _Entry(neighbors.build_deepem3d, geometry.deepem3d_geometry),
    "residual-unet": _Entry(
        monai_networks.build_residual_unet, geometry.residual_unet_geometry
    ),
    "dynunet": _Entry(monai_networks.build_dynunet, geometry.dynunet_geometry),
    "segresnet": _Entry(monai_networks.build_segresnet, geometry.segresnet_geometry),
    "attention-unet": _Entry(
        monai_networks.build_attention_unet, geometry.attention_unet_geometry
    ),
    "unet++": _Entry(
        monai_networks.build_unet_plus_plus, geometry.unet_plus_plus_geometry
    ),
    "swin-unetr": _Entry(monai_networks.build_swin_unetr, geometry.swin_unetr_geometry),
    "encoder-unet": _Entry(
        monai_networks.build_encoder_unet, geometry.encoder_unet_geometry
    ),
}


def network_names() -> tuple[str, ...]:
    """Names that ``network.name`` may take."""
    return tuple(_NETWORKS)


def build_network(
    config: NetworkConfig, *, in_channels: int, n_classes: int, seed: int | None
) -> nn.Module:
    """Build a network with first weights, on the CPU, in training mode.

    Parameters
    ----------
    config : NetworkConfig
        Without ``auto`` sizes.
    in_channels : int
        Channels of the image.
    n_classes : int
        Classes, background included.
    seed : int or None
        Decides the weights and leaves torch's global generator as it was; with
        ``None`` the global generator decides.

    Raises
    ------
    ConfigError
        When the config cannot be built.
    """
    build = _entry(config).build
    if seed is None:
        return build(config, in_channels=in_channels, n_classes=n_classes)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build(config, in_channels=in_channels, n_classes=n_classes)


def describe_network(
    config: NetworkConfig, *, in_channels: int, n_classes: int
) -> NetworkInfo:
    """Say what the network asks of its input, without allocating weights.

    Raises
    ------
    ConfigError
        When the config cannot be built.
    """
    return _described(config, in_channels, n_classes)


@functools.lru_cache(maxsize=256)
def _described(config: Any, in_channels: int, n_classes: int) -> NetworkInfo:
    entry = _entry(config)
    shape = entry.geometry(config)
    with torch.device("meta"):
        network = entry.build(config, in_channels=in_channels, n_classes=n_classes)
    if isinstance(config, UNetConfig):
        n_bytes = unet_bytes_per_voxel(config, in_channels, n_classes)
    else:
        n_bytes = _bytes_per_voxel(network, shape, in_channels)
    return NetworkInfo(
        **asdict(shape),
        n_parameters=sum(math.prod(p.shape) for p in network.parameters()),
        bytes_per_voxel=n_bytes,
        in_channels=in_channels,
        n_classes=n_classes,
    )


def _bytes_per_voxel(network: nn.Module, shape: Geometry, in_channels: int) -> int:
    """Measure the largest layer on torch's meta device."""
    usual = (4 * step for step in shape.grid)
    size = list(map(max, usual, shape.min_size))
    size = size[-shape.dims :] if shape.dims != VOLUME else size
    largest = 0

    def note(_module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal largest
        tensors = [t for t in (*inputs, output) if isinstance(t, torch.Tensor)]
        largest = max(largest, sum(t.numel() for t in tensors))

    leaves = [m for m in network.modules() if not list(m.children())]
    hooks = [leaf.register_forward_hook(note) for leaf in leaves]
    with torch.no_grad():
        network.eval()(torch.empty(1, in_channels, *size, device="meta"))
    for hook in hooks:
        hook.remove()
    return math.ceil(_BYTES * _LIVE_SHARE * largest / math.prod(size))


def _entry(config: NetworkConfig) -> _Entry:
    if config.name not in _NETWORKS:
        raise ConfigError(
            f"There is no network '{config.name}'; choose one of "
            f"{', '.join(_NETWORKS)}."
        )
    return _NETWORKS[config.name]
