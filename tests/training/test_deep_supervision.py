"""Coarser levels count in the training loss, and nowhere else."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from tests.training.tasks import make_config, make_dataset

from napari_segtrain import load_model
from napari_segtrain.config import CrossEntropyConfig
from napari_segtrain.control import RunControl
from napari_segtrain.data.facts import gather_facts
from napari_segtrain.errors import ConfigError
from napari_segtrain.image import IGNORE_INDEX
from napari_segtrain.training.checkpoint import load_checkpoint
from napari_segtrain.training.learner import Learner
from napari_segtrain.training.losses import DeepLoss, SegmentationLoss
from napari_segtrain.training.machine import Machine
from napari_segtrain.training.plan import resolve
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_resumed_run, iter_training_run

CPU = Machine("cpu", "test CPU", 8 << 30)
LATEST = "checkpoints/latest.safetensors"


def config_of(*, is_deep=True):
    return make_config(
        network={"deep_supervision": is_deep},
        training={
            "length": {"kind": "iterations", "iterations": 12},
            "iterations_per_epoch": 6,
        },
    )


def train(folder: Path, *, is_deep=True, stop_at=None):
    control = RunControl()

    def on_event(event):
        if stop_at is not None and getattr(event, "iteration", 0) >= stop_at:
            control.stop()

    config = config_of(is_deep=is_deep)
    return run(
        iter_training_run(make_dataset(3), config, folder, control=control), on_event
    )


def test_each_level_counts_half_as_much_as_the_one_before():
    single = SegmentationLoss(CrossEntropyConfig(), n_classes=2)
    levels = [torch.randn(2, 2, 8, 8) for _ in range(3)]
    targets = torch.randint(0, 2, (2, 8, 8), dtype=torch.uint8)
    parts = [float(single(level, targets)) for level in levels]
    expected = (parts[0] + parts[1] / 2 + parts[2] / 4) / 1.75
    assert float(DeepLoss(single)(levels, targets)) == pytest.approx(expected)


def test_unlabelled_voxels_count_at_no_level():
    levels = [torch.randn(1, 2, 8, 8, requires_grad=True) for _ in range(2)]
    targets = torch.full((1, 8, 8), IGNORE_INDEX, dtype=torch.uint8)
    targets[:, :4] = 1
    loss = DeepLoss(SegmentationLoss(CrossEntropyConfig(), n_classes=2))
    loss(levels, targets).backward()
    for level in levels:
        assert float(level.grad[:, :, 4:].abs().max()) == 0
        assert float(level.grad[:, :, :4].abs().min()) > 0


def test_the_model_has_no_heads_but_other_weights(tmp_path: Path):
    train(tmp_path / "deep")
    train(tmp_path / "plain", is_deep=False)
    deep, plain = (load_model(tmp_path / n).network for n in ("deep", "plain"))
    states = deep.state_dict(), plain.state_dict()
    assert states[0].keys() == states[1].keys()
    assert any(not torch.equal(v, states[1][k]) for k, v in states[0].items())


def test_stopped_and_resumed_is_uninterrupted(tmp_path: Path):
    train(tmp_path / "whole")
    train(tmp_path / "parts", stop_at=8)
    run(iter_resumed_run(tmp_path / "parts"))
    whole, parts = (load_checkpoint(tmp_path / n / LATEST) for n in ("whole", "parts"))
    assert any(name.startswith("heads.") for name in whole.network)
    for name, value in whole.network.items():
        assert torch.equal(value, parts.network[name]), name
    for name, value in whole.optimizer.items():
        assert torch.equal(value, parts.optimizer[name]), name


def test_heads_that_are_not_finite_are_seen():
    dataset, config = make_dataset(3), config_of()
    learner = Learner(resolve(config, gather_facts(dataset, config), CPU), dataset)
    assert learner.is_finite
    heads = [n for n in learner.network_state if n.startswith("heads.")]
    learner.network_state[heads[0]].fill_(math.nan)
    assert not learner.is_finite


def test_too_shallow_a_network_is_refused_before_start():
    config = make_config(network={"depth": 1, "deep_supervision": True})
    facts = gather_facts(make_dataset(2), config)
    with pytest.raises(ConfigError, match=r"depth to 2 or more"):
        resolve(config, facts, CPU)
