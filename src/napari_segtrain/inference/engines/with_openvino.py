"""OpenVINO, which is faster than torch on most processors."""

from __future__ import annotations

import importlib.util
import sys
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import nn

from napari_segtrain.inference.engines.converted import ConvertedRuntime

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.export import ExportedProgram

    from napari_segtrain.inference.protocol import Array32


def is_installed() -> bool:
    """Whether the package is there; it is not loaded."""
    return importlib.util.find_spec("openvino") is not None


class OpenVinoRuntime(ConvertedRuntime):
    """Runs a network with OpenVINO; see `ConvertedRuntime`."""

    name = "OpenVINO"
    memory_share = 0.9
    _converted: ClassVar[weakref.WeakKeyDictionary[nn.Module, Any]] = (
        weakref.WeakKeyDictionary()
    )

    def _compile(self, program: ExportedProgram) -> tuple[Any, list[bool]]:
        if "openvino_telemetry" not in sys.modules:
            # the converter would report each use to its makers; without this module,
            # which it takes for not installed, it does not
            sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
        import openvino

        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        graph = openvino.convert_model(program)
        compiled = openvino.Core().compile_model(graph, "CPU", settings)
        sizes = list(compiled.input(0).partial_shape)
        return compiled, [size.is_dynamic for n, size in enumerate(sizes) if n != 1]

    def _open(self, converted: Any) -> Callable[[Array32], Array32]:
        request = converted.create_infer_request()

        def run(batch: Array32) -> Array32:
            # the batch is not written to meanwhile, and the result is a copy already
            (result,) = request.infer([batch], share_inputs=True).values()
            return np.asarray(result, np.float32)

        return run
