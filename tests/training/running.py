"""Runs of the tests: what they report and what they leave."""

from __future__ import annotations

import json
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_segtrain.config import ExperimentConfig
from napari_segtrain.control import Event, RunControl
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.training import learner
from napari_segtrain.training.checkpoint import load_checkpoint
from napari_segtrain.training.events import TrainingResult, TuningDecision
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_training_run


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


class StopWhileChoosing(Recorder):
    """Stops with the first news of it."""

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if isinstance(event, TuningDecision):
            self.control.stop()


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


def note_builds(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[object]]:
    """References to the networks and optimizers that are built from now on."""
    found: list[weakref.ref[object]] = []
    for name in ("build_network", "build_optimizer"):
        build = getattr(learner, name)

        def noted(*args: Any, build: Any = build, **settings: Any) -> Any:
            built = build(*args, **settings)
            found.append(weakref.ref(built))
            return built

        monkeypatch.setattr(learner, name, noted)
    return found
