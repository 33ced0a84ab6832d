"""Runs on disk for the tests of lists and docks."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from shutil import copytree
from tempfile import mkdtemp

from tests.training.tasks import make_config, make_dataset

from napari_segtrain.control import RunControl
from napari_segtrain.training.events import IterationEnd
from napari_segtrain.workflows.training import iter_training_run


def finished_run(path: Path) -> Path:
    """A run that came to its end."""
    copytree(_made(is_stopped=False), path)
    return path


def stopped_run(path: Path) -> Path:
    """A run that can be resumed."""
    copytree(_made(is_stopped=True), path)
    return path


@cache
def _made(*, is_stopped: bool) -> Path:
    path = Path(mkdtemp()) / "run"
    control = RunControl()
    n = 100_000 if is_stopped else 10
    config = make_config(training={"length": {"kind": "iterations", "iterations": n}})
    for event in iter_training_run(make_dataset(3), config, path, control=control):
        if is_stopped and isinstance(event, IterationEnd):
            control.stop()
    return path
