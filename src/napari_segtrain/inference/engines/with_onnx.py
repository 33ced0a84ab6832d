"""ONNX Runtime, where OpenVINO is not to be had."""

from __future__ import annotations

import importlib.util
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

_NEEDED = ("onnxruntime", "onnx", "onnxscript")
_sessions: weakref.WeakKeyDictionary[nn.Module, Any] = weakref.WeakKeyDictionary()


def is_installed() -> bool:
    """Whether the packages are there; they are not loaded."""
    return all(importlib.util.find_spec(name) is not None for name in _NEEDED)


class OnnxRuntime:
    """Runs a network on the processor with ONNX Runtime, in single precision.

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
        if network not in _sessions:
            _sessions[network] = _session(network, model.info)
        self._session = _sessions[network]
        self._input = self._session.get_inputs()[0].name
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
            (result,) = self._session.run(
                None, {self._input: np.ascontiguousarray(batch)}
            )
        except Exception as error:  # its own classes derive from no other
            raise failure(error, "ONNX Runtime") from error
        return np.asarray(result, np.float32)


def _session(network: nn.Module, info: NetworkInfo) -> Any:
    program = export_network(network, info)
    try:
        import onnxruntime

        with quiet():
            exported = torch.onnx.export(program, dynamo=True, verbose=False)
        if exported is None:
            raise EngineRefused("torch exports it to no ONNX program")
        content = exported.model_proto.SerializeToString()
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = torch.get_num_threads()
        settings.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            content, settings, providers=["CPUExecutionProvider"]
        )
    except EngineRefused:
        raise
    except Exception as error:  # of any kind, since its layers are foreign
        raise EngineRefused(
            f"ONNX Runtime cannot convert it ({first_line(error)})"
        ) from error
    sizes = session.get_inputs()[0].shape
    if any(isinstance(size, int) for n, size in enumerate(sizes) if n != 1):
        raise EngineRefused("ONNX fixes the size of its images")
    return session
