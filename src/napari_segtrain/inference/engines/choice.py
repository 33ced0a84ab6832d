"""Which engine runs a network: the fastest of a trial, where a trial pays."""

from __future__ import annotations

import math
import time
import weakref
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.axes import SPATIAL_AXES
from napari_segtrain.control import RunControl
from napari_segtrain.errors import ConfigError, PredictionError
from napari_segtrain.inference.engines import with_onnx, with_openvino
from napari_segtrain.inference.engines.exporting import EngineRefused
from napari_segtrain.inference.events import ENGINES, EngineChosen
from napari_segtrain.inference.runtime import OutOfMemory, TorchRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.inference.protocol import Array32, Runtime, TrainedModel
    from napari_segtrain.networks import NetworkInfo

MAX_DIFFERENCE = 1e-4
"""Of a probability, between two engines."""
_MODULES = {"openvino": with_openvino, "onnx": with_onnx}
_PACKAGES = {"openvino": "openvino", "onnx": "napari-segtrain[onnx]"}
RUNTIMES: dict[str, Callable[[TrainedModel, InferenceConfig], Runtime]] = {
    "openvino": with_openvino.OpenVinoRuntime,
    "onnx": with_onnx.OnnxRuntime,
}
_TRIAL_SECONDS = 1.0
"""Per engine; two engines are tried."""
_MAX_PASSES = 5
_MIN_SECONDS = 30.0
"""A network is converted when torch would need longer: it takes five to ten seconds."""
_MIN_VOXELS = 1 << 21
"""Fewer are not worth a trial of torch."""
_TRIAL_SIZES = {2: (1, 256, 256), 3: (64, 64, 64)}


_speeds: weakref.WeakKeyDictionary[nn.Module, float] = weakref.WeakKeyDictionary()
"""Voxels per second of torch."""
_known: weakref.WeakKeyDictionary[nn.Module, EngineChosen] = weakref.WeakKeyDictionary()
"""What the trials of networks have come to."""


def choose_engine(
    model: TrainedModel,
    config: InferenceConfig,
    n_voxels: float = 0.0,
    control: RunControl | None = None,
) -> tuple[Runtime, EngineChosen]:
    """Choose what runs a network.

    Parameters
    ----------
    model : TrainedModel
        What is run.
    config : InferenceConfig
        Engine, device, memory limit.
    n_voxels : float
        Voxels that will pass the network; a few are not worth a trial.
    control : RunControl, optional
        After a stop no other engine is tried.

    Returns
    -------
    Runtime, EngineChosen

    Raises
    ------
    ConfigError
        When the engine asked for is not installed, or is not for the device, or the
        device is not there.
    """
    torch_runtime = TorchRuntime.of_model(model, config)
    if config.engine == "torch":
        return torch_runtime, EngineChosen("torch")
    if config.engine != "auto":
        _check(config.engine, torch_runtime)
        return _asked_for(config.engine, torch_runtime, model, config)
    known = _known.get(model.network)
    if known is None and torch_runtime.is_on_cpu and n_voxels >= _MIN_VOXELS:
        names = [name for name, module in _MODULES.items() if module.is_installed()]
        trial = _Trial(torch_runtime, model, config, n_voxels, control or RunControl())
        known = trial.run(names)
    if known is None or known.engine == "torch" or not torch_runtime.is_on_cpu:
        return torch_runtime, known or EngineChosen("torch")
    return RUNTIMES[known.engine](model, config), known


def _check(name: str, torch_runtime: TorchRuntime) -> None:
    if not _MODULES[name].is_installed():
        raise ConfigError(
            f"The engine {ENGINES[name]} is not installed; run pip install "
            f'"{_PACKAGES[name]}", or set engine to auto.'
        )
    if not torch_runtime.is_on_cpu:
        raise ConfigError(
            f"The engine {ENGINES[name]} computes on the processor only; set device to "
            "cpu, or engine to auto."
        )


def _asked_for(
    name: str, torch_runtime: TorchRuntime, model: TrainedModel, config: InferenceConfig
) -> tuple[Runtime, EngineChosen]:
    try:
        return RUNTIMES[name](model, config), EngineChosen(name)
    except EngineRefused as refusal:
        return torch_runtime, EngineChosen("torch", _without(name, refusal))


def _without(name: str, refusal: Exception) -> str:
    return f"not {ENGINES[name]}: {refusal}"


class _Trial:
    """Comparison of engines on a tile, which is kept when it has come to a result."""

    def __init__(
        self,
        torch_runtime: TorchRuntime,
        model: TrainedModel,
        config: InferenceConfig,
        n_voxels: float,
        control: RunControl,
    ) -> None:
        self._torch = torch_runtime
        self._model = model
        self._config = config
        self._n_voxels = n_voxels
        self._control = control

    def run(self, names: Sequence[str]) -> EngineChosen | None:
        """Try the first engine that takes the network; ``None`` after a stop."""
        network = self._model.network
        batch = _trial_batch(self._model.info)
        try:
            speed = _speeds.get(network)
            if speed is None:
                speed = _speeds[network] = _speed(self._torch, batch)[0]
            if not names or self._n_voxels < speed * _MIN_SECONDS:
                return EngineChosen("torch", voxels_per_second=speed)
            expected = self._torch(batch)
            chosen = self._of_engines(names, batch, expected, speed)
        except OutOfMemory:
            return EngineChosen("torch", "there is little memory")
        if chosen is not None:
            _known[network] = chosen
        return chosen

    def _of_engines(
        self, names: Sequence[str], batch: Array32, expected: Array32, speed: float
    ) -> EngineChosen | None:
        reasons = []
        for name in names:
            if self._control.is_stopping:
                return None
            try:
                runtime = RUNTIMES[name](self._model, self._config)
                other_speed, found = _speed(runtime, batch)
            except (EngineRefused, PredictionError) as refusal:
                reasons.append(_without(name, refusal))
                continue
            difference = float(np.abs(found - expected).max())
            return _judged(name, speed, other_speed, difference)
        return EngineChosen("torch", "; ".join(reasons), speed)


def _judged(
    name: str, speed: float, other_speed: float, difference: float
) -> EngineChosen:
    if not difference <= MAX_DIFFERENCE:
        reason = f"not {ENGINES[name]}: its results differ by {difference:.2g}"
        return EngineChosen("torch", reason, speed)
    if other_speed <= speed:
        reason = f"{speed / other_speed:.1f} times as fast as {ENGINES[name]}"
        return EngineChosen("torch", reason, speed)
    reason = f"{other_speed / speed:.1f} times as fast as torch"
    return EngineChosen(name, reason, other_speed)


def _trial_batch(info: NetworkInfo) -> Array32:
    """A batch of about the size of a tile."""
    sizes = [
        max(-(-size // grid) * grid, least) + 2 * margin
        for size, grid, least, margin in zip(
            _TRIAL_SIZES[info.dims],
            info.grid,
            info.min_result,
            info.prediction_margin,
            strict=True,
        )
    ]
    shape = (1, info.in_channels, *sizes[len(SPATIAL_AXES) - info.dims :])
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def _speed(runtime: Runtime, batch: Array32) -> tuple[float, Array32]:
    """Voxels per second of the fastest pass, and what came out."""
    result = runtime(batch)  # the first pass is slower
    seconds, start = math.inf, time.perf_counter()
    for _ in range(_MAX_PASSES):
        begin = time.perf_counter()
        result = runtime(batch)
        end = time.perf_counter()
        seconds = min(seconds, end - begin)
        if end - start > _TRIAL_SECONDS:
            break
    return result[0, 0].size / max(seconds, 1e-9), result
