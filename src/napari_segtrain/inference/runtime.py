"""Engines: a network behind one call, from a batch of images to probabilities."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import psutil
import torch
from torch import nn

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.errors import is_out_of_memory
from napari_segtrain.inference.folding import folded_copy
from napari_segtrain.networks import choose_device, in_layout

if TYPE_CHECKING:
    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.inference.protocol import TrainedModel
    from napari_segtrain.networks import NetworkInfo

Array32 = npt.NDArray[np.float32]

_MAX_BYTES = {2: 1.25e9, 3: 2e9}
"""Of one pass on a CPU, by dimensions. Larger ones were no faster per voxel in slices;
in volumes larger tiles read less around them."""

_MAX_BYTES_GPU = 16e9
_MEMORY_SHARE = 0.25
"""Of the free memory."""
_LIMIT_SHARE = 0.8
"""Of the memory that tiles may take: the estimate is not exact."""
_GB = 1e9


class OutOfMemory(MemoryError):
    """A batch was too large for the device; a smaller one may pass."""


class TorchRuntime:
    """Runs a network eagerly with torch.

    A copy of the network is made, with its batch norms folded into the convolutions
    and, on CPUs, with channels as the fastest axis: 1.3 to 1.7 times as fast there.

    Parameters
    ----------
    network : nn.Module
        Stays as it is; later changes of its weights do not count.
    info : NetworkInfo
        Its description.
    device : torch.device
        Where the copy computes.
    amp : bool
        Mixed precision on CUDA (bfloat16 where the GPU has it); nothing elsewhere.
    memory_limit : float or "auto"
        Most memory to count on, in GB; auto is what is free.
    """

    def __init__(
        self,
        network: nn.Module,
        info: NetworkInfo,
        *,
        device: torch.device,
        amp: bool,
        memory_limit: float | Literal["auto"] = "auto",
    ) -> None:
        self._network = folded_copy(network).to(device)
        self._layout = _layout(info) if device.type == "cpu" else torch.preserve_format
        in_layout(self._network, self._layout)
        self._device = device
        self._amp_type = _amp_type(device) if amp else None
        self._memory_limit = memory_limit
        self.info = info

    @classmethod
    def of_model(cls, model: TrainedModel, config: InferenceConfig) -> TorchRuntime:
        """Make the runtime of a model on the device of a config.

        Raises
        ------
        ConfigError
            When the device is not there.
        """
        return cls(
            model.network,
            model.info,
            device=choose_device(config.device),
            amp=config.amp,
            memory_limit=config.memory_limit,
        )

    @property
    def is_on_cpu(self) -> bool:
        """Whether the processor computes."""
        return self._device.type == "cpu"

    @property
    def max_voxels(self) -> int:
        """Voxels that are worth passing at once: more are no faster, or do not fit."""
        return affordable_voxels(self.info, self._device, self._memory_limit)

    def __call__(self, batch: Array32) -> Array32:
        """Compute probabilities.

        Parameters
        ----------
        batch : ndarray of float32, shape (N, C, [Z], Y, X)
            Normalized images; sizes are multiples of the grid.

        Returns
        -------
        ndarray of float32, shape (N, K, [Z], Y, X)

        Raises
        ------
        OutOfMemory
            When the device has too little memory.
        """
        try:
            return self._probabilities(batch)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise OutOfMemory(str(error)) from error

    @torch.inference_mode()
    def _probabilities(self, batch: Array32) -> Array32:
        images = torch.from_numpy(batch).to(self._device)
        images = images.contiguous(memory_format=self._layout)
        with self._autocast():
            logits = self._network(images)
        probabilities: Array32 = logits.float().softmax(dim=1).cpu().numpy()
        return probabilities

    def _autocast(self) -> AbstractContextManager[Any]:
        if self._amp_type is None:
            return nullcontext()
        return torch.autocast(self._device.type, self._amp_type)


def affordable_voxels(
    info: NetworkInfo,
    device: torch.device,
    limit: float | Literal["auto"],
    share: float = 1.0,
) -> int:
    """Voxels that are worth passing at once: more are no faster, or do not fit.

    Parameters
    ----------
    info : NetworkInfo
        Memory of a voxel.
    device : torch.device
        Where it computes.
    limit : float or "auto"
        Most memory that a pass may take, in GB; auto is a part of what is free.
    share : float
        Memory that an engine takes of what torch would.
    """
    if device.type == "cuda":
        free = float(torch.cuda.mem_get_info(device)[0])
    else:
        free = float(psutil.virtual_memory().available)
    most = _MAX_BYTES[info.dims] if device.type == "cpu" else _MAX_BYTES_GPU
    usable = min(most, free * _MEMORY_SHARE)
    if limit != "auto":
        usable = min(usable, limit * _GB * _LIMIT_SHARE)
    return max(1, int(usable / (info.bytes_per_voxel * share)))


def _layout(info: NetworkInfo) -> torch.memory_format:
    is_volume = info.dims == len(SPATIAL_AXES)
    return torch.channels_last_3d if is_volume else torch.channels_last


def _amp_type(device: torch.device) -> torch.dtype | None:
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
