"""Fixtures of the bad-input tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.bad_input.helpers import QUICK, check_sentence, contents, save
from tests.cli.helpers import Outcome, disks

from napari_segtrain.cli.app import main


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run of two channels."""
    folder = tmp_path_factory.mktemp("model")
    image, labels = disks((64, 64), 0)
    names = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    two = np.stack([image, image[::-1]])
    save(folder / "image.ome.tif", two, metadata=names)
    save(folder / "label.tif", labels)
    paths = ("--images", folder / "image.ome.tif", "--labels", folder / "label.tif")
    assert main([*map(str, ("train", *paths, "-o", folder / "run")), *QUICK]) == 0
    return folder / "run"


@pytest.fixture(scope="session")
def gray_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run of one channel."""
    folder = tmp_path_factory.mktemp("gray")
    image, labels = disks((64, 64), 0)
    save(folder / "image.tif", image)
    save(folder / "label.tif", labels)
    paths = ("--images", folder / "image.tif", "--labels", folder / "label.tif")
    assert main([*map(str, ("train", *paths, "-o", folder / "run")), *QUICK]) == 0
    return folder / "run"


@pytest.fixture
def fails(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Outcome]:
    """Run a command that must fail in one sentence and change no file."""
    monkeypatch.chdir(tmp_path)

    def run(*command: object, code: int, words: tuple[str, ...]) -> Outcome:
        before = contents(tmp_path)
        capsys.readouterr()
        found = main([str(part) for part in command])
        said = capsys.readouterr()
        check_sentence(said.err, words)
        assert found == code
        assert contents(tmp_path) == before
        return Outcome(found, said.out, said.err)

    return run
