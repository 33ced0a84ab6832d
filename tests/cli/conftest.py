"""Fixtures of the command-line tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.helpers import SMALL, Outcome, write_set

from napari_segtrain.cli.app import main

Segtrain = Callable[..., Outcome]


@pytest.fixture
def segtrain(capsys: pytest.CaptureFixture[str]) -> Segtrain:
    """Run a command in this process."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Outcome(code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``train`` and ``test``, each with ``image`` and ``label``."""
    folder = tmp_path_factory.mktemp("data")
    write_set(folder / "train", 3, (96, 96))
    write_set(folder / "test", 2, (80, 70), first=3)
    return folder


@pytest.fixture(scope="session")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run that knows the label values 0, 100 and 255."""
    output = tmp_path_factory.mktemp("trained") / "run"
    images, labels = data / "train/image", data / "train/label"
    paths = ("--images", images, "--labels", labels, "--output", output)
    arguments = ("train", *paths, "--iterations", 40, "--classes", "100=gray", *SMALL)
    assert main([str(argument) for argument in arguments]) == 0
    return output
