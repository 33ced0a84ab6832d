"""The halo that a training measures for its model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.training.running import Recorder, train
from tests.training.tasks import disks, make_config

from napari_segtrain import load_model
from napari_segtrain.config import InferenceConfig
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.files import make_sample
from napari_segtrain.errors import DataError
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.inference import OutOfMemory, iter_prediction
from napari_segtrain.inference.calibration import MAX_ERROR, full_context
from napari_segtrain.training import tile_calibrator
from napari_segtrain.training.clock import Deadline
from napari_segtrain.training.events import Noticed
from napari_segtrain.training.patches import prepared_pairs
from napari_segtrain.training.tile_calibrator import TileCalibrator
from napari_segtrain.workflows.models import describe_model
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import plan_training

SHORT = {"length": {"kind": "iterations", "iterations": 30}}
SMALL = {"name": "unet", "depth": 2, "first_filters": 4, "stem": 1}


def wide_dataset() -> Dataset:
    """Images that are wider than what the network sees."""
    samples = []
    for seed in range(4):
        image, labels = disks((192, 192), seed)
        name = f"disks {seed}"
        samples.append(
            make_sample(Image(image, "YX", name=name), LabelImage(labels, "YX"))
        )
    return Dataset(tuple(samples))


@pytest.fixture(scope="module")
def run_dir_of_wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("halo") / "run"
    train(wide_dataset(), make_config(network=SMALL, training=SHORT), path)
    return path


def test_a_model_knows_the_halo_of_its_tiles(run_dir_of_wide: Path) -> None:
    model = load_model(run_dir_of_wide)
    found = model.spec.calibration
    assert found.halo == model.info.halo
    assert found.error <= MAX_ERROR
    assert found.n_voxels > 20_000
    assert 0 < found.halo[1] < full_context(model.info)[1]
    assert any(line.startswith("tiles: a halo of") for line in describe_model(model))


def test_tiles_with_that_halo_hardly_change_other_images(run_dir_of_wide: Path) -> None:
    model = load_model(run_dir_of_wide)
    image = Image(disks((192, 192), 77)[0], "YX", name="other")
    halo = model.info.halo
    tile = tuple(2 * n + 32 if n else 1 for n in halo)
    maps = []
    for values in ({}, {"tile_size": tile}, {"tile_size": tile, "halo": (0, 0, 0)}):
        config = InferenceConfig(probabilities="float32", overlap=0, **values)
        maps.append(run(iter_prediction(model, image, config), None).probabilities)
    whole, tiled, cut = (np.asarray(each.array) for each in maps)
    assert np.abs(tiled - whole).max() < 5 * MAX_ERROR
    assert np.abs(cut - whole).max() > 8 * MAX_ERROR


def test_the_error_of_a_network_that_is_not_local_is_measured(run_dir: Path) -> None:
    config = make_config(network={**SMALL, "norm": "instance"}, training=SHORT)
    train(wide_dataset(), config, run_dir)
    model = load_model(run_dir)
    assert not model.info.is_local
    assert model.spec.calibration.halo is model.info.halo is None
    assert 0 < model.spec.calibration.error <= 1
    assert any(
        line.startswith("tiles: blended, error") for line in describe_model(model)
    )


def test_without_time_nothing_is_measured(run_dir_of_wide: Path) -> None:
    dataset = wide_dataset()
    plan = plan_training(dataset, make_config(network=SMALL, training=SHORT))
    calibrator = TileCalibrator(plan, *prepared_pairs(plan, dataset))
    model = load_model(run_dir_of_wide)
    assert calibrator.calibrate(model, Deadline(0.0), 1e6) is None
    assert calibrator.calibrate(model, Deadline(10.0), 1e2) is None
    assert calibrator.calibrate(model, Deadline(10.0), 1e6) is not None
    assert calibrator.calibrate(model, Deadline(), 0.0) is not None


@pytest.mark.parametrize("error", [OutOfMemory(), DataError("NaN")])
def test_a_measurement_that_fails_leaves_the_model(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def never(*_args: object) -> None:
        raise error

    monkeypatch.setattr(tile_calibrator, "missing_context", never)
    recorder = Recorder()
    config = make_config(network=SMALL, training=SHORT)
    result = train(wide_dataset(), config, run_dir, recorder)
    assert result.is_complete
    assert load_model(run_dir).spec.calibration is None
    texts = [notice.finding.text for notice in recorder.of(Noticed)]
    assert any("measured halo" in text for text in texts) == isinstance(
        error, OutOfMemory
    )
