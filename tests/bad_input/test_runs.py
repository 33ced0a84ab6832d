"""Runs that cannot be resumed or continued, and images that are merely small."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.bad_input.helpers import (
    CONFIG,
    DATA,
    MODEL,
    TRAIN,
    save,
)
from tests.cli.helpers import (
    disks,
    stop_at_once,
    write_set,
)

from napari_segtrain.cli.app import main


@pytest.fixture
def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that was interrupted, in a folder ``run`` beside its images."""
    write_set(tmp_path, 2)
    monkeypatch.chdir(tmp_path)
    return stop_at_once(tmp_path, tmp_path / "run")


def test_an_image_was_changed(fails, stopped: Path) -> None:
    path = stopped.parent / "image/cell_b.tif"
    save(path, disks((64, 64), 9)[0])
    words = ("cell_b.tif has changed", "new run")
    fails("resume", "run", code=DATA, words=words)
    path.unlink()
    words = ("cell_b.tif", "not there any more", "put it back")
    fails("resume", "run", code=DATA, words=words)


@pytest.mark.parametrize(
    ("name", "words", "code"),
    [
        ("plan.json", "plan.json is damaged", DATA),
        ("snapshot/samples.json", "snapshot|damaged", DATA),
        ("checkpoints/latest.safetensors", "latest.safetensors is damaged", MODEL),
    ],
)
def test_a_damaged_run(fails, stopped: Path, name: str, words: str, code: int) -> None:
    (stopped / name).write_text('{"a": ')
    fails("resume", "run", code=code, words=tuple(words.split("|")))


def test_a_run_of_a_newer_format(fails, stopped: Path) -> None:
    path = stopped / "plan.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 99}))
    fails("resume", "run", code=DATA, words=("format version 99", "update"))


def test_a_checkpoint_that_is_not_there(fails, stopped: Path) -> None:
    words = ("no checkpoint 'best'", "latest")
    fails("resume", "run", "--checkpoint", "best", code=MODEL, words=words)


def test_going_on_with_another_network(fails, model: Path, tmp_path: Path) -> None:
    write_set(tmp_path, 2)
    words = ("network.name is segnet", "has unet", "new model")
    given = (*TRAIN, "--continue-from", model)
    fails(*given, "--network", "segnet", code=CONFIG, words=words)
    words = ("frozen_encoder is 0.5", "no model to go on from")
    option = ("--set", "training.frozen_encoder=0.5")
    fails(*TRAIN, *option, code=CONFIG, words=words)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(20, 13), (1, 7), (3, 20, 9), (2, 3, 200)])
def test_images_smaller_than_a_patch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    labels = np.zeros(shape, np.uint8)
    labels[..., shape[-1] // 2 :] = 1
    for number in range(2):
        noise = np.random.default_rng(number).integers(0, 50, shape)
        save(tmp_path / f"image/{number}.tif", (labels * 100 + noise).astype(np.uint8))
        save(tmp_path / f"label/{number}.tif", labels)
    network = ("--set", "network.depth=3", "--set", "network.first_filters=4")
    batch = ("--set", "sampling.batch_size=2", "--iterations", "2")
    assert main([*TRAIN, *network, *batch]) == 0
    assert main(["predict", "run", "image", "-o", "s"]) == 0
    assert tifffile.imread("s/0.tif").shape == shape
    assert main(["evaluate", "label", "s"]) == 0
