"""Objects with ids, from files to files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.cli.helpers import SMALL
from tests.objects.touching import touching_balls

from napari_segtrain import load_model

NAMES = ("cell_a.tif", "cell_b.tif")


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Folders ``image`` and ``label`` with objects that touch."""
    for kind in ("image", "label"):
        (tmp_path / kind).mkdir()
    for seed, name in enumerate(NAMES):
        ids = touching_balls((1, 80, 80), n=14, seed=seed)[0]
        noise = np.random.default_rng(seed).normal(0, 8, ids.shape)
        image = (40 + 120 * (ids > 0) + noise).clip(0, 255).astype(np.uint8)
        tifffile.imwrite(tmp_path / "image" / name, image)
        tifffile.imwrite(tmp_path / "label" / name, ids.astype(np.uint16))
    return tmp_path


@pytest.mark.slow
def test_targets_from_files_and_ids_to_files(segtrain, cells: Path) -> None:
    run, out = cells / "run", cells / "out"
    said = segtrain(
        "train", "--images", cells / "image", "--labels", cells / "label",
        "--target", "instances", "--set", "objects.target=distances",
        "--set", "objects.min_voxels=9", "--iterations", 4, "--output", run,
        *SMALL, "--validation", "none",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert "The labels number objects" in said.out
    spec = load_model(run).spec
    assert (spec.objects.target.kind, spec.objects.min_voxels) == ("distances", 9)
    assert len(spec.output_names) == 6
    predicted = segtrain(
        "predict", run, cells / "image", "--output", out, "--probabilities"
    )
    assert predicted.code == 0, predicted.err
    labels = tifffile.imread(out / NAMES[0])
    assert labels.dtype == np.uint32
    assert tifffile.imread(out / "probabilities" / NAMES[0]).shape == (6, 80, 80)
    report = cells / "report"
    scored = segtrain("evaluate", cells / "label", out, "--objects", "--output", report)
    assert scored.code == 0, scored.err


def train(segtrain, cells: Path, target: str) -> Path:
    run = cells / "run"
    said = segtrain(
        "train", "--images", cells / "image", "--labels", cells / "label",
        "--target", target, "--iterations", 4, "--output", run,
        *SMALL, "--validation", "none",
    )  # fmt: skip
    assert said.code == 0, said.err
    return run


@pytest.mark.slow
def test_what_an_object_is_may_change_when_predicting(segtrain, cells: Path) -> None:
    run, image = train(segtrain, cells, "instances"), cells / "image" / NAMES[0]
    assert "prominence 0.02, smoothing 0.15 radii" in segtrain("info", run).out
    options = ("--set", "objects.min_voxels=100000", "--set", "objects.smoothing=0.5")
    said = segtrain("predict", run, image, "--output", cells / "none", *options)
    assert said.code == 0, said.err
    assert not tifffile.imread(cells / "none" / NAMES[0]).any()
    usual = segtrain("predict", run, image, "--output", cells / "usual")
    assert usual.code == 0, usual.err
    assert tifffile.imread(cells / "usual" / NAMES[0]).any()


@pytest.mark.slow
def test_a_model_of_classes_has_no_objects_to_change(segtrain, cells: Path) -> None:
    run, out = train(segtrain, cells, "semantic"), cells / "out"
    options = ("--set", "objects.fill_holes=true")
    said = segtrain("predict", run, cells / "image", "--output", out, *options)
    assert said.code != 0
    assert "makes no objects" in said.err
    assert "Traceback" not in said.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("objects.target=cells", "objects.target"),
        ("objects.target={kind: boundaries, width: 0}", "objects.target.width"),
        ("objects.prominence=2", "objects.prominence"),
    ],
)
def test_a_wrong_setting_is_named(segtrain, cells: Path, setting, message) -> None:
    said = segtrain(
        "train", "--images", cells / "image", "--labels", cells / "label",
        "--output", cells / "run", "--set", setting, *SMALL,
    )  # fmt: skip
    assert said.code != 0
    assert message in said.err
    assert "Traceback" not in said.err
