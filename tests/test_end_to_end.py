"""The product on its bundled samples: train, predict, evaluate; scores to reach."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from napari_segtrain.data.samples import sample_dir

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def segtrain(*arguments: object) -> None:
    command = [sys.executable, "-m", "napari_segtrain", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def total_scores(
    folder: Path, sample: str, labels: str, *options: object
) -> dict[str, Any]:
    """Train for a number of iterations, so that a busy machine changes nothing."""
    data = sample_dir(sample)
    segtrain(
        "train", "--images", data / "train/image", "--labels", data / "train" / labels,
        "--iterations", 150, "--output", folder / "run", *options,
    )  # fmt: skip
    segtrain("predict", folder / "run", data / "test/image", "-o", folder / "out")
    segtrain(
        "evaluate", data / "test/label", folder / "out", "-o", folder / "report",
        "--objects",
    )  # fmt: skip
    total: dict[str, Any] = json.loads((folder / "report/metrics.json").read_text())
    return total["total"]


def iou_of(total: dict[str, Any], values: set[int]) -> float:
    rows = [row for row in total["classes"] if row["value"] in values]
    assert len(rows) == len(values)
    return sum(row["iou"] for row in rows) / len(rows)


def test_axons_dense(tmp_path: Path) -> None:
    total = total_scores(tmp_path, "axons", "label")
    assert iou_of(total, {1, 2}) > 0.5


def test_nuclei_as_objects(tmp_path: Path) -> None:
    total = total_scores(tmp_path, "nuclei", "label")
    assert total["overall"]["iou"] > 0.7
    [at_half] = [row for row in total["objects"] if row["threshold"] == 0.5]
    assert at_half["n_predicted"] > 50


def test_embryo_in_3d(tmp_path: Path) -> None:
    total = total_scores(tmp_path, "embryo", "label")
    assert total["overall"]["iou"] > 0.55


def test_the_demo_leaves_all_that_it_promises(tmp_path: Path) -> None:
    segtrain("demo", "--output", tmp_path / "demo", "--time-budget", "30s")
    found = {str(p.relative_to(tmp_path / "demo")) for p in tmp_path.rglob("*.*")}
    assert {"model/curves.png", "report/metrics.csv", "report/metrics.json"} <= found
    assert any(path.startswith("segmentation/") for path in found)
    assert any(path.startswith("report/overlays/") for path in found)
