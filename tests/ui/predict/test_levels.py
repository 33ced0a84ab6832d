"""The level of a multiscale image goes from the training data into the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.training.tasks import disks, make_config

from napari_segtrain import load_model
from napari_segtrain.data.dataset import Dataset, Sample
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.ui.predict.prediction_fit import best_level
from napari_segtrain.workflows.library import read_run_info
from napari_segtrain.workflows.models import describe_model
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_training_run

UNKNOWN = [None, None, None]


def trained(folder: Path, level: str) -> Path:
    image, labels = disks((96, 96), 0)
    sample = Sample(Image(image, "YX", level=level), LabelImage(labels, "YX"))
    config = make_config(training={"length": {"kind": "iterations", "iterations": 2}})
    return run(iter_training_run(Dataset((sample,)), config, folder)).run_dir


def test_the_level_is_stored_and_proposed(tmp_path: Path) -> None:
    folder = trained(tmp_path / "run", "2")
    model = load_model(folder)
    assert model.spec.level == "2"
    assert any("level 2 of multiscale" in line for line in describe_model(model))
    info = read_run_info(folder)
    assert info.level == "2"
    assert best_level(info, UNKNOWN) == 2
    assert best_level(info, UNKNOWN[:2]) == 1


def test_voxel_sizes_say_more_than_levels(tmp_path: Path) -> None:
    info = read_run_info(trained(tmp_path / "run", "2"))
    known = replace(info, voxel_size=(0.5, 0.5))
    assert best_level(known, [(0.25, 0.25), (0.5, 0.5), (1.0, 1.0)]) == 1


def test_other_images_have_none(tmp_path: Path) -> None:
    folder = trained(tmp_path / "run", "")
    assert load_model(folder).spec.level == ""
    assert best_level(read_run_info(folder), UNKNOWN) == 0
