"""``segtrain demo``: the whole job on bundled data."""

from __future__ import annotations

from pathlib import Path

import pytest
import tifffile
from tests.cli.helpers import listing

from napari_segtrain.data.samples import SAMPLES, sample_dir

NAMES = [sample.name for sample in SAMPLES]


def check(output: Path, sample: str) -> None:
    found = listing(output)
    assert found >= {
        "model/curves.png",
        "model/model/model.yaml",
        "report/metrics.csv",
        "report/metrics.json",
    }
    for path in (sample_dir(sample) / "test/image").iterdir():
        assert f"segmentation/{path.name}" in found
        assert f"segmentation/probabilities/{path.name}" in found
        stem = path.name.split(".")[0]
        assert f"report/overlays/{stem}.png" in found
        labels = tifffile.imread(output / "segmentation" / path.name)
        assert labels.shape == tifffile.imread(path).shape


def test_demo(segtrain, tmp_path: Path) -> None:
    given = ("demo", "--output", tmp_path / "demo", "--time-budget", "3s")
    said = segtrain(*given)
    assert (said.code, said.err) == (0, "")
    check(tmp_path / "demo", "axons")
    assert "myelin" in said.out
    assert segtrain(*given).code == 7
    unknown = segtrain("demo", "--sample", "cats")
    assert unknown.code == 3
    assert "axons" in unknown.err


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("sample", NAMES)
def test_every_sample(segtrain, tmp_path: Path, sample: str) -> None:
    given = ("demo", "--output", tmp_path, "--sample", sample, "--time-budget", "20s")
    assert segtrain(*given).code == 0
    check(tmp_path, sample)
    assert segtrain(*given, "--overwrite").code == 0
    check(tmp_path, sample)
