"""What engines that a network is converted for have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import nn

from napari_segtrain.inference.engines.exporting import (
    EngineRefused,
    export_network,
    failure,
    first_line,
    quiet,
)
from napari_segtrain.inference.runtime import affordable_voxels

if TYPE_CHECKING:
    import weakref
    from collections.abc import Callable

    from torch.export import ExportedProgram

    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.inference.protocol import Array32, TrainedModel


class ConvertedRuntime(ABC):
    """Runs a network on the processor with an engine, in single precision.

    Parameters
    ----------
    model : TrainedModel
        Its weights must not change later.
    config : InferenceConfig
        Memory limit.

    Raises
    ------
    EngineRefused
        When the network cannot be converted.
    """

    name: ClassVar[str]
    memory_share: ClassVar[float] = 1.0
    """Memory that it takes of what torch would."""
    _converted: ClassVar[weakref.WeakKeyDictionary[nn.Module, Any]]
    """By network, since converting one takes seconds; each engine has its own."""

    def __init__(self, model: TrainedModel, config: InferenceConfig) -> None:
        network = model.network
        if network not in self._converted:
            program = export_network(network, model.info)
            self._converted[network] = self._convert(program)
        self._run = self._open(self._converted[network])
        self._memory_limit = config.memory_limit
        self.info = model.info

    @property
    def max_voxels(self) -> int:
        """Voxels that are worth passing at once: more are no faster, or do not fit."""
        limit = self._memory_limit
        device = torch.device("cpu")
        return affordable_voxels(self.info, device, limit, self.memory_share)

    def __call__(self, batch: Array32) -> Array32:
        """Compute probabilities (N, K, [Z], Y, X) of images (N, C, [Z], Y, X).

        Raises
        ------
        OutOfMemory
            When the computer has too little memory.
        PredictionError
            When the engine fails.
        """
        try:
            return self._run(np.ascontiguousarray(batch))
        except Exception as error:  # of any kind, since its layers are foreign
            raise failure(error, self.name) from error

    def _convert(self, program: ExportedProgram) -> Any:
        try:
            with quiet():
                made, sizes_are_free = self._compile(program)
        except EngineRefused:
            raise
        except Exception as error:  # of any kind, since its layers are foreign
            raise EngineRefused(
                f"{self.name} cannot convert it ({first_line(error)})"
            ) from error
        if not all(sizes_are_free):
            raise EngineRefused(f"{self.name} fixes the size of its images")
        return made

    @abstractmethod
    def _compile(self, program: ExportedProgram) -> tuple[Any, list[bool]]:
        """Convert; tell of the batch and each spatial axis whether any size will do."""

    @abstractmethod
    def _open(self, converted: Any) -> Callable[[Array32], Array32]:
        """Return what computes."""
