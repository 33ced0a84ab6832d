from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_segtrain.data.samples import SAMPLES, sample_dir

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints" / "cpu.txt"
HEAVY = (
    *("torch", "monai", "napari", "qtpy", "matplotlib"),
    *("h5py", "tensorstore", "zarr"),
)
VIEWER = {  # not pyqtgraph, pure Python: napari's plugin manager installs no extras
    "magicgui",
    "napari",
    "npe2",
    "pyqt5",
    "pyqt6",
    "pyside2",
    "pyside6",
    "qtpy",
    "superqt",
}
WHEEL_LIMIT = 8e6


def run(*command: object, cwd: Path) -> str:
    """Output of a command that knows nothing of this process's environment."""
    private = ("PYTHON", "VIRTUAL_ENV", "COVERAGE")
    env = {k: v for k, v in os.environ.items() if not k.startswith(private)}
    env |= {"PIP_CONSTRAINT": CONSTRAINTS.as_uri(), "PYTHONUTF8": "1"}
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps")
    run(*pip, "--wheel-dir", folder, ROOT, cwd=folder)
    return next(folder.glob("napari_segtrain-*.whl"))


@pytest.fixture(scope="module")
def base_bin(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the programs of an environment with a base install only."""
    folder = tmp_path_factory.mktemp("base")
    run(sys.executable, "-m", "venv", folder, cwd=folder)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    run(programs / "python", "-m", "pip", "install", "--quiet", wheel, cwd=folder)
    return programs


@pytest.mark.parametrize(
    "module",
    ["napari_segtrain", "napari_segtrain.config", "napari_segtrain.cli.app"],
)
def test_light_modules_import_nothing_heavy(module: str, tmp_path: Path) -> None:
    code = f"import sys, {module}; print(*sys.modules.keys() & {set(HEAVY)})"
    assert run(sys.executable, "-c", code, cwd=tmp_path).split() == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_wheel_is_small_and_complete(wheel: Path) -> None:
    assert wheel.stat().st_size < WHEEL_LIMIT
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = ROOT / "src" / "napari_segtrain"
    shipped = {
        path.relative_to(package.parent).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix not in {".pyc", ".pyo"}
    }
    assert shipped <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    for sample in SAMPLES:
        assert f"napari_segtrain/data/samples/{sample.name}/LICENSE.txt" in names


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_base_install_has_no_viewer(base_bin: Path, tmp_path: Path) -> None:
    pip = (base_bin / "python", "-m", "pip", "list", "--format", "json")
    installed = {d["name"].lower() for d in json.loads(run(*pip, cwd=tmp_path))}
    assert "napari-segtrain" in installed
    assert installed.isdisjoint(VIEWER)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_command_line_works_in_a_base_install(base_bin: Path, tmp_path: Path) -> None:
    segtrain = base_bin / "segtrain"
    data = sample_dir("axons")
    assert "predict" in run(segtrain, "--help", cwd=tmp_path)
    train = ("--images", data / "train/image", "--labels", data / "train/label")
    budget = ("--time-budget", "3s", "--output", "run")
    run(segtrain, "train", *train, *budget, cwd=tmp_path)
    output = ("--output", "segmentation")
    run(segtrain, "predict", "run", data / "test/image", *output, cwd=tmp_path)
    assert_segmented(data / "test" / "label", tmp_path / "segmentation")


def assert_segmented(ground_truth: Path, segmentation: Path) -> None:
    """One label file for each one in ``ground_truth``: stem, shape and values."""
    written = {path.name.split(".")[0]: path for path in segmentation.glob("*.tif")}
    for path in ground_truth.iterdir():
        expected = tifffile.imread(path)
        labels = tifffile.imread(written[path.name.split(".")[0]])
        assert labels.shape == expected.shape
        assert set(np.unique(labels)) <= set(np.unique(expected))
