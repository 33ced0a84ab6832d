"""A viewer with one image, and an empty run folder."""

from pathlib import Path

import pytest
from napari.components import ViewerModel
from tests.training.tasks import disks


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_image(disks((80, 90), 7)[0], name="cells")
    return viewer


@pytest.fixture
def folder(preferences, tmp_path: Path) -> Path:
    preferences.run_folder = str(tmp_path)
    return tmp_path
