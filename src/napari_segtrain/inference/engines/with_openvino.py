"""OpenVINO, which is faster than torch on most processors."""

from __future__ import annotations

import importlib.util
import sys
import weakref
from typing import TYPE_CHECKING, Any

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
    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.inference.protocol import Array32, TrainedModel
    from napari_segtrain.networks import NetworkInfo

_compiled: weakref.WeakKeyDictionary[nn.Module, Any] = weakref.WeakKeyDictionary()
"""Graphs by network, since making one takes seconds."""


def is_installed() -> bool:
    """Whether the package is there; it is not loaded."""
    return importlib.util.find_spec("openvino") is not None


class OpenVinoRuntime:
    """Runs a network on the processor with OpenVINO, in single precision.

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

    def __init__(self, model: TrainedModel, config: InferenceConfig) -> None:
        network = model.network
        if network not in _compiled:
            _compiled[network] = _compile(network, model.info)
        self._request = _compiled[network].create_infer_request()
        self._memory_limit = config.memory_limit
        self.info = model.info

    @property
    def max_voxels(self) -> int:
        """Voxels that are worth passing at once: more are no faster, or do not fit."""
        limit = self._memory_limit
        return affordable_voxels(self.info, torch.device("cpu"), limit)

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
            (result,) = self._request.infer([np.ascontiguousarray(batch)]).values()
        except Exception as error:  # of any kind, since its layers are foreign
            raise failure(error, "OpenVINO") from error
        return np.array(result, np.float32)


def _compile(network: nn.Module, info: NetworkInfo) -> Any:
    if "openvino_telemetry" not in sys.modules:
        # the converter would report each use to its makers; without this module,
        # which it takes for not installed, it does not
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    program = export_network(network, info)
    try:
        import openvino

        with quiet():
            graph = openvino.convert_model(program)
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        compiled = openvino.Core().compile_model(graph, "CPU", settings)
    except Exception as error:  # of any kind, since its layers are foreign
        raise EngineRefused(
            f"OpenVINO cannot convert it ({first_line(error)})"
        ) from error
    sizes = list(compiled.input(0).partial_shape)
    if not all(size.is_dynamic for n, size in enumerate(sizes) if n != 1):
        raise EngineRefused("OpenVINO fixes the size of its images")
    return compiled
