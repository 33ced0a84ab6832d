"""Help, version and wrong options: at once, and without torch."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from tests.cli.helpers import segtrain_script

import napari_segtrain
from napari_segtrain.cli.app import app

COMMANDS = (
    *("init", "train", "resume", "predict", "evaluate", "objects"),
    *("info", "models", "demo"),
)
MAX_SECONDS = 0.5
HEAVY = {
    *("torch", "monai", "matplotlib", "napari", "numpy", "scipy"),
    *("h5py", "tensorstore", "tifffile", "zarr"),
}


def cpu_seconds(*arguments: str) -> float:
    """Processor time of a command, which other programs do not change much."""
    before = os.times()
    done = subprocess.run(
        [segtrain_script(), *arguments], check=False, capture_output=True
    )
    after = os.times()
    assert done.returncode == 0
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system


@pytest.mark.skipif(os.name == "nt", reason="Windows does not count children's time")
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_comes_at_once(command: str) -> None:
    arguments = [command, "--help"] if command else ["--help"]
    assert min(cpu_seconds(*arguments) for _ in range(3)) < MAX_SECONDS


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_loads_nothing_heavy(command: str) -> None:
    arguments = [command, "--help"] if command else ["--help"]
    code = (
        "import sys; from napari_segtrain.cli.app import main; "
        f"code = main({arguments}); "
        f"sys.exit(code or ' '.join(sys.modules.keys() & {HEAVY}) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: segtrain {command}".rstrip())


def test_every_command_is_known(segtrain) -> None:
    assert {command.name for command in app.registered_commands} == set(COMMANDS)
    shown = segtrain("--help")
    assert shown.code == 0
    assert all(re.search(rf"^  {name} ", shown.out, re.M) for name in COMMANDS)


def test_no_command_shows_the_help(segtrain) -> None:
    shown = segtrain()
    assert shown.code == 0
    assert shown.out == segtrain("--help").out


def test_version(segtrain) -> None:
    assert segtrain("--version").out.strip() == napari_segtrain.__version__


def test_python_dash_m_is_the_command() -> None:
    command = [sys.executable, "-m", "napari_segtrain", "train", "--xyz"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "segtrain: No such option: --xyz; see 'segtrain train --help'.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tarin"], ["No such command 'tarin'", "segtrain --help"]),
        (["train", "--epochs", "many"], ["--epochs", "integer", "train --help"]),
        (["train", "--device", "tpu"], ["--device", "tpu", "cuda"]),
        (["train", "--dims", "4"], ["--dims", "4", "3"]),
        (["predict", "run", "image"], ["--output", "predict --help"]),
        (["evaluate", "label"], ["segmentation", "evaluate --help"]),
        (["info", "run", "other"], ["other", "info --help"]),
    ],
)
def test_a_wrong_option_is_one_sentence(segtrain, arguments, words) -> None:
    said = segtrain(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("segtrain: ")
    assert said.err.count("\n") == 1
    assert all(word in said.err for word in words)
