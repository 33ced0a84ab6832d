"""Bars for people, plain lines for logs."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import tifffile
from tests.cli.helpers import SMALL, call, disks, segtrain_script

from napari_segtrain.cli import progress
from napari_segtrain.training.events import TuningDecision

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


@pytest.fixture
def arguments(data: Path) -> list[str]:
    images, labels = data / "train/image", data / "train/label"
    options = ("--iterations", 40, "--set", "training.iterations_per_epoch=20")
    paths = ("--images", images, "--labels", labels, "--output", "run")
    return [str(a) for a in ("train", *paths, *options, *SMALL)]


@pytest.mark.slow
def test_a_log_has_plain_lines(arguments, tmp_path: Path) -> None:
    said = call(*arguments, cwd=tmp_path)
    assert (said.code, said.err) == (0, "")
    assert not CONTROL.search(said.out)
    assert re.search(r"^run folder: run$", said.out, re.M)
    assert re.search(r"^epoch 2: \d+ s, iteration 40, loss [\d.]+, ", said.out, re.M)
    assert re.match(
        r"trained 40 iterations in \d+ s, validation IoU 0\.\d{3}; "
        r"the model is run.model$",
        said.lines[-1],
    )
    log = call("predict", "run", arguments[2], "--output", "s", cwd=tmp_path)
    assert (log.code, log.err) == (0, "")
    assert not CONTROL.search(log.out)


def test_a_long_choice_of_a_decision_is_told(capsys, monkeypatch) -> None:
    monkeypatch.setattr(progress, "_LOG_SECONDS", 0.0)
    with progress.TrainingDisplay() as display:
        display(TuningDecision("predicting", 0.5))
        display(TuningDecision("choosing", 0.0))
    assert capsys.readouterr().out.splitlines() == [
        "predicting the held-out data, to choose a decision",
        "choosing a decision",
    ]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_a_terminal_has_bars(arguments, tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    with subprocess.Popen(
        [segtrain_script(), *arguments],
        cwd=tmp_path,
        env=environment,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other side was closed
                break
            if not part:
                break
            shown += part
    os.close(ours)
    assert process.returncode == 0
    text = shown.decode()
    assert "\x1b[" in text
    assert re.search(r"iteration \d+, loss [\d.]+", text)
    assert "s left" in text
    assert "epoch 2: " in text


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp936", "ascii"])
def test_a_log_of_an_old_encoding(tmp_path: Path, encoding: str) -> None:
    image, labels = disks((40, 40), 0)
    for name, array in (("a", image), ("a_label", labels)):
        tifffile.imwrite(tmp_path / f"{name}.tif", array)
    given = ("train", "--images", "a.tif", "--labels", "a_label.tif", "--dry-run")
    done = subprocess.run(
        [segtrain_script(), *given, "--voxel-size", "0.5,0.25"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
        check=False,
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"voxel size 0.5 " in done.stdout
