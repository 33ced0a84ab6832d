"""ONNX Runtime, where OpenVINO is not to be had."""

from __future__ import annotations

import importlib.util
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import nn

from napari_segtrain.inference.engines.converted import ConvertedRuntime
from napari_segtrain.inference.engines.exporting import EngineRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.export import ExportedProgram

    from napari_segtrain.inference.protocol import Array32

_NEEDED = ("onnxruntime", "onnx", "onnxscript")


def is_installed() -> bool:
    """Whether the packages are there; they are not loaded."""
    return all(importlib.util.find_spec(name) is not None for name in _NEEDED)


class OnnxRuntime(ConvertedRuntime):
    """Runs a network with ONNX Runtime; see `ConvertedRuntime`."""

    name = "ONNX Runtime"
    _converted: ClassVar[weakref.WeakKeyDictionary[nn.Module, Any]] = (
        weakref.WeakKeyDictionary()
    )

    def _compile(self, program: ExportedProgram) -> tuple[Any, list[bool]]:
        import onnxruntime

        exported = torch.onnx.export(program, dynamo=True, verbose=False)
        if exported is None:
            raise EngineRefused("torch exports it to no ONNX program")
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = torch.get_num_threads()
        settings.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            exported.model_proto.SerializeToString(),
            settings,
            providers=["CPUExecutionProvider"],
        )
        sizes = session.get_inputs()[0].shape
        free = [not isinstance(size, int) for n, size in enumerate(sizes) if n != 1]
        return session, free

    def _open(self, converted: Any) -> Callable[[Array32], Array32]:
        name = converted.get_inputs()[0].name

        def run(batch: Array32) -> Array32:
            (result,) = converted.run(None, {name: batch})
            return np.asarray(result, np.float32)

        return run
