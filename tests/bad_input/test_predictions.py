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
    QUICK,
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
    given = ("predict", "run", "a.tif", "-o", "s")
    fails(*given, code=MODEL, words=words)
    fails(*given, "--format", "zarr", code=MODEL, words=words)


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
    written = {path.name for path in (tmp_path / "v").glob("[a-z]*")}
    assert written == {"a.tif", "a.ome.tif", "summary.csv"}
    np.save(tmp_path / "u/b.npy", np.zeros((2, 64, 64), np.uint8))
    shutil.copy(image, tmp_path / "u/b.tif")
    words = ("b.npy", "b.tif", "both", "one by one")
    given = ("predict", model, "u", "-o", "w", "--axes", "CYX")
    fails(*given, code=OUTPUT, words=words)


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        (["*.jpg"], DATA, "'*.jpg' matches no image"),
        (["none/**/*.tif"], DATA, "'none/**/*.tif' matches no image"),
        (["a.tif", "none.tif"], DATA, "none.tif|does not exist"),
        (["a.tif", "notes.txt"], DATA, "notes.txt|no known format"),
        (["a.*", "--stack"], DATA, "'a.*' matches no folder of slices"),
        (["a.tif", "-o", "s.tif"], OUTPUT, "s.tif|looks like a file|folder"),
        (["a.tif", "-o", "s.png", "--format", "png"], OUTPUT, "s.png|name a folder"),
        (["[ab].tif", "-o", "s.zarr"], OUTPUT, "s.zarr|one store|2 images"),
        (["a.tif", "-o", "s.zarr", "--format", "png"], CONFIG, "s.zarr|--format png"),
        (["a.tif", "-o", "s.zarr", "--slices", "1"], CONFIG, "--slices|--region"),
        (["a.tif", "--format", "png", "--part", "1/2"], CONFIG, "stores|--format png"),
        (["a.tif", "--format", "bmp"], CONFIG, "--format|bmp|png"),
        (["film.ome.tif", "--format", "png"], DATA, "film|TZYX|--format tiff"),
        (["a.tif", "sub/a.tif"], OUTPUT, "a.tif|sub/a.tif|both be written"),
        (["a.tif", "-o", "."], OUTPUT, "a.tif is the image itself|--output"),
        (["probabilities.tif", "[ab].tif", "--format", "png", "--probabilities"],
         OUTPUT, "probabilities|rename the image"),
        (["a.tif", "b.tif", "-o", "taken"], OUTPUT, "summary.csv|no summary"),
        (["a.tif", "--overlays", "--set", "volume.downsampling=[1,2,2]"], CONFIG,
         "--overlays|volume.downsampling"),
    ],
)  # fmt: skip
def test_a_batch_that_cannot_begin(
    fails, gray_model: Path, tmp_path: Path, given, code, words
) -> None:
    image = disks((64, 64), 0)[0]
    for name in ("a.tif", "b.tif", "sub/a.tif"):
        save(tmp_path / name, image)
    if "probabilities.tif" in given:
        save(tmp_path / "probabilities.tif", np.stack([image] * 2))
    save(tmp_path / "film.ome.tif", np.zeros((2, 2, 8, 8)), metadata={"axes": "TZYX"})
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/summary.csv").write_text("name,value\n")
    output = () if "-o" in given else ("-o", "s")
    words = tuple(words.split("|"))
    fails("predict", gray_model, *given, *output, code=code, words=words)


def test_labels_that_no_picture_holds(fails, tmp_path: Path, capsys) -> None:
    image, labels = disks((64, 64), 0)
    save(tmp_path / "a.tif", image)
    save(tmp_path / "label.tif", labels.astype(np.uint32) * 1000)
    given = ("--images", "a.tif", "--labels", "label.tif", "-o", "run")
    assert main(["train", *given, *QUICK]) == 0
    capsys.readouterr()
    words = ("255000", "0 to 65535", "--format tiff")
    given = ("predict", "run", "a.tif", "-o", "s", "--format", "png")
    fails(*given, code=DATA, words=words)
