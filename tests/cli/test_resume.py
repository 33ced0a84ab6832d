"""Runs that are stopped, killed and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.cli.helpers import SMALL, listing, segtrain_script

from napari_segtrain import load_model

WAIT_SECONDS = 60
N_ITERATIONS = 100
needs_signals = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")


def start(data: Path, output: Path, *options: object) -> subprocess.Popen[str]:
    """Train in a process of its own, with an epoch of 5 iterations."""
    paths = ("--images", data / "train/image", "--labels", data / "train/label")
    length = ("--iterations", N_ITERATIONS, "--set", "training.iterations_per_epoch=5")
    arguments = ("train", *paths, "--output", output, *SMALL, *length, *options)
    return subprocess.Popen(
        [segtrain_script(), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


def iterations(run: Path) -> list[int]:
    lines = (run / "metrics.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["iteration"] for line in lines]


@pytest.mark.slow
@needs_signals
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_stops_and_saves(segtrain, data, tmp_path: Path, name: str) -> None:
    run, number = tmp_path / "run", getattr(signal, name)
    process = start(data, run)
    wait_for(run / "metrics.jsonl", process)
    process.send_signal(number)
    out, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 128 + number
    assert err == "stopping: the checkpoint is being written\n"
    last = out.splitlines()[-1]
    assert last.startswith("stopped after ")
    assert last.endswith(f"go on with 'segtrain resume {run}'")
    n_done = int(last.split()[2])
    assert 5 <= n_done < N_ITERATIONS
    assert segtrain("info", run).code == 0
    resumed = segtrain("resume", run)
    assert (resumed.code, resumed.err) == (0, "")
    assert f"trained {N_ITERATIONS} iterations" in resumed.lines[-1]
    assert iterations(run) == list(range(5, N_ITERATIONS + 1, 5))
    assert load_model(run / "model").spec.provenance["iterations"] <= N_ITERATIONS


def test_a_complete_run_is_not_resumed(segtrain, trained: Path) -> None:
    said = segtrain("resume", trained)
    assert said.code == 2
    assert f"--continue-from {trained}" in said.err


@pytest.mark.slow
def test_checkpoints_by_name(segtrain, data: Path, tmp_path: Path) -> None:
    paths = ("--images", data / "train/image", "--labels", data / "train/label")
    options = ("--epochs", 3, "--set", "training.iterations_per_epoch=4")
    every = ("--set", "training.checkpoint_every=1")
    run = tmp_path / "run"
    assert (
        segtrain("train", *paths, "--output", run, *SMALL, *options, *every).code == 0
    )
    names = {path.name for path in (run / "checkpoints").iterdir()}
    assert names >= {f"epoch-000{n}.safetensors" for n in (1, 2, 3)}
    unknown = segtrain("resume", run, "--checkpoint", "epoch-0009")
    assert unknown.code == 4
    assert "epoch-0001" in unknown.err
    said = segtrain("resume", run, "--checkpoint", "epoch-0001")
    assert said.code == 0
    assert iterations(run) == [4, 8, 12]


@needs_signals
@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("delay", [0.0, 0.03, 0.1, 0.25, 0.5, 1.0, 1.7])
def test_a_killed_run_can_be_used_and_resumed(
    segtrain, data: Path, tmp_path: Path, delay: float
) -> None:
    run = tmp_path / "run"
    process = start(data, run)
    wait_for(run / "checkpoints/latest.safetensors", process)
    time.sleep(delay)
    process.kill()
    process.communicate()
    assert segtrain("info", run).code == 0
    image = data / "test/image/cell_d.tif"
    given = ("predict", run, image, "--output", tmp_path / "s")
    assert segtrain(*given).code == 0
    labels = tifffile.imread(tmp_path / "s/cell_d.tif")
    assert set(np.unique(labels)) <= {0, 100, 255}
    if process.returncode == 0:  # it had come to its end
        return
    resumed = segtrain("resume", run)
    assert (resumed.code, resumed.err) == (0, "")
    assert iterations(run) == list(range(5, N_ITERATIONS + 1, 5))
    assert not [name for name in listing(run) if ".tmp" in name]
    assert segtrain("predict", run, image, "--output", tmp_path / "t").code == 0


@needs_signals
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_two_signals_end_at_once(segtrain, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(data, run, "--set", "sampling.batch_size=64")
    wait_for(run / "metrics.jsonl", process)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode in {130, 143}
    assert "Traceback" not in err
    assert segtrain("info", run).code == 0


@pytest.mark.slow
@needs_signals
def test_a_prediction_is_stopped(trained: Path, tmp_path: Path) -> None:
    images = tmp_path / "image"
    images.mkdir()
    rng = np.random.default_rng(0)
    for name in "ab":
        noise = rng.integers(0, 255, (40, 256, 256), np.uint8)
        tifffile.imwrite(images / f"{name}.tif", noise, photometric="minisblack")
    output = tmp_path / "out"
    arguments = ("predict", trained, images, "--output", output)
    process = subprocess.Popen(
        [segtrain_script(), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(output / "a.tif", process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130
    assert "stopped before b was done" in out
    assert err.startswith("stopping: ")
    names = {path.name for path in output.iterdir()}
    assert names == {".segtrain", "a.tif", "summary.csv"}  # no part of b
