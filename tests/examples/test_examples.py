"""The examples run as they are, only shorter."""

from __future__ import annotations

import csv
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_segtrain import load_model, read_labels
from napari_segtrain.data.samples import sample_dir

EXAMPLES = Path(__file__).parents[2] / "examples"
MAX_LINES = 40


@pytest.fixture
def run_example(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run an example as a script with arguments, and return what it prints."""

    def run(name: str, *arguments: object) -> str:
        path = EXAMPLES / f"{name}.py"
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
        runpy.run_path(str(path), run_name="__main__")
        return capsys.readouterr().out

    return run


def overall_iou(table: str) -> float:
    match = re.search(r"^overall +([0-9.]+)", table, re.MULTILINE)
    assert match
    return float(match[1])


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda p: p.stem)
def test_an_example_is_short_and_uses_public_names(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) < MAX_LINES
    modules = set(re.findall(r"^from (napari_segtrain\S*)", text, re.MULTILINE))
    assert modules <= {"napari_segtrain", "napari_segtrain.data.samples"}
    assert "usage:" in text


@pytest.mark.slow
def test_train_2d_from_arrays(run_example, tmp_path: Path) -> None:
    printed = run_example("train_2d_from_arrays", tmp_path, 25)
    assert overall_iou(printed) > 0.3
    assert "myelin" in printed
    (written,) = tmp_path.glob("*.tif")
    labels = read_labels(written)
    assert labels.classes.names == ("background", "myelin", "axon")
    truth = read_labels(sample_dir("axons") / "test/label" / written.name)
    assert labels.array.shape == truth.array.shape


@pytest.mark.slow
def test_train_3d(run_example, tmp_path: Path) -> None:
    printed = run_example("train_3d", tmp_path, 3)
    assert "CZYX at (1.75, 0.8, 0.8) µm" in printed
    assert overall_iou(printed) > 0
    labels = read_labels(tmp_path / "segmentation/16_cell.ome.tif")
    assert labels.axes == "ZYX"
    assert labels.voxel_size == (1.75, 0.8, 0.8)


@pytest.mark.slow
def test_train_on(run_example, tmp_path: Path) -> None:
    printed = run_example("train_on", tmp_path, 8)
    scores = [float(score) for score in re.findall(r"IoU ([0-9.]+)", printed)]
    assert len(scores) == 2
    first, second = (load_model(tmp_path / name).spec for name in ("run1", "run2"))
    assert first.network == second.network
    assert len(first.provenance["images"]) == 1
    assert len(second.provenance["images"]) == 2


@pytest.mark.slow
def test_predict_folder(run_example, tmp_path: Path) -> None:
    printed = run_example("predict_folder", tmp_path, 10)
    written = sorted(path.name for path in (tmp_path / "segmentation").iterdir())
    expected = sorted(p.name for p in (sample_dir("nuclei") / "test/image").iterdir())
    assert written == expected
    assert all(name in printed for name in written)
    labels = read_labels(tmp_path / "segmentation" / written[0])
    assert labels.classes.is_objects
    again = run_example(
        "predict_folder", tmp_path / "again", 1, tmp_path / "model",
        sample_dir("nuclei") / "test/image",
    )  # fmt: skip
    assert re.sub(r"[0-9.]+ s", "", again) == re.sub(r"[0-9.]+ s", "", printed)
    other = read_labels(tmp_path / "again/segmentation" / written[0])
    assert np.array_equal(other.array[:], labels.array[:])


def test_evaluate(run_example, tmp_path: Path) -> None:
    printed = run_example("evaluate", tmp_path)
    assert overall_iou(printed) == pytest.approx(0.822, abs=0.001)
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["image"] for row in rows} == {"002", "004", "010", "all images"}
    assert (tmp_path / "metrics_objects.csv").exists()
    given = run_example(
        "evaluate", tmp_path / "b", sample_dir("nuclei") / "test/label",
        tmp_path / "segmentation",
    )  # fmt: skip
    assert given == printed
