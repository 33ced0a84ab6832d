"""A boundary-weighted loss sees the objects around a patch, as far as there are any."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.training.tasks import make_config, make_dataset

from napari_segtrain.config import BoundaryCrossEntropyConfig, DiceConfig
from napari_segtrain.data.facts import gather_facts
from napari_segtrain.image import IGNORE_INDEX
from napari_segtrain.networks import build_network
from napari_segtrain.training.boundary_weights import boundary_weights
from napari_segtrain.training.learner import Learner
from napari_segtrain.training.losses import SegmentationLoss, loss_context
from napari_segtrain.training.machine import Machine
from napari_segtrain.training.plan import resolve

CPU = Machine("cpu", "test CPU", 8 << 30)
STILL = {"preset": "none"}
BOUNDARY = {"name": "boundary-cross-entropy", "border_sigma": 2.5}


def plan_of(loss, augmentation=STILL, dims=2):
    is_flat = dims == 2
    config = make_config(
        loss=loss,
        augmentation=augmentation,
        network={"dims": dims},
        sampling={"patch_size": [1, 48, 48] if is_flat else [16, 16, 16]},
    )
    dataset = make_dataset(2, (96, 96) if is_flat else (32, 32, 32))
    return resolve(config, gather_facts(dataset, config), CPU), dataset


def learner_of(loss, augmentation=STILL, dims=2):
    return Learner(*plan_of(loss, augmentation, dims))


def augmented(learner, iteration):
    return learner.source.augment(learner.source.make(iteration), torch.device("cpu"))


def test_how_far_it_looks():
    boundary = BoundaryCrossEntropyConfig(border_sigma=2.2)
    assert loss_context(boundary, is_2d=True) == (0, 5, 5)
    assert loss_context(boundary, is_2d=False) == (5, 5, 5)
    assert loss_context(DiceConfig(), is_2d=False) == (0, 0, 0)


@pytest.mark.parametrize("dims", [2, 3])
def test_targets_reach_farther_and_images_are_what_they_were(dims):
    plain = learner_of({"name": "dice"}, dims=dims)
    learner = learner_of(BOUNDARY, dims=dims)
    inside = (slice(None), *[slice(5, -5)] * dims)
    n_unlabelled = 0
    for iteration in range(4):
        expected, found = augmented(plain, iteration), augmented(learner, iteration)
        assert torch.equal(found.images, expected.images)
        assert torch.equal(found.targets[inside], expected.targets)
        n_unlabelled += int((found.targets == IGNORE_INDEX).sum())
        batch = learner.source.make(iteration)
        assert batch.plain().shape == found.images.shape
    assert n_unlabelled > 0


@pytest.mark.parametrize("dims", [2, 3])
def test_it_trains_on_warped_patches_with_their_surroundings(dims):
    learner = learner_of(BOUNDARY, {"preset": "strong"}, dims=dims)
    batch = augmented(learner, 0)
    sides = zip(batch.targets.shape[1:], batch.images.shape[2:], strict=True)
    assert all(wide == side + 10 for wide, side in sides)
    assert np.isfinite(learner.step(learner.source.make(0), 1e-3))


def test_a_step_minimizes_the_loss_that_knows_the_surroundings():
    learner = learner_of(BOUNDARY)
    batch = augmented(learner, 0)
    plan = plan_of(BOUNDARY)[0]
    network = build_network(
        plan.network, in_channels=1, n_classes=2, seed=plan.config.training.seed
    ).train()
    config = BoundaryCrossEntropyConfig(border_sigma=2.5)
    loss = SegmentationLoss(config, n_classes=2)
    logits = network(batch.images).detach()
    expected = float(loss(logits, batch.targets))
    without = float(loss(logits, batch.targets[:, 5:-5, 5:-5]))
    assert abs(without - expected) > 1e-4
    assert learner.step(learner.source.make(0), 1e-3) == pytest.approx(expected)


def test_the_weights_of_a_patch_know_the_objects_around_it():
    target = np.zeros((24, 24), np.uint8)
    target[8:16, 2:6] = target[8:16, 8:14] = 1
    seen = torch.from_numpy(target[None])
    logits = torch.randn(1, 2, 14, 14, generator=torch.Generator().manual_seed(0))
    config = BoundaryCrossEntropyConfig(border_sigma=2.5)
    loss = SegmentationLoss(config, n_classes=2)(logits, seen)
    inner = seen[:, 5:-5, 5:-5].long()
    weights = boundary_weights(target, sigma=2.5)[5:-5, 5:-5]
    entropy = torch.nn.functional.cross_entropy(logits, inner, reduction="none")
    torch.testing.assert_close(loss, (entropy * torch.from_numpy(weights)).mean())


@pytest.mark.parametrize("name", ["dice", "cross-entropy", "dice-cross-entropy"])
def test_other_losses_do_not_look_beyond_the_logits(name):
    learner = learner_of({"name": name})
    assert augmented(learner, 0).targets.shape[1:] == (48, 48)
