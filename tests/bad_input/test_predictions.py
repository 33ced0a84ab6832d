"""Images that a model cannot be applied to, and outputs in the way."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.bad_input.helpers import (
    CONFIG,
    DATA,
    MODEL,
    OUTPUT,
    save,
)
from tests.cli.helpers import (
    disks,
    write_set,
)

from napari_segtrain.cli.app import main


def test_a_channel_is_missing(fails, model: Path, tmp_path: Path) -> None:
    save(tmp_path / "a.tif", disks((64, 64), 0)[0])
    words = ("2 channels (DAPI, GFP)", "a has 1 channel", "same channels")
    fails("predict", model, "a.tif", "-o", "s", code=MODEL, words=words)


def test_the_second_image_does_not_fit(fails, model: Path, tmp_path: Path) -> None:
    """Nothing is written for the first."""
    shutil.copy(model.parent / "image.ome.tif", tmp_path / "a.ome.tif")
    save(tmp_path / "b.tif", disks((64, 64), 0)[0])
    words = ("2 channels", "b has 1 channel")
    fails("predict", model, ".", "-o", "s", code=MODEL, words=words)


def test_a_volume_is_needed(fails, tmp_path: Path, capsys) -> None:
    write_set(tmp_path / "train", 1, (16, 32, 32))
    given = ("--images", "train/image", "--labels", "train/label", "-o", "run")
    small = ("--set", "network.depth=1", "--set", "network.first_filters=4")
    length = ("--iterations", "1", "--dims", "3", "--validation", "none")
    batch = ("--set", "sampling.batch_size=1")
    assert main(["train", *given, *small, *length, *batch]) == 0
    capsys.readouterr()
    save(tmp_path / "a.tif", disks((64, 64), 0)[0])
    words = ("segments volumes", "axes YX", "2D model")
    fails("predict", "run", "a.tif", "-o", "s", code=MODEL, words=words)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--slices", "3"], DATA, "slices 3 to 4|which has 1"),
        (["--slices", "b:c"], CONFIG, "'b:c'|--slices 12"),
        (["--slices", "4:2"], CONFIG, "'4:2'|--slices 10:20"),
        (["--set", "overlap=2"], CONFIG, "overlap|less than 1|2"),
        (["--set", "tile_size=[1,0,5]"], CONFIG, "tile_size|greater than 0"),
        (["--set", "tiles=3"], CONFIG, "tiles|no such setting"),
        (["--axes", "YX"], DATA, "YX|3"),
        (["--stack"], DATA, "a.ome.tif|no folder"),
    ],
)
def test_wrong_options_of_a_prediction(
    fails, model: Path, tmp_path: Path, options, code, words
) -> None:
    shutil.copy(model.parent / "image.ome.tif", tmp_path / "a.ome.tif")
    given = ("predict", model, "a.ome.tif", "-o", "s", *options)
    fails(*given, code=code, words=tuple(words.split("|")))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_bad_voxels_in_a_prediction(fails, model, tmp_path: Path, value) -> None:
    image = np.zeros((2, 64, 64), np.float32) + disks((64, 64), 0)[0]
    image[1, 20, 30] = value
    save(tmp_path / "a.ome.tif", image, metadata={"axes": "CYX"})
    words = ("NaN or infinite", "replace them")
    fails("predict", model, "a.ome.tif", "-o", "s", code=DATA, words=words)


def test_outputs_of_a_prediction(fails, model: Path, tmp_path: Path) -> None:
    image = tmp_path / "a.ome.tif"
    shutil.copy(model.parent / "image.ome.tif", image)
    given = ("predict", model, "a.ome.tif")
    words = ("a.ome.tif is the image itself", "--output")
    fails(*given, "-o", ".", "--overwrite", code=OUTPUT, words=words)
    (tmp_path / "s").write_text("mine")
    fails(*given, "-o", "s", code=OUTPUT, words=("s is a file", "folder"))
    (tmp_path / "t/probabilities").mkdir(parents=True)
    (tmp_path / "t/probabilities/a.ome.tif").write_text("mine")
    words = ("t/probabilities/a.ome.tif exists already", "--overwrite")
    fails(*given, "-o", "t", "--probabilities", code=OUTPUT, words=words)
    (tmp_path / "u").mkdir()
    shutil.copy(image, tmp_path / "u/a.ome.tif")
    np.save(tmp_path / "u/a.npy", np.zeros((2, 64, 64), np.uint8))
    code = main(["predict", str(model), "u", "-o", "v", "--axes", "CYX"])
    assert code == 0
    assert {path.name for path in (tmp_path / "v").iterdir()} == {
        "a.tif",
        "a.ome.tif",
    }
    np.save(tmp_path / "u/b.npy", np.zeros((2, 64, 64), np.uint8))
    shutil.copy(image, tmp_path / "u/b.tif")
    words = ("b.npy", "b.tif", "both", "one by one")
    given = ("predict", model, "u", "-o", "w", "--axes", "CYX")
    fails(*given, code=OUTPUT, words=words)
