"""What a model is told of intensities, from the config to a prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.training.running import Recorder, assert_same_run, train
from tests.training.tasks import disks, make_config, make_dataset

from napari_segtrain import load_model
from napari_segtrain.boxes import full_box
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.files import make_sample
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.inference.reading import read_tile
from napari_segtrain.workflows.prediction import predict
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_resumed_run


def unevenly_lit(n: int = 5) -> Dataset:
    samples = []
    for seed in range(n):
        image, labels = disks((96, 96), seed)
        light = np.linspace(0.1, 1.0, 96)
        samples.append(
            make_sample(
                Image((40 * light * image).astype(np.uint16), "YX", name=f"{seed}"),
                LabelImage(labels, "YX", name=f"{seed}"),
            )
        )
    return Dataset(tuple(samples))


def check_tiles(run_dir: Path, image: Image) -> None:
    """Tiles of two sizes give the same probabilities."""
    found = []
    for tile in ((1, 136, 136), (1, 88, 96)):
        settings = {"tile_size": tile, "halo": (0, 40, 40), "overlap": 0.0}
        prediction = predict(run_dir, image, probabilities="float32", **settings)
        assert prediction.probabilities is not None
        found.append(np.asarray(prediction.probabilities.array))
    np.testing.assert_allclose(*found, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["image", "training-set"])
def test_local_contrast_is_trained_stored_and_predicted_with(
    tmp_path: Path, scope: str
) -> None:
    given = {"method": "local-contrast", "scope": scope, "cell_size": 32}
    config = make_config(
        normalization={**given, "clip_limit": 0.02},
        training={"length": {"kind": "iterations", "iterations": 120}},
    )
    dataset = unevenly_lit()
    result = train(dataset, config, tmp_path / "run")
    assert result.score is not None
    assert result.score > 0.6
    model = load_model(tmp_path / "run")
    rule = model.spec.normalization
    assert (rule.method, rule.scope) == ("local-contrast", scope)
    assert (rule.cell_size, rule.clip_limit) == (32, 0.02)
    [item] = dataset.samples[0].image.items()
    intensities = rule.prepare(item)[1]
    whole = read_tile(item, full_box(item.shape), intensities)
    box = (slice(0, 1), slice(-8, 40), slice(60, 110))
    tile = read_tile(item, box, rule.prepare(item)[1])
    np.testing.assert_array_equal(tile[:, :, 8:, :36], whole[:, :, :40, 60:])


@pytest.mark.slow
def test_tiles_of_another_size_predict_the_same(
    tmp_path: Path,
) -> None:
    config = make_config(
        normalization={"method": "local-contrast", "cell_size": 16},
        training={"length": {"kind": "iterations", "iterations": 30}},
    )
    train(unevenly_lit(), config, tmp_path / "run")
    image = unevenly_lit(1).samples[0].image
    check_tiles(tmp_path / "run", image)


def test_a_matched_model_segments_an_image_of_other_brightness(tmp_path: Path) -> None:
    config = make_config(
        normalization={"match_histogram": True},
        training={"length": {"kind": "iterations", "iterations": 80}},
    )
    train(make_dataset(), config, tmp_path / "run")
    voxels, labels = disks((96, 96), 9)
    darker = np.sqrt(voxels.astype(np.float32)) / 50
    prediction = predict(tmp_path / "run", Image(darker, "YX"), device="cpu")
    found = np.asarray(prediction.labels.array) == 1
    truth = labels == 1
    assert (found & truth).sum() / (found | truth).sum() > 0.6


@pytest.mark.slow
def test_a_denoised_model_is_stored_and_predicts_the_same_with_other_tiles(
    tmp_path: Path,
) -> None:
    config = make_config(
        normalization={"denoising": 1.0},
        training={"length": {"kind": "iterations", "iterations": 30}},
    )
    train(make_dataset(), config, tmp_path / "run")
    assert load_model(tmp_path / "run").spec.normalization.denoising == 1.0
    image = make_dataset(1).samples[0].image
    check_tiles(tmp_path / "run", image)


@pytest.mark.slow
def test_a_run_with_denoising_that_was_stopped_is_the_unbroken_one(
    tmp_path: Path,
) -> None:
    config = make_config(
        normalization={"denoising": 0.5, "method": "local-contrast"},
        training={"length": {"kind": "iterations", "iterations": 20}},
    )
    train(make_dataset(), config, tmp_path / "whole")
    train(make_dataset(), config, tmp_path / "parts", Recorder(stop_at=7))
    assert run(iter_resumed_run(tmp_path / "parts")).is_complete
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
