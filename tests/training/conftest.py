"""Fixtures of the training tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.training.tasks import make_dataset

from napari_segtrain.data.dataset import Dataset
from napari_segtrain.training import loop


@pytest.fixture(autouse=True)
def every_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Report every iteration, so that tests can act at a given one."""
    monkeypatch.setattr(loop, "_EVENT_SECONDS", 0.0)


@pytest.fixture
def dataset() -> Dataset:
    return make_dataset()


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "run"
