"""What is said about a model."""

from __future__ import annotations

from pathlib import Path

from tests.cli.helpers import stop_at_once, write_set

from napari_segtrain import load_model
from napari_segtrain.workflows.models import describe_model


def test_a_model_without_validation_claims_no_score(tmp_path: Path) -> None:
    run = stop_at_once(write_set(tmp_path, 2), tmp_path / "run")
    lines = describe_model(load_model(str(run)))
    assert "validation: none, so no score is claimed" in lines
    assert "classes: 0 background, 100 class 100, 255 class 255" in lines
    assert "images: cell_a, cell_b" in lines
