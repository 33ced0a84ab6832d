"""Outputs made at another voxel size are told from others, and gone on with."""

from pathlib import Path

import numpy as np
import pytest
from tests.training.tasks import disks
from tests.ui.predictions import trained

from napari_segtrain.cli.app import main
from napari_segtrain.image import Image
from napari_segtrain.io import read_labels, write_probabilities

RESCALE = ("--set", "rescale=true")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    return trained(folder / "disks", data={"voxel_size": (0.5, 0.5)})


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "cells.tif"
    image = Image(disks((96, 90), 7)[0], "YX", (1.0, 1.0))
    write_probabilities(
        path, image.array[None], axes="CYX", voxel_size=image.voxel_size,
        class_names=("gray",),
    )  # fmt: skip
    return path


def test_files(tmp_path, model, image, capsys) -> None:
    command = ["predict", str(model), str(image), "-o", str(tmp_path / "out")]
    assert main(command) == 0
    plain = np.asarray(read_labels(tmp_path / "out/cells.tif").array)
    capsys.readouterr()
    assert main([*command, *RESCALE]) != 0
    assert "other settings" in capsys.readouterr().err
    assert main([*command, *RESCALE, "--overwrite"]) == 0
    rescaled = np.asarray(read_labels(tmp_path / "out/cells.tif").array)
    assert (rescaled != plain).any()
    capsys.readouterr()
    assert main([*command, *RESCALE]) == 0  # done before
    assert "done before" in capsys.readouterr().out


def test_stores(tmp_path, model, image, capsys) -> None:
    out = str(tmp_path / "out")
    command = ["predict", str(model), str(image), "-o", out, "--format", "zarr"]
    assert main([*command, *RESCALE]) == 0
    assert main([*command, *RESCALE]) == 0  # goes on, or says that it is done
    capsys.readouterr()
    assert main(command) != 0
    assert "other settings" in capsys.readouterr().err


def test_stores_say_what_is_unlike_the_training(tmp_path, model, image, capsys) -> None:
    out = str(tmp_path / "out")
    command = ["predict", str(model), str(image), "-o", out, "--format", "zarr"]
    assert main(command) == 0
    assert "trained on 0.5 × 0.5 µm" in capsys.readouterr().out
