"""Runs and models of a folder: listed, renamed, deleted."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from tests.training.running import Recorder, train
from tests.training.tasks import make_config, make_dataset

from napari_segtrain import load_model
from napari_segtrain.errors import ConfigError, OutputError
from napari_segtrain.training import loop
from napari_segtrain.workflows.library import (
    delete_run,
    find_model_paths,
    list_runs,
    read_run_info,
    rename_run,
    unique_run_dir,
)

LENGTH = {
    "length": {"kind": "iterations", "iterations": 20},
    "iterations_per_epoch": 10,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run, one that was stopped, and a zip of the first one's model."""
    folder = tmp_path_factory.mktemp("runs")
    config = make_config(training=LENGTH, data={"classes": {1: "disk"}})
    train(make_dataset(), config, folder / "complete")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_EVENT_SECONDS", 0.0)
        train(make_dataset(), config, folder / "stopped", Recorder(stop_at=14))
    with zipfile.ZipFile(folder / "shared.zip", "w") as archive:
        for path in (folder / "complete/model").iterdir():
            archive.write(path, f"model/{path.name}")
    return folder


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "runs"))


def by_name(folder: Path) -> dict:
    return {run.name: run for run in list_runs(folder)}


def test_every_kind_is_described(runs: Path) -> None:
    shutil.copytree(runs / "complete/model", runs / "bundle")
    (runs / "notes").mkdir()
    (runs / "other.zip").write_bytes(b"PK nothing")
    found = by_name(runs)
    assert found.keys() == {"complete", "stopped", "shared", "bundle"}
    states = {name: run.state for name, run in found.items()}
    assert states.pop("stopped") == "can be resumed"
    assert set(states.values()) == {"complete"}
    expected = load_model(runs / "complete").spec
    for run in found.values():
        assert [row.name for row in run.classes] == ["background", "disk"]
        assert run.classes[1].color == expected.classes.classes[1].color
        assert (run.dims, run.n_channels) == (2, 1)
        assert run.images == tuple(f"disks {n}" for n in range(5))
        assert run.problem is None
        assert run.has_model
        assert 0 < (datetime.now(UTC) - run.created).total_seconds() < 3600
    complete, stopped = found["complete"], found["stopped"]
    assert complete.score == pytest.approx(expected.scores["IoU"])
    assert (complete.iterations, stopped.iterations) == (20, 14)
    assert stopped.score is not None
    assert stopped.seconds is not None
    assert complete.is_run
    assert not found["bundle"].is_run


def test_the_newest_comes_first(runs: Path) -> None:
    created = [run.created for run in list_runs(runs)]
    assert created == sorted(created, reverse=True)


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "nowhere") == []


def test_a_thumbnail_shows_the_predicted_classes(runs: Path) -> None:
    found = by_name(runs)
    for name in ("complete", "stopped"):
        thumbnail = found[name].thumbnail
        assert thumbnail is not None
        with PillowImage.open(thumbnail) as picture:
            assert picture.size == (128, 128)
            colors = np.asarray(picture.convert("RGB")).astype(int)
        spread = np.ptp(colors, axis=-1)
        assert (spread > 40).any(), "classes are tinted"
        assert (spread == 0).any(), "the rest is gray"
    assert found["complete"].thumbnail == runs / "complete/model/thumbnail.png"
    assert (runs / "complete/thumbnail.png").is_file()
    assert found["shared"].thumbnail is None


def test_a_run_without_a_checkpoint_has_no_model_yet(runs: Path) -> None:
    shutil.rmtree(runs / "stopped/checkpoints")
    run = by_name(runs)["stopped"]
    assert run.state == "no model yet"
    assert not run.has_model
    assert [row.name for row in run.classes] == ["background", "disk"]


@pytest.mark.parametrize("content", ["", "{", "[]", "classes: 3\nnetwork: 1", "a: &b"])
def test_a_damaged_run_is_listed_with_its_problem(runs: Path, content: str) -> None:
    (runs / "complete/model/model.yaml").write_text(content)
    run = by_name(runs)["complete"]
    assert run.state == "damaged"
    assert run.problem
    assert "\n" not in run.problem
    assert by_name(runs)["stopped"].state == "can be resumed"


@pytest.mark.parametrize("n_bytes", [0, 5, 400])
def test_a_cut_checkpoint_is_listed_with_its_problem(runs: Path, n_bytes: int) -> None:
    path = runs / "stopped/checkpoints/latest.safetensors"
    path.write_bytes(path.read_bytes()[:n_bytes])
    assert by_name(runs)["stopped"].problem


def test_a_damaged_plan_is_listed_with_its_problem(tmp_path: Path) -> None:
    for name, text in (("a", ""), ("b", json.dumps({"facts": 3}))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "plan.json").write_text(text)
    assert [run.state for run in list_runs(tmp_path)] == ["damaged", "damaged"]


def test_times_without_a_zone_can_be_compared(runs: Path) -> None:
    path = runs / "complete/model/model.yaml"
    created = load_model(runs / "complete").spec.provenance["created"]
    path.write_text(path.read_text().replace(created, created[:19]))
    assert len(list_runs(runs)) == 3


def test_what_a_path_stands_for(runs: Path) -> None:
    complete, checkpoint = runs / "complete", "checkpoints/best.safetensors"
    assert find_model_paths(complete) == [complete]
    assert find_model_paths(complete / checkpoint) == [complete / checkpoint]
    assert find_model_paths(runs / "shared.zip") == [runs / "shared.zip"]
    assert set(find_model_paths(runs)) == {
        *(runs / name for name in ("complete", "stopped", "shared.zip"))
    }
    assert find_model_paths(runs / "complete/config.yaml") == []
    assert read_run_info(complete / checkpoint).name == "complete (best)"


def test_a_new_name_moves_no_folder(runs: Path) -> None:
    path = rename_run(runs / "complete", "  Axons: day 3 / old\n")
    assert path == runs / "complete"
    assert read_run_info(path).name == "Axons: day 3 / old"
    assert load_model(path).spec.dims == 2
    assert rename_run(runs / "shared.zip", "For Jo?") == runs / "For Jo.zip"
    assert not (runs / "shared.zip").exists()


def test_names_that_cannot_be_given(runs: Path) -> None:
    with pytest.raises(ConfigError, match="empty"):
        rename_run(runs / "complete", " \n")
    with pytest.raises(OutputError, match="neither a run folder nor a model"):
        rename_run(runs, "x")
    shutil.copy(runs / "shared.zip", runs / "taken.zip")
    with pytest.raises(OutputError, match="exists already"):
        rename_run(runs / "shared.zip", "taken")


def test_a_deleted_run_is_gone(runs: Path) -> None:
    rename_run(runs / "complete", "mine")
    for name in ("complete", "stopped", "shared.zip"):
        delete_run(runs / name)
    assert list(runs.iterdir()) == []


def test_nothing_else_is_deleted(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "file.zip").write_bytes(b"mine")
    for path in (runs, tmp_path / "plain", tmp_path / "file.zip", tmp_path / "no"):
        with pytest.raises(OutputError, match="neither a run"):
            delete_run(path)
    (runs / "complete/my results.csv").write_text("1")
    with pytest.raises(OutputError, match=r"my results\.csv"):
        delete_run(runs / "complete")
    assert load_model(runs / "complete").spec.dims == 2


def test_a_move_that_fails_leaves_the_run(runs: Path, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OutputError, match="Permission denied"):
        delete_run(runs / "complete")
    assert load_model(runs / "complete").spec.dims == 2


def test_links_are_not_followed_when_deleting(runs: Path) -> None:
    link = runs / "link"
    try:
        link.symlink_to(runs / "complete", target_is_directory=True)
    except OSError:
        pytest.skip("links are not allowed here")
    with pytest.raises(OutputError):
        delete_run(link)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("axons", "axons"),
        ("  axons:\tday 3/4 ", "axons- day 3-4"),
        ("../../etc", "etc"),
        ("", "run"),
        ("con", "con_"),
        ("µm × 2", "µm × 2"),
        ("x" * 300, "x" * 80),
    ],
)
def test_names_of_new_runs(tmp_path: Path, name: str, expected: str) -> None:
    assert unique_run_dir(tmp_path, name) == tmp_path / expected
    (tmp_path / expected).mkdir()
    assert unique_run_dir(tmp_path, name) == tmp_path / f"{expected} 2"


def test_a_hundred_runs_are_listed_at_once_and_without_torch(runs: Path) -> None:
    for number in range(100):
        shutil.copytree(runs / "complete/model", runs / f"model {number}")
    code = (
        "import sys; from pathlib import Path; "
        "from napari_segtrain.workflows.library import list_runs; "
        f"runs = list_runs(Path({str(runs)!r})); "
        "sys.exit(len(runs) != 103 or 'torch' in sys.modules)"
    )
    start = time.process_time()
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    list_runs(runs)
    assert time.process_time() - start < 3
