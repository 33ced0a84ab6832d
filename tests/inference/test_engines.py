"""Engines that a network is converted for, and the choice among them."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.inference.helpers import Spec, TinyModel, tiny_model
from tests.inference.test_items import image_of
from tests.networks.networks import CASES, small

from napari_segtrain.config import InferenceConfig
from napari_segtrain.control import RunControl
from napari_segtrain.errors import ConfigError, PredictionError
from napari_segtrain.image import Image
from napari_segtrain.inference import OutOfMemory, TorchRuntime, iter_prediction
from napari_segtrain.inference.engines import (
    choice,
    choose_engine,
    with_onnx,
    with_openvino,
)
from napari_segtrain.inference.engines.choice import MAX_DIFFERENCE
from napari_segtrain.inference.engines.exporting import EngineRefused
from napari_segtrain.inference.engines.with_onnx import OnnxRuntime
from napari_segtrain.inference.engines.with_openvino import OpenVinoRuntime
from napari_segtrain.inference.events import EngineChosen
from napari_segtrain.networks import build_network, describe_network
from napari_segtrain.workflows.running import run

CPU = InferenceConfig(device="cpu")
RUNTIMES = {"openvino": OpenVinoRuntime, "onnx": OnnxRuntime}
QUICK = [("unet", 2), ("unet-2.5d", 3)]
REFUSED = [("swin-unetr", 2), ("swin-unetr", 3)]
MANY = 1e12


def model_of(name: str, dims: int) -> TinyModel:
    config = small(name, dims)
    sizes = {"in_channels": 2, "n_classes": 3}
    network = build_network(config, seed=0, **sizes).eval()
    return TinyModel(network, describe_network(config, **sizes), Spec(n_channels=2))


def assert_same(model: TinyModel, runtime: object) -> None:
    """Compare with torch, on batches of two sizes."""
    torch_runtime = TorchRuntime.of_model(model, CPU)
    info = model.info
    for n, n_steps in ((1, 0), (3, 1)):
        sizes = [
            least + n_steps * grid
            for least, grid in zip(info.min_size, info.grid, strict=True)
        ]
        shape = (n, info.in_channels, *sizes[-info.dims :])
        batch = np.random.default_rng(n).normal(size=shape).astype(np.float32)
        found, expected = runtime(batch), torch_runtime(batch)
        assert found.dtype == np.float32
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < MAX_DIFFERENCE


@pytest.mark.slow
@pytest.mark.parametrize("engine", RUNTIMES)
@pytest.mark.parametrize(("name", "dims"), QUICK)
def test_engines_give_the_same_result(engine: str, name: str, dims: int) -> None:
    model = model_of(name, dims)
    assert_same(model, RUNTIMES[engine](model, CPU))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("engine", RUNTIMES)
@pytest.mark.parametrize(
    ("name", "dims"), [case for case in CASES if case not in [*QUICK, *REFUSED]]
)
def test_engines_give_the_same_result_with_every_network(
    engine: str, name: str, dims: int
) -> None:
    model = model_of(name, dims)
    assert_same(model, RUNTIMES[engine](model, CPU))


def test_the_converter_reports_nothing_to_its_makers() -> None:
    OpenVinoRuntime(tiny_model(2), CPU)
    reporter = sys.modules["openvino.tools.ovc.telemetry_utils"].tm
    assert reporter.__name__ == "openvino.tools.ovc.telemetry_stub"


def test_weights_that_were_folded_are_those_of_the_model() -> None:
    model = tiny_model(2)
    before = {k: v.clone() for k, v in model.network.state_dict().items()}
    OpenVinoRuntime(model, CPU)
    for name, value in model.network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


@pytest.fixture
def quick_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_TRIAL_SIZES", {2: (1, 64, 64), 3: (16, 16, 16)})
    monkeypatch.setattr(choice, "_TRIAL_SECONDS", 0.01)


class Slowed:
    """Another engine, faster or slower or wrong; counts how often it is made."""

    n_made = 0

    def __init__(self, model: TinyModel, config: InferenceConfig) -> None:
        type(self).n_made += 1
        self.inner = TorchRuntime.of_model(model, config)
        self.info, self.max_voxels = model.info, self.inner.max_voxels

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        return self.inner(batch)


def with_engine(
    monkeypatch: pytest.MonkeyPatch, speed: float, error: float = 0.0
) -> type[Slowed]:
    """Let the trial find a speed for another engine, in those of torch."""

    class Other(Slowed):
        def __call__(self, batch: np.ndarray) -> np.ndarray:
            return super().__call__(batch) + np.float32(error)

    def measured(runtime: object, batch: np.ndarray) -> tuple[float, np.ndarray]:
        is_torch = isinstance(runtime, TorchRuntime)
        return (1e6 if is_torch else 1e6 * speed), runtime(batch)

    monkeypatch.setattr(choice, "_speed", measured)
    monkeypatch.setitem(choice.RUNTIMES, "openvino", Other)
    return Other


@pytest.mark.usefixtures("quick_trial")
def test_the_faster_engine_is_chosen_and_the_trial_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other, model = with_engine(monkeypatch, 1.4), tiny_model(2)
    runtime, chosen = choose_engine(model, CPU, MANY)
    assert isinstance(runtime, other)
    assert chosen == EngineChosen("openvino", "1.4 times as fast as torch", 1.4e6)
    assert chosen.words == "OpenVINO (1.4 times as fast as torch)"
    runtime, again = choose_engine(model, CPU, 100)
    assert isinstance(runtime, other)
    assert again == chosen


@pytest.mark.usefixtures("quick_trial")
@pytest.mark.parametrize(
    ("speed", "error", "words"),
    [
        (0.5, 0.0, "torch (2.0 times as fast as OpenVINO)"),
        (2.0, 0.01, "torch (not OpenVINO: its results differ by 0.01)"),
        (2.0, float("nan"), "torch (not OpenVINO: its results differ by nan)"),
    ],
)
def test_torch_stays_where_another_is_slower_or_wrong(
    monkeypatch: pytest.MonkeyPatch, speed: float, error: float, words: str
) -> None:
    with_engine(monkeypatch, speed, error)
    runtime, chosen = choose_engine(tiny_model(2), CPU, MANY)
    assert isinstance(runtime, TorchRuntime)
    assert chosen.words == words


@pytest.mark.usefixtures("quick_trial")
@pytest.mark.parametrize("n_voxels", [0, 1e4, 20e6])
def test_a_short_job_converts_nothing(
    monkeypatch: pytest.MonkeyPatch, n_voxels: float
) -> None:
    other = with_engine(monkeypatch, 5.0)
    runtime, chosen = choose_engine(tiny_model(2), CPU, n_voxels)
    assert isinstance(runtime, TorchRuntime)
    assert chosen.words == "torch"
    assert other.n_made == 0


@pytest.mark.usefixtures("quick_trial")
def test_a_network_that_is_refused_is_run_by_torch_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_args: object) -> None:
        raise EngineRefused("OpenVINO cannot convert it (no such layer)")

    monkeypatch.setitem(choice.RUNTIMES, "openvino", refuse)
    monkeypatch.setattr(with_onnx, "is_installed", lambda: False)
    for config in (CPU, CPU.model_copy(update={"engine": "openvino"})):
        runtime, chosen = choose_engine(tiny_model(2), config, MANY)
        assert isinstance(runtime, TorchRuntime)
        expected = "torch (not OpenVINO: OpenVINO cannot convert it (no such layer))"
        assert chosen.words == expected


def test_networks_that_take_minutes_to_convert_are_refused() -> None:
    for name, dims in REFUSED:
        with pytest.raises(EngineRefused, match="takes minutes"):
            OpenVinoRuntime(model_of(name, dims), CPU)


def test_what_no_graph_can_hold_is_refused() -> None:
    class Odd(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            factor = 1 if float(image.sum()) > 0 else 2
            return image.repeat(1, 3, 1, 1) * factor

    model = replace(tiny_model(2), network=Odd())
    for runtime in RUNTIMES.values():
        with pytest.raises(EngineRefused, match="cannot be exported"):
            runtime(model, CPU)


@pytest.mark.usefixtures("quick_trial")
def test_without_memory_for_a_trial_torch_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_args: object) -> None:
        raise OutOfMemory

    monkeypatch.setattr(choice, "_speed", never)
    runtime, _ = choose_engine(tiny_model(2), CPU, MANY)
    assert isinstance(runtime, TorchRuntime)


def test_an_engine_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(with_openvino, "is_installed", lambda: False)
    config = CPU.model_copy(update={"engine": "openvino"})
    with pytest.raises(ConfigError, match=r"OpenVINO is not installed.*pip install"):
        choose_engine(tiny_model(2), config)


def test_an_engine_for_processors_is_refused_on_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(TorchRuntime, "is_on_cpu", property(lambda _: False))
    model = tiny_model(2)
    for engine in RUNTIMES:
        config = CPU.model_copy(update={"engine": engine})
        with pytest.raises(ConfigError, match="processor only; set device to cpu"):
            choose_engine(model, config)
    assert choose_engine(model, CPU, MANY)[1] == EngineChosen("torch")


class Failed(Exception):
    """What an engine raises."""


@pytest.mark.parametrize("engine", RUNTIMES)
@pytest.mark.parametrize(
    ("text", "expected", "words"),
    [
        ("std::bad_alloc", OutOfMemory, "bad_alloc"),
        ("no such kernel", PredictionError, r"failed \(no such.*engine to torch"),
    ],
)
def test_errors_of_engines_are_told(
    engine: str,
    text: str,
    expected: type[Exception],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = RUNTIMES[engine](tiny_model(2), CPU)

    def fail(_batch: np.ndarray) -> None:
        raise Failed(text)

    monkeypatch.setattr(runtime, "_run", fail)
    with pytest.raises(expected, match=words):
        runtime(np.zeros((1, 1, 32, 32), np.float32))


@pytest.mark.usefixtures("quick_trial")
def test_an_engine_that_fails_in_the_trial_gives_way_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken(Slowed):
        def __call__(self, _batch: np.ndarray) -> np.ndarray:
            raise PredictionError("no such kernel")

    monkeypatch.setitem(choice.RUNTIMES, "openvino", Broken)
    runtime, chosen = choose_engine(tiny_model(2), CPU, MANY)
    assert chosen.engine in {"onnx", "torch"}
    monkeypatch.setitem(choice.RUNTIMES, "onnx", Broken)
    runtime, chosen = choose_engine(tiny_model(2), CPU, MANY)
    assert isinstance(runtime, TorchRuntime)
    assert chosen.reason.count("no such kernel") == 2


@pytest.mark.usefixtures("quick_trial")
def test_after_a_stop_nothing_is_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    other, control = with_engine(monkeypatch, 5.0), RunControl()
    control.stop()
    runtime, _ = choose_engine(tiny_model(2), CPU, MANY, control)
    assert isinstance(runtime, TorchRuntime)
    assert other.n_made == 0


@pytest.mark.usefixtures("quick_trial")
def test_many_small_images_are_enough_for_a_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other, model = with_engine(monkeypatch, 2.0), tiny_model(2)
    image = Image(image_of((1, 60, 70))[0, 0], "YX")
    for n_voxels, n_made in ((0, 0), (10**9, 2)):
        run(iter_prediction(model, image, CPU, n_voxels=n_voxels), None)
        assert other.n_made == n_made


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["torch", *RUNTIMES])
def test_a_prediction_says_what_runs_it(engine: str) -> None:
    image = Image(image_of((1, 60, 70))[0, 0], "YX")
    events: list[object] = []
    maps = {}
    for name in ("torch", engine):
        config = InferenceConfig(
            device="cpu", engine=name, probabilities="float32", tile_size=(1, 32, 32)
        )
        work = iter_prediction(tiny_model(2), image, config)
        maps[name] = np.asarray(run(work, events.append).probabilities.array)
    assert [e.engine for e in events if isinstance(e, EngineChosen)] == [
        "torch",
        engine,
    ]
    np.testing.assert_allclose(maps[engine], maps["torch"], atol=MAX_DIFFERENCE)
