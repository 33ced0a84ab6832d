"""``segtrain init`` and ``segtrain info``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from napari_segtrain.config import ExperimentConfig, load_yaml, parse_experiment


def test_init_writes_every_setting_with_its_default(segtrain, tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    said = segtrain("init", path)
    assert (said.code, said.err) == (0, "")
    text = path.read_text("utf-8")
    values = load_yaml(text, source="the file")
    assert parse_experiment(values, source="the file") == ExperimentConfig()
    assert values.keys() == ExperimentConfig.model_fields.keys()
    assert "# Peak of the schedule; auto is 0.1 with muon and sgd" in text


def test_init_has_a_default_name_and_does_not_overwrite(
    segtrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert segtrain("init").code == 0
    path = tmp_path / "experiment.yaml"
    path.write_text("mine", "utf-8")
    refused = segtrain("init")
    assert refused.code == 7
    assert "experiment.yaml" in refused.err
    assert path.read_text("utf-8") == "mine"
    assert segtrain("init", "--overwrite").code == 0


def test_info(segtrain, trained: Path) -> None:
    said = segtrain("info", trained)
    assert (said.code, said.err) == (0, "")
    text = said.out
    assert re.search(r"network: unet 2D, depth 1, 8 first filters, [\d,]+ param", text)
    assert "input: CYX, 1 channel, voxel size unknown" in text
    assert "classes: 0 background, 100 gray, 255 class 255" in text
    assert re.search(r"validation: IoU 0\.\d{3}", text)
    assert "iterations: " in text
    assert "images: cell_a, cell_b, cell_c" in text


def test_info_of_the_bundle_and_a_checkpoint(segtrain, trained: Path) -> None:
    for part in ("model", "checkpoints/latest.safetensors"):
        assert "unet 2D" in segtrain("info", trained / part).out


def test_models_lists_a_folder(segtrain, trained: Path) -> None:
    said = segtrain("models", trained.parent)
    assert (said.code, said.err) == (0, "")
    head, row = said.lines
    assert head.split()[:3] == ["name", "state", "IoU"]
    assert row.split()[:2] == ["run", "complete"]
    assert "2D, 1 channel" in row
    assert "gray, class 255" in row


def test_models_says_what_is_damaged_and_when_there_is_none(
    segtrain, tmp_path: Path
) -> None:
    empty = segtrain("models", tmp_path)
    assert empty.code == 4
    assert "no run or model" in empty.err
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/plan.json").write_text("{")
    said = segtrain("models", tmp_path)
    assert said.code == 0
    assert "damaged" in said.out
    assert "cannot be read" in said.err
