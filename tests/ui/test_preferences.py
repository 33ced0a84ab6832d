from __future__ import annotations

from pathlib import Path

from napari_segtrain.ui.preferences import default_run_folder, read_preferences


def test_defaults() -> None:
    found = read_preferences()
    assert found.run_folder == default_run_folder()
    assert found.run_folder.is_absolute()
    assert (found.device, found.memory_limit) == ("auto", None)


def test_choices(preferences, tmp_path: Path) -> None:
    preferences.run_folder = str(tmp_path / "runs")
    preferences.device = "cpu"
    preferences.memory_limit = 3.5
    found = read_preferences()
    assert found.run_folder == tmp_path / "runs"
    assert (found.device, found.memory_limit) == ("cpu", 3.5)


def test_the_environment_goes_before(monkeypatch, preferences, tmp_path: Path) -> None:
    preferences.run_folder = str(tmp_path / "runs")
    monkeypatch.setenv("SEGTRAIN_RUN_FOLDER", str(tmp_path / "other"))
    assert read_preferences().run_folder == tmp_path / "other"
