"""The device that a run is to use."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import psutil
import torch

from napari_segtrain.networks import choose_device

if TYPE_CHECKING:
    from napari_segtrain.networks.device import DeviceSetting

_GB = 1e9
_PROC = Path("/proc/driver/nvidia")
_WINDOWS = (
    "System32/nvidia-smi.exe",
    "../Program Files/NVIDIA Corporation/NVSMI/nvidia-smi.exe",
)


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

    def limited(self, memory_limit: float | Literal["auto"]) -> Machine:
        """Return the same machine with at most so many GB of memory."""
        if memory_limit == "auto":
            return self
        allowed = min(self.memory_bytes, round(memory_limit * _GB))
        return replace(self, memory_bytes=allowed)


@dataclass(frozen=True)
class DeviceInfo:
    """The device that a setting leads to, for people.

    Parameters
    ----------
    device : str
        torch's name: cpu, cuda or mps.
    name : str
        For people.
    free_bytes, total_bytes : int
        Memory of the device.
    torch_version : str
        Such as ``2.8.0``.
    torch_build : str
        What torch was built for: ``CPU only``, ``CUDA 12.8``, ``ROCm 6.4``, ``Metal``.
    hint : str
        What could be done to use a GPU that is there; mostly empty.
    """

    device: str
    name: str
    free_bytes: int
    total_bytes: int
    torch_version: str
    torch_build: str
    hint: str = ""

    @property
    def line(self) -> str:
        """Everything but the hint in one line."""
        memory = f"{self.free_bytes / _GB:.1f} of {self.total_bytes / _GB:.1f} GB free"
        return f"{self.name}, {memory}, torch {self.torch_version} ({self.torch_build})"


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


def describe_device(setting: DeviceSetting = "auto") -> DeviceInfo:
    """Describe the device that a setting leads to, and what keeps a GPU from use.

    Raises
    ------
    ConfigError
        When the device asked for is not there.
    """
    machine = find_machine(setting)
    return DeviceInfo(
        device=machine.device,
        name=machine.name,
        free_bytes=machine.memory_bytes,
        total_bytes=_total_bytes(machine.device),
        torch_version=torch.__version__.partition("+")[0],
        torch_build=_torch_build(),
        hint=_hint() if setting == "auto" and machine.is_cpu else "",
    )


def _total_bytes(device: str) -> int:
    if device == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    return int(psutil.virtual_memory().total)


def _torch_build() -> str:
    if torch.version.cuda:
        return f"CUDA {torch.version.cuda}"
    if torch.version.hip:
        return f"ROCm {torch.version.hip}"
    return "Metal" if torch.backends.mps.is_built() else "CPU only"


def _hint() -> str:
    """What to do when an NVIDIA GPU is there and torch does not use it."""
    if torch.version.hip or not has_nvidia_gpu():
        return ""
    if torch.version.cuda:
        return (
            f"An NVIDIA GPU is there and torch is built for CUDA {torch.version.cuda}, "
            "but the driver does not work with it; update the NVIDIA driver."
        )
    return (
        "An NVIDIA GPU is there, but the installed torch is a build for processors "
        "only; install torch anew with CUDA, as torch's own installation page says "
        "for this system, and start again."
    )


def has_nvidia_gpu() -> bool:
    """Whether the driver of an NVIDIA GPU is installed; nothing is started for it."""
    if shutil.which("nvidia-smi") or _PROC.exists():
        return True
    root = os.environ.get("SystemRoot")  # noqa: SIM112 - as Windows writes it
    return bool(root) and any((Path(str(root)) / part).exists() for part in _WINDOWS)
