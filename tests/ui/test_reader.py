from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from napari.components import ViewerModel
from safetensors.numpy import save_file
from tests.models.helpers import write_folder, write_zip, zip_of

from napari_segtrain.training.run_folder import RunFolder
from napari_segtrain.ui import reader
from napari_segtrain.ui.session import session_of
from napari_segtrain.workflows.training import train

FIXTURE = Path(__file__).parents[1] / "models/fixtures/model-format-1.zip"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    from tests.training.tasks import disks

    image, labels = disks((48, 48), 0)
    folder = tmp_path_factory.mktemp("runs") / "a run"
    train(
        image,
        labels,
        output=folder,
        iterations=1,
        validation={"kind": "none"},
        network={"depth": 1, "first_filters": 4, "stem": 1},
    )
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "model")


@pytest.fixture
def viewer(monkeypatch) -> ViewerModel:
    model = ViewerModel()
    monkeypatch.setattr(reader.napari, "current_viewer", lambda: model)
    return model


def test_runs_models_and_files_in_them(run: Path, folder: Path) -> None:
    best = run / "checkpoints/latest.safetensors"
    assert {
        "run": reader.model_at(run),
        "plan": reader.model_at(run / "plan.json"),
        "its model": reader.model_at(run / "model"),
        "checkpoint": reader.model_at(best),
        "folder": reader.model_at(folder),
        "yaml": reader.model_at(folder / "model.yaml"),
        "weights": reader.model_at(folder / "weights.safetensors"),
        "zip": reader.model_at(FIXTURE),
        "list": reader.model_at([str(FIXTURE)]),
    } == {
        "run": run,
        "plan": run,
        "its model": run / "model",
        "checkpoint": best,
        "folder": folder,
        "yaml": folder,
        "weights": folder,
        "zip": FIXTURE,
        "list": FIXTURE,
    }  # fmt: skip


def test_a_zip_with_a_folder_inside(folder: Path, tmp_path: Path) -> None:
    entries = [(f"model/{name}", data) for name, data in zip_of(folder).items()]
    path = write_zip(tmp_path / "m.ZIP", entries)
    assert reader.model_at(path) == path


def test_what_is_not_ours(tmp_path: Path) -> None:
    others = {
        "folder": tmp_path / "images",
        "zip": write_zip(tmp_path / "a.zip", [("a.txt", b"a")]),
        "damaged zip": tmp_path / "b.zip",
        "weights of others": tmp_path / "c.safetensors",
        "damaged weights": tmp_path / "d.safetensors",
        "missing": tmp_path / "e.safetensors",
    }
    others["folder"].mkdir()
    others["damaged zip"].write_bytes(b"PK not really")
    import numpy as np

    save_file({"a": np.zeros(3)}, others["weights of others"])
    others["damaged weights"].write_bytes(b"\x10\0\0\0\0\0\0\0not json")
    assert {name: reader.get_reader(str(path)) for name, path in others.items()} == (
        dict.fromkeys(others)
    )
    assert reader.get_reader([str(tmp_path / "a.zip"), str(FIXTURE)]) is None


def test_reading_chooses_the_model_and_adds_no_layer(viewer, tmp_path: Path) -> None:
    path = shutil.copy(FIXTURE, tmp_path / "m.zip")
    read = reader.get_reader(str(path))
    assert read is not None
    assert read(str(path)) == [(None,)]
    assert session_of(viewer).model_path == path
    assert len(viewer.layers) == 0


def test_reading_without_a_viewer(monkeypatch) -> None:
    monkeypatch.setattr(reader.napari, "current_viewer", lambda: None)
    assert reader.read(str(FIXTURE)) == [(None,)]


def test_an_unfinished_run_is_one(tmp_path: Path, run: Path) -> None:
    copy = RunFolder(Path(shutil.copytree(run, tmp_path / "run")))
    shutil.rmtree(copy.model_path)
    assert reader.model_at(copy.path) == copy.path


def test_the_check_loads_no_torch() -> None:
    code = (
        "import sys; from napari_segtrain.ui import reader;"
        f"assert reader.get_reader({str(FIXTURE)!r});"
        "print({'torch', 'monai'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "set()"
