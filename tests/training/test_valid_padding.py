"""Training without padding: patches have a border of context."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.tasks import make_config, make_dataset

from napari_segtrain import load_model
from napari_segtrain.config import ExperimentConfig, InferenceConfig
from napari_segtrain.data.facts import gather_facts
from napari_segtrain.errors import ConfigError
from napari_segtrain.inference import iter_prediction
from napari_segtrain.training.learner import Learner
from napari_segtrain.training.machine import Machine
from napari_segtrain.training.plan import resolve
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_training_run

CPU = Machine("cpu", "test CPU", 8 << 30)
NETWORK = {"padding": "valid", "stem": 1}


def plan_of(dataset, **sections):
    config = make_config(**sections)
    return resolve(config, gather_facts(dataset, config), CPU)


def test_targets_are_the_middle_of_patches():
    dataset = make_dataset(2)
    plan = plan_of(
        dataset,
        network=NETWORK,
        sampling={"patch_size": [1, 64, 64]},
        augmentation={"preset": "none"},
    )
    assert plan.info.margin == (0, 24, 24)
    learner = Learner(plan, dataset)
    before = {k: v.clone() for k, v in learner.network_state.items()}
    batch = learner.source.make(0)
    assert batch.images.shape[2:] == batch.targets.shape[1:] == (64, 64)
    assert np.isfinite(learner.step(batch, 1e-3))
    assert any(not torch.equal(v, before[k]) for k, v in learner.network_state.items())


def test_a_patch_without_room_for_the_margin_is_refused_with_the_numbers():
    with pytest.raises(ConfigError, match=r"1 × 48 × 48 .* at least 1 × 52 × 52 .*24"):
        plan_of(make_dataset(2), network=NETWORK)


def test_patches_that_are_left_open_have_room_for_the_margin():
    config = ExperimentConfig.model_validate({"network": {"padding": "valid"}})
    plan = resolve(config, gather_facts(make_dataset(2), config), CPU)
    assert plan.info.margin[1] > 0
    # images of 96 voxels, and context on both sides
    assert plan.patch_size == (1, *[96 + 2 * plan.info.margin[1]] * 2)
    assert plan.batch_size == 2


@pytest.mark.parametrize("name", ["segnet", "dynunet", "residual-unet"])
def test_networks_that_are_always_padded_refuse_it(name):
    with pytest.raises(ConfigError, match="padding"):
        make_config(network={"name": name, "padding": "valid", "stem": None})


def test_a_network_without_padding_learns_and_predicts(tmp_path: Path):
    dataset = make_dataset(3)
    config = make_config(
        network=NETWORK,
        sampling={"patch_size": [1, 80, 80], "batch_size": 4},
        training={"length": {"kind": "iterations", "iterations": 30}},
    )
    result = run(iter_training_run(dataset, config, tmp_path / "run"), None)
    assert result.score is not None
    assert result.score > 0.6
    model = load_model(result.model_path)
    image = dataset.samples[0].image
    whole = run(iter_prediction(model, image, InferenceConfig(device="cpu")), None)
    tiles = InferenceConfig(device="cpu", tile_size=(1, 64, 80))
    cut = run(iter_prediction(model, image, tiles), None)
    np.testing.assert_array_equal(cut.labels.array, whole.labels.array)
    truth = np.asarray(dataset.samples[0].labels.array)
    assert (whole.labels.array == truth).mean() > 0.8
