"""The device that a run is to use."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import torch

from napari_segtrain.networks import choose_device

if TYPE_CHECKING:
    from napari_segtrain.networks.device import DeviceSetting


@dataclass(frozen=True)
class Machine:
    """What the run may use.

    Parameters
    ----------
    device : str
        torch's name: cpu, cuda or mps.
    name : str
        For people.
    memory_bytes : int
        Free memory of the device.
    """

    device: str
    name: str
    memory_bytes: int

    @property
    def is_cpu(self) -> bool:
        """Whether the network runs on the processor."""
        return self.device == "cpu"


def find_machine(setting: DeviceSetting) -> Machine:
    """Describe the device that a setting leads to.

    Raises
    ------
    ConfigError
        When the device asked for is not there.
    """
    device = choose_device(setting)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return Machine("cuda", torch.cuda.get_device_name(device), int(free))
    free = int(psutil.virtual_memory().available)
    if device.type == "mps":
        return Machine("mps", f"Apple GPU ({platform.machine()})", free)
    n_threads = torch.get_num_threads()
    return Machine("cpu", f"CPU, {n_threads} threads", free)
