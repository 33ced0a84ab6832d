"""Fixtures of the training tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.training.tasks import make_dataset

from napari_segtrain.data.dataset import Dataset


@pytest.fixture
def dataset() -> Dataset:
    return make_dataset()


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "run"
