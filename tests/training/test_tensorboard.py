"""Curves for TensorBoard, whose package is played by a double."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.training.running import Recorder, train
from tests.training.tasks import make_config

from napari_segtrain.data.dataset import Dataset
from napari_segtrain.errors import ConfigError
from napari_segtrain.training import tensorboard, trainer
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_resumed_run

CONFIG = make_config(
    training={
        "length": {"kind": "iterations", "iterations": 9},
        "iterations_per_epoch": 3,
        "tensorboard": True,
    }
)


class Writer:
    """As torch's SummaryWriter."""

    made: list[Writer]

    def __init__(self, folder: str, purge_step: int) -> None:
        Path(folder).mkdir(exist_ok=True)
        self.folder, self.first = Path(folder), purge_step
        self.scalars: list[tuple[str, float, int]] = []
        self.images: list[tuple[str, tuple[int, ...], int]] = []
        self.is_closed = False
        Writer.made.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars.append((name, value, step))

    def add_image(self, name: str, image: np.ndarray, step: int, dataformats: str):
        assert dataformats == "HWC"
        assert image.dtype == np.uint8
        self.images.append((name, image.shape, step))

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture(autouse=True)
def every_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "_EVENT_SECONDS", 0.0)


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> list[Writer]:
    Writer.made = []
    double = SimpleNamespace(SummaryWriter=Writer)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", double)
    monkeypatch.setattr(tensorboard, "find_spec", lambda _name: object())
    return Writer.made


def test_curves_and_patches_are_written(
    dataset: Dataset, run_dir: Path, writers: list[Writer]
) -> None:
    train(dataset, CONFIG, run_dir, Recorder(stop_at=7))
    first = writers[0]
    assert first.folder == run_dir / "tensorboard"
    assert first.is_closed
    rows = [json.loads(x) for x in (run_dir / "metrics.jsonl").read_text().splitlines()]
    written = {(name, step): value for name, value, step in first.scalars}
    for row in rows:
        step = row["iteration"]
        assert written["loss/training", step] == row["training_loss"]
        assert written["loss/validation", step] == row["validation_loss"]
        assert written["score", step] == row["score"]
        assert written["learning rate", step] == row["learning_rate"]
        assert written["IoU/foreground", step] == row["iou"]["foreground"]
        assert written["Dice/foreground", step] == row["dice"]["foreground"]
    assert {step for _, _, step in first.images} == {3, 6}
    height, width, n_colors = first.images[0][1]
    assert (width, n_colors) == (3 * height, 3)
    run(iter_resumed_run(run_dir))
    assert writers[1].first == 7
    assert [step for name, _, step in writers[1].scalars if name == "score"] == [9]


def test_without_the_package_a_sentence_says_so(
    dataset: Dataset, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorboard, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r"napari-segtrain\[tensorboard\]"):
        train(dataset, CONFIG, run_dir)
    assert not run_dir.exists()
