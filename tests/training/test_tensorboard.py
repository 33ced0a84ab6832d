"""Curves for TensorBoard, read as TensorBoard reads them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.training.running import Recorder, train
from tests.training.tasks import make_config

from napari_segtrain.data.dataset import Dataset
from napari_segtrain.errors import ConfigError
from napari_segtrain.training import tensorboard
from napari_segtrain.workflows.library import delete_run
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_resumed_run

CONFIG = make_config(
    training={
        "length": {"kind": "iterations", "iterations": 9},
        "iterations_per_epoch": 3,
        "tensorboard": True,
    }
)


def read_board(run_dir: Path) -> EventAccumulator:
    """What TensorBoard shows of a run."""
    board = EventAccumulator(str(run_dir / "tensorboard"))
    return board.Reload()


def curve(board: EventAccumulator, name: str) -> dict[int, float]:
    return {point.step: point.value for point in board.Scalars(name)}


def test_curves_are_those_of_the_log(dataset: Dataset, run_dir: Path) -> None:
    train(dataset, CONFIG, run_dir)
    board = read_board(run_dir)
    rows = [json.loads(x) for x in (run_dir / "metrics.jsonl").read_text().splitlines()]
    expected = {
        "loss/training": lambda row: row["training_loss"],
        "loss/validation": lambda row: row["validation_loss"],
        "score": lambda row: row["score"],
        "learning rate": lambda row: row["learning_rate"],
        "IoU/foreground": lambda row: row["iou"]["foreground"],
        "Dice/foreground": lambda row: row["dice"]["foreground"],
    }
    for name, value in expected.items():
        points = {row["iteration"]: value(row) for row in rows}
        assert curve(board, name) == pytest.approx(points, abs=1e-6), name


def test_patches_lie_beside_their_truth_and_prediction(
    dataset: Dataset, run_dir: Path
) -> None:
    train(dataset, CONFIG, run_dir)
    pictures = read_board(run_dir).Images("patch 1")
    assert [picture.step for picture in pictures] == [3, 6, 9]
    assert pictures[0].width == 3 * pictures[0].height


@pytest.mark.slow
def test_a_resumed_run_goes_on_with_its_curves(dataset: Dataset, run_dir: Path) -> None:
    train(dataset, CONFIG, run_dir, Recorder(stop_at=7))
    run(iter_resumed_run(run_dir))
    assert list(curve(read_board(run_dir), "score")) == [3, 6, 9]


def test_a_run_is_deleted_with_its_curves(dataset: Dataset, run_dir: Path) -> None:
    train(dataset, CONFIG, run_dir)
    assert (run_dir / "tensorboard").is_dir()
    delete_run(run_dir)
    assert not run_dir.exists()


def test_without_the_package_a_sentence_says_so(
    dataset: Dataset, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorboard, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r"napari-segtrain\[tensorboard\]"):
        train(dataset, CONFIG, run_dir)
    assert not run_dir.exists()
