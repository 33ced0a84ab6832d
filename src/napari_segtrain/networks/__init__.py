"""Configs turned into networks, and what a network asks of an image."""

from napari_segtrain.networks.constraints import (
    check_patch,
    check_slices,
    fit_patch,
    round_up_to_grid,
)
from napari_segtrain.networks.deep_supervision import SupervisedNetwork, supervised
from napari_segtrain.networks.device import (
    choose_device,
    choose_devices,
    in_layout,
    on_device,
)
from napari_segtrain.networks.memory import estimate_training_bytes
from napari_segtrain.networks.registry import (
    build_network,
    describe_network,
    network_names,
)
from napari_segtrain.networks.spec import NetworkInfo
from napari_segtrain.networks.summary import LevelSummary, describe_levels

__all__ = [
    "LevelSummary",
    "NetworkInfo",
    "SupervisedNetwork",
    "build_network",
    "check_patch",
    "check_slices",
    "choose_device",
    "choose_devices",
    "describe_levels",
    "describe_network",
    "estimate_training_bytes",
    "fit_patch",
    "in_layout",
    "network_names",
    "on_device",
    "round_up_to_grid",
    "supervised",
]
