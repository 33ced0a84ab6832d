"""The loop, seen from outside: events, files, and ways to end."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.training.running import (
    Recorder,
    assert_same_run,
    metrics_of,
    train,
)
from tests.training.tasks import make_config, make_dataset

from napari_segtrain import load_model
from napari_segtrain.config import parse_experiment
from napari_segtrain.control import RunControl
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.errors import ConfigError, ModelError, OutputError
from napari_segtrain.training.checkpoint import load_checkpoint
from napari_segtrain.training.curves import draw_curves
from napari_segtrain.training.events import (
    Annealing,
    CheckpointSaved,
    EpochEnd,
    IterationEnd,
    Planned,
)
from napari_segtrain.training.run_folder import RunFolder
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_resumed_run, iter_training_run


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_chance_inside_a_network_is_resumed_too(tmp_path: Path) -> None:
    """EfficientNet leaves blocks out by chance, without a setting of ours."""
    training = {
        "length": {"kind": "iterations", "iterations": 4},
        "iterations_per_epoch": 2,
    }
    network = {"name": "encoder-unet", "encoder": "efficientnet-b0", "dims": 2}
    config = parse_experiment(
        {
            "network": network,
            "training": training,
            "sampling": {"patch_size": [1, 64, 64], "batch_size": 2},
        },
        source="the test",
    )
    train(make_dataset(), config, tmp_path / "whole")
    train(make_dataset(), config, tmp_path / "parts", Recorder(stop_at=2))
    run(iter_resumed_run(tmp_path / "parts"))
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


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


@pytest.mark.parametrize("epoch", [1, 2])
def test_resumed_from_any_epoch_is_uninterrupted_to_the_bit(
    tmp_path: Path, epoch: int
) -> None:
    """Also when the run had come to its end; its later epochs are made again."""
    config = make_config(
        training={
            "length": {"kind": "iterations", "iterations": 30},
            "iterations_per_epoch": 10,
            "checkpoint_every": 1,
            "keep_weights": "best",
        }
    )
    first = train(make_dataset(), config, tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "whole")
    resumed = run(iter_resumed_run(tmp_path / "run", checkpoint=f"epoch-{epoch:04d}"))
    assert (resumed.iterations, resumed.score) == (30, first.score)
    assert_same_run(tmp_path / "whole", tmp_path / "run")
    whole, parts = metrics_of(tmp_path / "whole"), metrics_of(tmp_path / "run")
    assert [row["score"] for row in whole] == [row["score"] for row in parts]
    states = [
        load_model(tmp_path / name / "model").network.state_dict()
        for name in ("whole", "run")
    ]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_going_back_from_the_end_forgets_the_model(
    dataset: Dataset, run_dir: Path
) -> None:
    config = make_config(
        training={
            "length": {"kind": "iterations", "iterations": 20},
            "iterations_per_epoch": 10,
            "checkpoint_every": 1,
        }
    )
    train(dataset, config, run_dir)
    leftover = run_dir / ".model-0123abcd.tmp"
    leftover.mkdir()
    RunFolder.open(run_dir).rewind("latest")
    assert load_model(run_dir).spec.provenance["iterations"] == 20
    recorder = Recorder(stop_at=12)
    work = iter_resumed_run(run_dir, checkpoint="epoch-0001", control=recorder.control)
    stopped = run(work, recorder)
    assert not stopped.is_complete
    assert stopped.model_path == run_dir
    assert not (run_dir / "model").exists()
    assert not leftover.exists()
    assert load_model(run_dir).spec.provenance["iterations"] < 20


def test_going_back_forgets_best_weights_that_came_later(
    dataset: Dataset, run_dir: Path
) -> None:
    config = make_config(
        training={
            "length": {"kind": "iterations", "iterations": 100},
            "iterations_per_epoch": 10,
            "checkpoint_every": 2,
        }
    )
    train(dataset, config, run_dir, Recorder(stop_at=35))
    folder = RunFolder.open(run_dir)
    best = folder.load("best")
    later = replace(best, progress=replace(best.progress, epoch=3, best_epoch=3))
    folder.save("best", later)
    old = folder.load("epoch-0002")
    state = folder.rewind("epoch-0002")
    assert [row["epoch"] for row in metrics_of(run_dir)] == [1, 2]
    if old.progress.best_epoch == 2:  # of which there is a checkpoint
        assert folder.load("best").progress.epoch == 2
        assert state.progress.best_score == old.progress.best_score
    else:
        assert not folder.checkpoint_path("best").exists()
        assert state.progress.best_score is None


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
    rates = [event.learning_rate for event in recorder.of(IterationEnd)]
    assert rates[-1] < 0.05 * max(rates)
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


@pytest.mark.slow
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
