"""The networks by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn

from napari_segtrain.errors import ConfigError
from napari_segtrain.networks.unet import UNet, describe_unet

if TYPE_CHECKING:
    from napari_segtrain.config import NetworkConfig
    from napari_segtrain.networks.spec import NetworkInfo


class _Builder(Protocol):
    def __call__(
        self, config: NetworkConfig, /, *, in_channels: int, n_classes: int
    ) -> nn.Module: ...


class _Describer(Protocol):
    def __call__(
        self, config: NetworkConfig, /, *, in_channels: int, n_classes: int
    ) -> NetworkInfo: ...


@dataclass(frozen=True)
class _Entry:
    build: _Builder
    describe: _Describer


_NETWORKS = {"unet": _Entry(UNet, describe_unet)}


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
    describe = _entry(config).describe
    return describe(config, in_channels=in_channels, n_classes=n_classes)


def _entry(config: NetworkConfig) -> _Entry:
    if config.name not in _NETWORKS:
        raise ConfigError(
            f"There is no network '{config.name}'; choose one of "
            f"{', '.join(_NETWORKS)}."
        )
    return _NETWORKS[config.name]
