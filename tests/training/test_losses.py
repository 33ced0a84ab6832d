"""Each loss against its definition, voxel by voxel, in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.losses import DiceCELoss, DiceLoss
from tests.training.tasks import make_config, make_dataset
from torch.nn import functional

from napari_segtrain.config import parse_experiment
from napari_segtrain.data.facts import gather_facts
from napari_segtrain.image import IGNORE_INDEX
from napari_segtrain.training.boundary_weights import boundary_weights
from napari_segtrain.training.learner import Learner
from napari_segtrain.training.losses import SegmentationLoss
from napari_segtrain.training.machine import Machine
from napari_segtrain.training.plan import resolve

NAMES = [
    "dice-cross-entropy",
    "cross-entropy",
    "dice",
    "generalized-dice",
    "focal",
    "tversky",
    "boundary-cross-entropy",
]
OVERLAP = ["dice-cross-entropy", "dice", "generalized-dice", "tversky"]
SHAPES = [(2, 3, 16, 14), (2, 3, 6, 9, 8)]
WEIGHTS = [0.5, 2.0, 0.5]


def loss_of(name=None, weights=None, **settings):
    values = settings if name is None else {"name": name, **settings}
    if name in {None, "dice-cross-entropy"}:
        values = {"exclude_background": False, **values}
    config = parse_experiment({"loss": values}, source="the test").loss
    return SegmentationLoss(config, n_classes=3, class_weights=weights)


def make_batch(shape=SHAPES[0], *, unlabelled=0.0):
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=shape).astype(np.float32))
    targets = rng.integers(0, 3, (shape[0], *shape[2:])).astype(np.uint8)
    targets[rng.random(targets.shape) < unlabelled] = IGNORE_INDEX
    return logits.requires_grad_(), torch.from_numpy(targets)


def labelled_voxels(logits, targets):
    """Of each patch: probabilities (voxels, K) and truth (voxels,) where labelled."""
    patches = []
    for scores, truth in zip(logits.detach().numpy(), targets.numpy(), strict=True):
        kept = truth != IGNORE_INDEX
        powers = np.exp(scores[:, kept].T.astype(float))
        patches.append((powers / powers.sum(1, keepdims=True), truth[kept]))
    return patches


def all_voxels(logits, targets):
    patches = labelled_voxels(logits, targets)
    return tuple(np.concatenate(parts) for parts in zip(*patches, strict=True))


def mean_entropy(logits, targets, weights, factor=lambda *_: 1.0):
    p, y = all_voxels(logits, targets)
    terms = [
        weights[k] * factor(p[i, k], k) * -np.log(p[i, k]) for i, k in enumerate(y)
    ]
    return sum(terms) / sum(weights[k] for k in y)


def mean_overlap(logits, targets, weights, first, loss):
    p, y = all_voxels(logits, targets)
    classes = range(first, p.shape[1])
    total = sum(weights[k] * loss(p[:, k], y == k) for k in classes)
    return total / sum(weights[k] for k in classes)


def dice_term(p, t):
    return 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)


def tversky_term(p, t, alpha=0.3, beta=0.7):
    shared = (p * t).sum()
    wrong = alpha * (p * ~t).sum() + beta * ((1 - p) * t).sum()
    return 1 - (shared + 1) / (shared + wrong + 1)


def generalized_dice(logits, targets, weights, first):
    losses = []
    for p, y in labelled_voxels(logits, targets):
        above = below = 0.0
        for k in range(first, p.shape[1]):
            t = (y == k).astype(float)
            w = 1 / t.sum() ** 2 if t.any() else 1e-8
            w *= weights[k] / np.mean(weights[first:])
            above += w * (p[:, k] * t).sum()
            below += w * (p[:, k] ** 2 + t**2).sum()
        losses.append(1 - 2 * above / (below + 1e-8))
    return np.mean(losses)


def boundary_entropy(logits, targets, weights):
    border = np.concatenate(
        [boundary_weights(t)[t != IGNORE_INDEX] for t in targets.numpy()]
    )
    p, y = all_voxels(logits, targets)
    terms = [weights[k] * border[i] * -np.log(p[i, k]) for i, k in enumerate(y)]
    return sum(terms) / sum(weights[k] for k in y)


def focal_factor(p, k, gamma=2.0, alpha=0.25):
    return (1 - alpha if k == 0 else alpha) * (1 - p) ** gamma


def by_definition(name, logits, targets, weights=(1.0, 1.0, 1.0), first=0):
    batch = (logits, targets, weights)
    return {
        "cross-entropy": lambda: mean_entropy(*batch),
        "dice": lambda: mean_overlap(*batch, first, dice_term),
        "dice-cross-entropy": lambda: (
            mean_entropy(*batch) + mean_overlap(*batch, first, dice_term)
        ),
        "generalized-dice": lambda: generalized_dice(*batch, first),
        "focal": lambda: mean_entropy(*batch, focal_factor),
        "tversky": lambda: mean_overlap(*batch, first, tversky_term),
        "boundary-cross-entropy": lambda: boundary_entropy(*batch),
    }[name]()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("name", NAMES)
def test_it_is_what_its_definition_says(name, weights, shape):
    logits, targets = make_batch(shape, unlabelled=0.3)
    loss = loss_of(name, weights)(logits, targets)
    expected = by_definition(name, logits, targets, weights or (1.0, 1.0, 1.0))
    assert float(loss.detach()) == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("name", OVERLAP)
def test_the_background_can_be_left_out(name, weights):
    logits, targets = make_batch(unlabelled=0.3)
    loss = loss_of(name, weights, exclude_background=True)(logits, targets)
    expected = by_definition(name, logits, targets, weights or (1.0, 1.0, 1.0), 1)
    assert float(loss.detach()) == pytest.approx(expected, rel=2e-5)
    assert loss != loss_of(name, weights)(logits, targets)


def test_a_class_that_is_absent_from_a_patch_has_deepmibs_weight():
    logits, targets = make_batch()
    targets[0] = 0
    targets[1][targets[1] == 1] = 2
    loss = loss_of("generalized-dice")(logits, targets)
    expected = by_definition("generalized-dice", logits, targets)
    assert float(loss.detach()) == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("focal", {"gamma": 0.5, "alpha": 0.9}, lambda b: mean_entropy(
            *b, (1, 1, 1), lambda p, k: focal_factor(p, k, 0.5, 0.9))),
        ("tversky", {"alpha": 0.9, "beta": 0.2}, lambda b: mean_overlap(
            *b, (1, 1, 1), 0, lambda p, t: tversky_term(p, t, 0.9, 0.2))),
        (None, {"dice_weight": 2, "cross_entropy_weight": 3}, lambda b: (
            2 * by_definition("dice", *b) + 3 * by_definition("cross-entropy", *b))),
    ],
)  # fmt: skip
def test_its_settings_are_those_of_the_definition(name, settings, expected):
    batch = make_batch(unlabelled=0.3)
    loss = loss_of(name, **settings)(*batch)
    assert float(loss.detach()) == pytest.approx(expected(batch), rel=2e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weights", [{}, {"dice_weight": 2.5}, {"dice_weight": 0}])
def test_the_default_is_to_the_bit_what_it_was_before_there_was_a_choice(
    shape, weights
):
    logits, targets = make_batch(shape, unlabelled=0.3)
    loss = loss_of(None, **weights)(logits, targets)
    (gradient,) = torch.autograd.grad(loss, logits)
    indices = targets.long()
    dice = DiceLoss(
        softmax=True,
        to_onehot_y=True,
        batch=True,
        ignore_index=IGNORE_INDEX,
        smooth_nr=1.0,
        smooth_dr=1.0,
    )(logits, indices.unsqueeze(1))
    entropy = functional.cross_entropy(
        logits, indices, ignore_index=IGNORE_INDEX, reduction="sum"
    )
    n_labelled = (indices != IGNORE_INDEX).sum().clamp(min=1)
    before = 1.0 * entropy / n_labelled + weights.get("dice_weight", 1.0) * dice
    (gradient_before,) = torch.autograd.grad(before, logits)
    assert loss == before
    assert torch.equal(gradient, gradient_before)


def test_the_default_is_monais_dice_plus_cross_entropy():
    logits, targets = make_batch()
    expected = DiceCELoss(
        softmax=True, to_onehot_y=True, batch=True, smooth_nr=1.0, smooth_dr=1.0
    )(logits, targets.long().unsqueeze(1))
    torch.testing.assert_close(loss_of()(logits, targets), expected)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("name", NAMES)
def test_unlabelled_voxels_count_as_if_cut_away(name, weights):
    logits, targets = make_batch()
    loss = loss_of(name, weights)
    cropped = loss(logits[..., :10], targets[..., :10])
    targets[..., 10:] = IGNORE_INDEX
    whole = loss(logits, targets)
    torch.testing.assert_close(whole, cropped)
    whole.backward()
    assert (logits.grad[..., 10:] == 0).all()
    assert (logits.grad[..., :10] != 0).any()


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("name", NAMES)
def test_a_batch_without_labels_changes_nothing(name, weights):
    logits, targets = make_batch()
    loss = loss_of(name, weights)(logits, torch.full_like(targets, IGNORE_INDEX))
    loss.backward()
    assert float(loss.detach()) == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_of_classes_that_weigh_nothing_changes_nothing(name):
    logits, targets = make_batch()
    loss = loss_of(name, [0.0, 1.5, 1.5])(logits, torch.zeros_like(targets))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", NAMES)
def test_certainty_has_a_finite_gradient(name):
    _, targets = make_batch()
    sure = (functional.one_hot(targets.long(), 3).movedim(-1, 1) * 200.0).roll(1, 0)
    sure.requires_grad_()
    loss = loss_of(name, **({"gamma": 0.5} if name == "focal" else {}))(sure, targets)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(sure.grad).all()


def test_validation_sees_the_borders_that_training_sees():
    logits, targets = make_batch(unlabelled=0.3)
    loss = loss_of("boundary-cross-entropy")
    trained = loss(logits, targets).detach()
    with torch.inference_mode():
        assert loss(logits, targets) == trained
        assert loss(logits, targets) == trained
        assert loss(logits, targets.flip(-1)) != trained


@pytest.mark.parametrize("name", NAMES)
def test_it_falls_while_training(name):
    config = make_config(loss={"name": name}, training={"n_threads": 1})
    dataset = make_dataset()
    plan = resolve(
        config, gather_facts(dataset, config), Machine("cpu", "CPU", 8 << 30)
    )
    learner = Learner(plan, dataset)
    losses = [learner.step(learner.source.make(i), 3e-3) for i in range(60)]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:5])
