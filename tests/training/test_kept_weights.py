from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tests.training.running import Recorder, train
from tests.training.tasks import make_config, make_dataset
from torch import nn

from napari_segtrain import load_model
from napari_segtrain.errors import ConfigError
from napari_segtrain.models import Model
from napari_segtrain.training.checkpoint import load_checkpoint
from napari_segtrain.training.ema import WeightAverage
from napari_segtrain.training.events import EpochEnd
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_resumed_run

EPOCHS = {"length": {"kind": "iterations", "iterations": 12}, "iterations_per_epoch": 4}


def kept(run_dir: Path, **training: object) -> tuple[Model, list[EpochEnd]]:
    recorder = Recorder()
    config = make_config(training={**EPOCHS, "checkpoint_every": 1, **training})
    train(make_dataset(), config, run_dir, recorder)
    return load_model(run_dir / "model"), recorder.of(EpochEnd)


def is_of_epoch(model: Model, run_dir: Path, epoch: int) -> bool:
    path = run_dir / f"checkpoints/epoch-{epoch:04d}.safetensors"
    average = load_checkpoint(path).average
    state = model.network.state_dict()
    return all(torch.equal(state[name], value) for name, value in average.items())


@pytest.mark.parametrize(
    ("keep", "scores", "epoch"),
    [
        ("auto", (0.5, 0.61, 0.6), 3),
        ("auto", (0.5, 0.7, 0.6), 2),
        ("best", (0.5, 0.61, 0.6), 2),
        ("best", (0.5, 0.6, 0.7), 3),
        ("last", (0.5, 0.9, 0.6), 3),
    ],
)
def test_which_weights_are_kept(run_dir: Path, set_scores, keep, scores, epoch) -> None:
    set_scores(*scores)
    model, epochs = kept(run_dir, keep_weights=keep)
    assert [event.score for event in epochs] == list(scores)
    assert is_of_epoch(model, run_dir, epoch)
    assert model.spec.scores["IoU"] == scores[epoch - 1]


@pytest.mark.parametrize(
    ("losses", "epoch"),
    [
        ((2.0, 1.0, 1.5), 2),
        ((2.0, 1.5, 1.0), 3),
        ((2.0, 1.0, 0.0), 3),
        ((2.0, 0.0, 0.0), 2),
        ((2.0, 1.0, math.nan), 2),
        ((2.0, 1.0, math.inf), 2),
        ((2.0, math.nan, 1.0), 3),
    ],
)
def test_a_better_score_with_a_worse_loss_is_not_preferred(
    run_dir: Path, set_scores, losses, epoch
) -> None:
    set_scores(0.5, 0.7, 0.6, losses=losses)
    model, _ = kept(run_dir)
    assert is_of_epoch(model, run_dir, epoch)
    assert model.spec.scores["IoU"] == (0.5, 0.7, 0.6)[epoch - 1]


@pytest.mark.parametrize(
    ("losses", "epoch"), [((2.0, 1.0, 1.5), 2), ((2.0, 1.5, 1.0), 3)]
)
def test_a_resumed_run_keeps_what_an_unbroken_one_does(
    run_dir: Path, set_scores, losses, epoch
) -> None:
    stop_after_two_epochs(run_dir, set_scores, losses)
    run(iter_resumed_run(run_dir))
    assert is_of_epoch(load_model(run_dir / "model"), run_dir, epoch)


def test_of_an_old_checkpoint_without_losses_the_score_alone_decides(
    run_dir: Path, set_scores
) -> None:
    stop_after_two_epochs(run_dir, set_scores, (2.0, 1.5, 1.0))
    for name in ("latest", "best"):
        forget_losses(run_dir / f"checkpoints/{name}.safetensors")
    run(iter_resumed_run(run_dir))
    assert is_of_epoch(load_model(run_dir / "model"), run_dir, 2)


def stop_after_two_epochs(run_dir: Path, set_scores, losses) -> None:
    set_scores(0.5, 0.7, 0.6, losses=losses)
    config = make_config(training={**EPOCHS, "checkpoint_every": 1})
    result = train(make_dataset(), config, run_dir, Recorder(stop_at=9))
    assert (result.epochs, result.is_complete) == (2, False)


def forget_losses(path: Path) -> None:
    """Make a checkpoint one of a release that did not know of these losses."""
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    progress = json.loads(header["progress"])
    del progress["best_loss"], progress["latest_loss"]
    save_file(tensors, path, {**header, "progress": json.dumps(progress)})


@pytest.mark.parametrize(("keep", "score"), [("auto", 0.9), ("last", 0.6)])
def test_a_stopped_run_leaves_the_weights_that_are_to_be_kept(
    run_dir: Path, set_scores, keep, score
) -> None:
    set_scores(0.9, 0.6)
    config = make_config(training={**EPOCHS, "keep_weights": keep})
    result = train(make_dataset(), config, run_dir, Recorder(stop_at=9))
    assert result.score == score
    assert load_model(run_dir).spec.scores["IoU"] == score
    assert (run_dir / "checkpoints/best.safetensors").exists() == (keep == "auto")


def test_the_best_cannot_be_kept_when_nothing_is_held_out(run_dir: Path) -> None:
    config = make_config(
        training={**EPOCHS, "keep_weights": "best"}, validation={"kind": "none"}
    )
    with pytest.raises(ConfigError, match=r"held out.*keep_weights: last, or hold"):
        train(make_dataset(), config, run_dir)


def test_without_decay_the_weights_themselves_are_kept() -> None:
    network = nn.Linear(3, 2)
    average = WeightAverage(network, decay=0.0)
    nn.init.normal_(network.weight)
    average.update(network, 1000)
    assert torch.equal(average.state["weight"], network.weight)
