"""The loop, seen from outside: events, files, and ways to end."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.tasks import make_config, make_dataset

from napari_segtrain import load_model
from napari_segtrain.config import ExperimentConfig
from napari_segtrain.control import Event, RunControl
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.errors import ConfigError, ModelError, OutputError, TrainingError
from napari_segtrain.training import learner, trainer
from napari_segtrain.training.checkpoint import load_checkpoint
from napari_segtrain.training.curves import draw_curves
from napari_segtrain.training.events import (
    Annealing,
    BatchShrunk,
    CheckpointSaved,
    EpochEnd,
    IterationEnd,
    Planned,
    TrainingResult,
)
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_resumed_run, iter_training_run


@dataclass
class Recorder:
    """Keeps events; stops, finishes or pauses at an iteration."""

    control: RunControl = field(default_factory=RunControl)
    stop_at: int = -1
    finish_at: int = -1
    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        iteration = getattr(event, "iteration", None)
        if iteration is None:
            return
        if 0 <= self.stop_at <= iteration:
            self.control.stop()
        if 0 <= self.finish_at <= iteration:
            self.control.finish()

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture(autouse=True)
def every_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Report every iteration, so that tests can act at a given one."""
    monkeypatch.setattr(trainer, "_EVENT_SECONDS", 0.0)


def train(
    dataset: Dataset,
    config: ExperimentConfig,
    run_dir: Path,
    recorder: Recorder | None = None,
) -> TrainingResult:
    recorder = recorder or Recorder()
    work = iter_training_run(dataset, config, run_dir, control=recorder.control)
    return run(work, recorder)


def final_tensors(run_dir: Path) -> dict[str, torch.Tensor]:
    checkpoint = load_checkpoint(run_dir / "checkpoints/latest.safetensors")
    parts = (checkpoint.network, checkpoint.average, checkpoint.optimizer)
    return {f"{n}.{k}": v for n, part in enumerate(parts) for k, v in part.items()}


def metrics_of(run_dir: Path) -> list[dict[str, Any]]:
    lines = (run_dir / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def assert_same_run(first: Path, second: Path) -> None:
    a, b = final_tensors(first), final_tensors(second)
    assert a.keys() == b.keys()
    different = [name for name in a if not torch.equal(a[name], b[name])]
    assert not different


def test_a_run_learns_and_leaves_everything(dataset: Dataset, run_dir: Path) -> None:
    config = make_config(
        training={
            "length": {"kind": "iterations", "iterations": 120},
            "iterations_per_epoch": 40,
        }
    )
    recorder = Recorder()
    result = train(dataset, config, run_dir, recorder)
    assert result.is_complete
    assert (result.iterations, result.epochs) == (120, 3)
    assert result.score is not None
    assert result.score > 0.8
    assert isinstance(recorder.events[0], Planned)
    epochs = recorder.of(EpochEnd)
    assert [event.iteration for event in epochs] == [40, 80, 120]
    assert epochs[-1].iou["foreground"] > 0.8
    assert epochs[-1].training_loss < epochs[0].training_loss
    assert len(recorder.of(IterationEnd)) == 120
    rates = [event.learning_rate for event in recorder.of(IterationEnd)]
    assert rates[0] < max(rates)
    assert rates[-1] < 0.01 * max(rates)
    draw_curves(run_dir)
    names = {path.name for path in run_dir.iterdir()}
    assert names >= {
        "config.yaml",
        "plan.json",
        "metrics.jsonl",
        "environment.json",
        "curves.png",
        "checkpoints",
        "snapshot",
        "model",
    }
    rows = metrics_of(run_dir)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    model = load_model(run_dir)
    assert model.spec.scores["IoU"] == pytest.approx(result.score)
    assert model.spec.classes.values == (0, 1)


def test_no_file_of_a_run_is_a_pickle(dataset: Dataset, run_dir: Path) -> None:
    config = make_config(training={"length": {"kind": "iterations", "iterations": 2}})
    train(dataset, config, run_dir)
    for path in (p for p in run_dir.rglob("*") if p.is_file()):
        start = path.read_bytes()[:4]
        assert not start.startswith((b"\x80\x02", b"\x80\x04", b"PK"))


def test_two_runs_with_one_seed_are_the_same(tmp_path: Path) -> None:
    config = make_config(training={"length": {"kind": "iterations", "iterations": 8}})
    for name in ("a", "b"):
        train(make_dataset(), config, tmp_path / name)
    assert_same_run(tmp_path / "a", tmp_path / "b")
    other = make_config(
        training={"length": {"kind": "iterations", "iterations": 8}, "seed": 1}
    )
    train(make_dataset(), other, tmp_path / "c")
    with pytest.raises(AssertionError):
        assert_same_run(tmp_path / "a", tmp_path / "c")


@pytest.mark.parametrize("stop_at", [1, 13, 20])
@pytest.mark.parametrize(
    "length",
    [{"kind": "iterations", "iterations": 30}, {"kind": "epochs", "epochs": 3}],
)
def test_stopped_and_resumed_is_uninterrupted_to_the_bit(
    tmp_path: Path, stop_at: int, length: dict[str, object]
) -> None:
    config = make_config(
        network={"dropout": 0.2},
        training={"length": length, "iterations_per_epoch": 10},
    )
    train(make_dataset(), config, tmp_path / "whole")
    stopped = train(
        make_dataset(), config, tmp_path / "parts", Recorder(stop_at=stop_at)
    )
    assert not stopped.is_complete
    assert stopped.iterations == stop_at
    assert load_model(tmp_path / "parts").spec.dims == 2
    resumed = run(iter_resumed_run(tmp_path / "parts"))
    assert resumed.is_complete
    assert resumed.iterations == 30
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    whole, parts = metrics_of(tmp_path / "whole"), metrics_of(tmp_path / "parts")
    assert [row["score"] for row in whole] == [row["score"] for row in parts]


def test_resume_from_an_earlier_checkpoint(dataset: Dataset, run_dir: Path) -> None:
    config = make_config(
        training={
            "length": {"kind": "iterations", "iterations": 30},
            "iterations_per_epoch": 10,
            "checkpoint_every": 1,
        }
    )
    train(dataset, config, run_dir, Recorder(stop_at=25))
    resumed = run(iter_resumed_run(run_dir, checkpoint="epoch-0001"))
    assert resumed.iterations == 30
    rows = metrics_of(run_dir)
    assert [row["epoch"] for row in rows] == [1, 2, 3]


def test_a_complete_run_is_not_resumed(dataset: Dataset, run_dir: Path) -> None:
    train(dataset, make_config(training=_short()), run_dir)
    with pytest.raises(ConfigError, match="--continue-from"):
        run(iter_resumed_run(run_dir))


def test_an_unknown_checkpoint_names_those_there(
    dataset: Dataset, run_dir: Path
) -> None:
    train(dataset, make_config(), run_dir, Recorder(stop_at=2))
    with pytest.raises(ModelError, match="latest"):
        run(iter_resumed_run(run_dir, checkpoint="epoch-0099"))


def test_a_run_folder_is_never_overwritten(dataset: Dataset, run_dir: Path) -> None:
    train(dataset, make_config(training=_short()), run_dir)
    before = (run_dir / "plan.json").read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        train(dataset, make_config(training=_short()), run_dir)
    assert (run_dir / "plan.json").read_bytes() == before


def test_finish_now_anneals_validates_and_saves(
    dataset: Dataset, run_dir: Path
) -> None:
    config = make_config(
        training={"length": {"kind": "iterations", "iterations": 10_000}}
    )
    recorder = Recorder(finish_at=30)
    result = train(dataset, config, run_dir, recorder)
    annealing = recorder.of(Annealing)
    assert [event.iteration for event in annealing] == [30]
    assert result.is_complete
    assert 30 < result.iterations < 60
    assert recorder.of(IterationEnd)[-1].learning_rate < 1e-4
    assert recorder.of(EpochEnd)[-1].iteration == result.iterations
    assert load_model(run_dir / "model").spec.scores


def test_stop_ends_within_one_iteration(dataset: Dataset, run_dir: Path) -> None:
    recorder = Recorder(stop_at=5)
    result = train(dataset, make_config(), run_dir, recorder)
    assert result.iterations == 5
    assert isinstance(recorder.events[-1], CheckpointSaved)
    assert load_model(run_dir).network is not None


def test_pause_holds_and_costs_no_budget(dataset: Dataset, run_dir: Path) -> None:
    config = make_config(training={"length": {"kind": "time-budget", "seconds": 3}})
    control = RunControl()
    work = iter_training_run(dataset, config, run_dir, control=control)
    waited = 0.0
    while True:
        try:
            event = next(work)
        except StopIteration as end:
            result = end.value
            break
        if isinstance(event, IterationEnd) and event.iteration == 5:
            control.pause()
            start = time.perf_counter()
            threading.Timer(1.0, control.resume).start()
            next(work)
            waited = time.perf_counter() - start
    assert waited >= 1.0
    assert result.seconds < 3.6


def test_a_time_budget_ends_on_time_and_annealed(
    dataset: Dataset, run_dir: Path
) -> None:
    config = make_config(training={"length": {"kind": "time-budget", "seconds": 4}})
    recorder = Recorder()
    start = time.perf_counter()
    result = train(dataset, config, run_dir, recorder)
    seconds = time.perf_counter() - start
    rates = [event.learning_rate for event in recorder.of(IterationEnd)]
    assert result.is_complete
    assert (run_dir / "model/model.yaml").is_file()
    assert rates[-1] < 0.1 * max(rates)
    assert 2.0 < result.seconds < 5.0
    assert seconds < 12.0


def test_a_resumed_time_budget_uses_what_is_left(
    dataset: Dataset, run_dir: Path
) -> None:
    config = make_config(training={"length": {"kind": "time-budget", "seconds": 5}})
    first = train(dataset, config, run_dir, Recorder(stop_at=15))
    assert not first.is_complete
    start = time.perf_counter()
    second = run(iter_resumed_run(run_dir))
    assert second.is_complete
    assert time.perf_counter() - start < 7.0
    assert second.seconds < 6.0


def test_a_plateau_is_annealed(dataset: Dataset, run_dir: Path) -> None:
    config = make_config(
        training={
            "length": {"kind": "plateau", "patience": 2, "max_minutes": 0.5},
            "iterations_per_epoch": 25,
        }
    )
    recorder = Recorder()
    result = train(dataset, config, run_dir, recorder)
    assert result.is_complete
    assert result.seconds < 31
    assert len(recorder.of(Annealing)) == 1
    assert result.score is not None
    assert result.score > 0.8


def test_without_validation_the_last_weights_are_kept(run_dir: Path) -> None:
    config = make_config(validation={"kind": "none"}, training=_short())
    result = train(make_dataset(1), config, run_dir)
    assert result.score is None
    model = load_model(run_dir)
    assert model.spec.scores == {}
    latest = load_checkpoint(run_dir / "checkpoints/latest.safetensors")
    state = model.network.state_dict()
    assert all(torch.equal(state[k], v) for k, v in latest.average.items())


def test_memory_that_runs_out_shrinks_the_batch(
    dataset: Dataset, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_step = learner.train_step

    def greedy(network, loss, optimizer, images, targets, **rest):
        if len(images) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real_step(network, loss, optimizer, images, targets, **rest)

    monkeypatch.setattr(learner, "train_step", greedy)
    recorder = Recorder()
    result = train(dataset, make_config(training=_short()), run_dir, recorder)
    assert [event.batch_size for event in recorder.of(BatchShrunk)] == [2]
    assert result.is_complete


def test_memory_for_not_even_one_patch_is_said_in_one_sentence(
    dataset: Dataset, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_args: object, **_rest: object) -> float:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(learner, "train_step", never)
    with pytest.raises(TrainingError, match="use a smaller"):
        train(dataset, make_config(training=_short()), run_dir)
    assert load_model(run_dir).spec.dims == 2


def test_a_loss_that_is_not_finite_ends_the_run_with_a_usable_model(
    dataset: Dataset, run_dir: Path
) -> None:
    config = make_config(training={"learning_rate": 1e30, "gradient_clip": 1e30})
    with pytest.raises(TrainingError, match="learning_rate"):
        train(dataset, config, run_dir)
    weights = load_model(run_dir).network.state_dict()
    assert all(torch.isfinite(value.float()).all() for value in weights.values())


def test_train_on_starts_from_the_weights_of_a_model(tmp_path: Path) -> None:
    config = make_config(training={"length": {"kind": "iterations", "iterations": 100}})
    first = train(make_dataset(), config, tmp_path / "first")
    short = make_config(
        training={
            "length": {"kind": "iterations", "iterations": 1},
            "learning_rate": 1e-6,
        }
    )
    model = load_model(tmp_path / "first")
    work = iter_training_run(
        make_dataset(), short, tmp_path / "second", continue_from=model
    )
    second = run(work)
    assert first.score is not None
    assert second.score == pytest.approx(first.score, abs=0.05)


def test_3d_volumes_train(run_dir: Path) -> None:
    config = make_config(
        network={"dims": 3, "depth": 2, "first_filters": 4},
        sampling={"patch_size": [16, 32, 32], "batch_size": 2},
        training={"length": {"kind": "iterations", "iterations": 60}},
    )
    result = train(make_dataset(4, (20, 40, 40)), config, run_dir)
    assert result.score is not None
    assert result.score > 0.6
    assert load_model(run_dir).spec.dims == 3


def _short() -> dict[str, object]:
    return {"length": {"kind": "iterations", "iterations": 3}}
