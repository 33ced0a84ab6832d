"""The short forms, typed as they are documented, in the folder of the data."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.cli.helpers import call, iou, listing, write_set

COMMANDS = (
    "train --images train/image --labels train/label --time-budget {budget} "
    "--output run1",
    "predict run1 test/image --output segmentation",
    "evaluate test/label segmentation --output report",
)


def run_all(folder: Path, budget: str) -> str:
    write_set(folder / "train", 3, (128, 128))
    write_set(folder / "test", 2, (120, 100), first=3)
    for command in COMMANDS:
        said = call(*shlex.split(command.format(budget=budget)), cwd=folder)
        assert (said.code, said.err) == (0, "")
    return said.out


def check(folder: Path, least: float) -> None:
    names = {path.name for path in (folder / "segmentation").glob("*.tif")}
    assert names == {"cell_d.tif", "cell_e.tif"}
    for name in names:
        truth = tifffile.imread(folder / "test/label" / name)
        labels = tifffile.imread(folder / "segmentation" / name)
        assert labels.shape == truth.shape
        assert set(np.unique(labels)) <= {0, 100, 255}
        assert iou(truth, labels, 100) >= least
    files = {"metrics.csv", "metrics.json", "metrics_confusion.csv", "report.html"}
    assert listing(folder / "report") == files


@pytest.mark.slow
def test_short_forms(tmp_path: Path) -> None:
    table = run_all(tmp_path, "3s")
    assert "overall" in table
    check(tmp_path, 0.0)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_short_forms_with_a_minute(tmp_path: Path) -> None:
    run_all(tmp_path, "60s")
    check(tmp_path, 0.8)
