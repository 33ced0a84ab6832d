"""Where a network computes."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from napari_segtrain.errors import ConfigError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_LEAST_SHARE = 0.25
"""Of the memory that is free on the best GPU; one with less is left to others."""
_RANKS = {torch.channels_last: 4, torch.channels_last_3d: 5}

DeviceSetting = Literal["auto", "cpu", "cuda", "mps"]


def choose_device(setting: DeviceSetting) -> torch.device:
    """Turn a setting into a device; ``auto`` prefers CUDA, then MPS, then the CPU.

    Raises
    ------
    ConfigError
        When the device asked for is not there.
    """
    available = _available()
    name = available[0] if setting == "auto" else setting
    if name not in available:
        raise ConfigError(
            f"The device '{name}' was asked for, but this computer offers only "
            f"{' and '.join(available)}; set device to auto or to one of these."
        )
    return torch.device(name)


def choose_devices(setting: DeviceSetting) -> list[torch.device]:
    """Turn a setting into all devices that may work at once: the GPUs, or one device.

    A GPU of which much less memory is free than of the best one is left out.

    Returns
    -------
    list of torch.device
        Several have a number each; a single one is what `choose_device` gives.

    Raises
    ------
    ConfigError
        As of `choose_device`.
    """
    chosen = choose_device(setting)
    n_gpus = torch.cuda.device_count() if chosen.type == "cuda" else 0
    if n_gpus <= 1:
        return [chosen]
    gpus = [torch.device("cuda", number) for number in range(n_gpus)]
    free = [_free_memory(gpu) for gpu in gpus]
    least = max(free) * _LEAST_SHARE
    return [gpu for gpu, n in zip(gpus, free, strict=True) if n >= least]


def _free_memory(gpu: torch.device) -> int:
    """Bytes; none where not even a question fits beside what others hold."""
    try:
        return int(torch.cuda.mem_get_info(gpu)[0])
    except RuntimeError:
        return 0


def on_device(device: torch.device) -> AbstractContextManager[Any]:
    """Let this thread mean one GPU of several where a setting says only ``cuda``."""
    if device.type != "cuda" or device.index is None:
        return nullcontext()
    context: AbstractContextManager[Any] = torch.cuda.device(device)
    return context


def in_layout(network: nn.Module, layout: torch.memory_format) -> nn.Module:
    """Bring weights of convolutions into a memory layout, each where it has the rank.

    A network for volumes may hold convolutions of slices: they are channels last unless
    all is left as it is, since slices are handed to them like that (a fifth faster in a
    U-Net 2.5D on a processor).
    """
    if layout == torch.preserve_format:
        return network
    rank = _RANKS.get(layout)
    for weight in network.parameters():
        if weight.dim() == rank:
            weight.data = weight.data.contiguous(memory_format=layout)
        elif weight.dim() == _RANKS[torch.channels_last]:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return network


def _available() -> list[str]:
    found = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    return [name for name, is_there in found.items() if is_there] + ["cpu"]
