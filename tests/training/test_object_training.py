"""Training on ids of objects that touch: what is learned, kept and predicted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.objects.touching import f1, touching_balls
from tests.training.tasks import make_config, make_dataset

from napari_segtrain import load_model, predict
from napari_segtrain.control import RunControl
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.files import make_sample
from napari_segtrain.errors import ConfigError
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.training.checkpoint import load_checkpoint
from napari_segtrain.training.events import EpochEnd
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import (
    iter_resumed_run,
    iter_training_run,
    plan_training,
)

SHAPE = (1, 96, 96)
RADIUS = 9


def picture(ids, seed):
    """Objects that are bright in the middle and dark where they end or meet."""
    image = np.zeros(ids.shape)
    for number in range(1, ids.max() + 1):
        inside = ids == number
        if inside.any():
            grid = np.indices(ids.shape)
            center = grid[:, inside].mean(1)
            away = np.linalg.norm((grid.T - center).T, axis=0)
            image[inside] = 60 + 140 * (1 - away[inside] / (1.6 * RADIUS))
    noise = np.random.default_rng(seed).normal(20, 6, ids.shape)
    return (image + noise).clip(0, 255).astype(np.uint8)


def touching_dataset(n=4, *, keep=None):
    samples = []
    for seed in range(n):
        ids = touching_balls(SHAPE, radius=RADIUS, n=22, seed=seed)
        image = picture(ids, seed)
        if keep is not None:
            ids = np.where(np.isin(ids, keep), ids, 0)
        name = f"cells {seed}"
        samples.append(
            make_sample(Image(image[0], name=name), LabelImage(ids[0], name=name))
        )
    return Dataset(tuple(samples))


def config_of(target="boundaries", iterations=60, data=(), **sections):
    length = {"kind": "iterations", "iterations": iterations}
    return make_config(
        data={"target": "instances", **dict(data)},
        objects={"target": target},
        training={"length": length},
        **sections,
    )


@pytest.fixture(scope="module")
def unseen():
    ids = touching_balls(SHAPE, radius=RADIUS, n=22, seed=77)
    return ids[0], picture(ids, 77)[0]


def train(dataset, config, run_dir, listener=None, control=None):
    return run(iter_training_run(dataset, config, run_dir, control=control), listener)


def score(run_dir, unseen):
    ids, image = unseen
    found = predict(run_dir, image).labels
    assert found.array.dtype == np.uint32
    assert found.classes.is_objects
    return f1(ids, np.asarray(found.array))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "iterations"), [("boundaries", 60), ("distances", 140)]
)
def test_touching_objects_are_separated(
    target, iterations, unseen, run_dir: Path
) -> None:
    events: list[EpochEnd] = []
    train(touching_dataset(), config_of(target, iterations), run_dir, events.append)
    spec = load_model(run_dir).spec
    assert spec.objects.target.kind == target
    assert set(spec.scores) >= {"IoU", "IoU foreground", "object F1"}
    assert score(run_dir, unseen) > 0.9
    last = [event for event in events if isinstance(event, EpochEnd)][-1]
    assert list(last.iou) == ["background", "foreground"]
    assert last.score > 0.7


def test_pieces_of_foreground_stay_together(unseen, run_dir: Path) -> None:
    train(touching_dataset(), config_of("foreground"), run_dir)
    assert score(run_dir, unseen) < 0.6


def test_a_few_painted_objects_and_their_rings_suffice(unseen, run_dir: Path) -> None:
    dataset = touching_dataset(keep=(1, 4, 8, 15))
    config = config_of(data={"zero": "unlabelled"}, iterations=100)
    plan = plan_training(dataset, config)
    n_back, n_objects = plan.facts.class_voxels
    assert 0 < n_back < 6 * n_objects
    train(dataset, config, run_dir)
    ids, image = unseen
    found = predict(run_dir, image).labels
    assert found.classes.zero == "dense"
    assert f1(ids, np.asarray(found.array)) > 0.6


@pytest.mark.slow
def test_a_resumed_run_is_as_an_unbroken_one(run_dir: Path) -> None:
    dataset, config = touching_dataset(2), config_of("distances", 16)
    train(dataset, config, run_dir / "whole")
    control = RunControl()

    def stop(event):
        if isinstance(event, EpochEnd):
            control.stop()

    train(dataset, config, run_dir / "part", stop, control)
    run(iter_resumed_run(run_dir / "part"))
    first, second = (
        load_checkpoint(run_dir / name / "checkpoints/latest.safetensors")
        for name in ("whole", "part")
    )
    assert first.progress.iteration == second.progress.iteration == 16
    for name, tensor in first.average.items():
        torch.testing.assert_close(tensor, second.average[name], rtol=0, atol=0)


@pytest.mark.slow
def test_training_on_takes_over_what_has_the_same_parts(run_dir: Path) -> None:
    dataset = touching_dataset(2)
    train(dataset, config_of("boundaries", 2), run_dir / "base")
    model = load_model(run_dir / "base")
    plan = plan_training(dataset, config_of("boundaries"), model)
    assert plan.base.classes == (0, 1, 2, 3)
    config = config_of("distances", 2)
    assert plan_training(dataset, config, model).base.classes == (0, *[None] * 5)
    work = iter_training_run(dataset, config, run_dir / "on", continue_from=model)
    run(work)
    assert len(load_model(run_dir / "on").spec.output_names) == 6


class TestThePlan:
    def test_says_what_is_learned(self) -> None:
        plan = plan_training(touching_dataset(2), config_of("distances"))
        assert plan.info.n_classes == 6
        text = " ".join(finding.text for finding in plan.findings)
        assert "number objects" in text
        assert "how deep" in text

    def test_chooses_the_smallest_object_from_the_labels(self) -> None:
        dataset = touching_dataset(2)
        plan = plan_training(dataset, config_of())
        smallest, median, _ = plan.facts.object_voxels
        assert plan.objects.min_voxels == smallest // 4
        assert 100 < median < 300
        config = config_of()
        objects = config.objects.model_copy(update={"min_voxels": 7})
        plan = plan_training(dataset, config.model_copy(update={"objects": objects}))
        assert plan.objects.min_voxels == 7

    def test_warns_of_a_mask_that_numbers_nothing(self) -> None:
        plan = plan_training(make_dataset(2), config_of())
        assert plan.objects.min_voxels == 0
        (warning,) = [f for f in plan.findings if "several pieces" in f.text]
        assert warning.level == "warning"

    def test_warns_of_settings_without_effect(self) -> None:
        config = config_of("distances", data={"target": "semantic"})
        plan = plan_training(touching_dataset(2), config)
        assert plan.objects is None
        assert any("no effect" in finding.text for finding in plan.findings)

    def test_refuses_a_loss_that_looks_for_objects_itself(self) -> None:
        config = config_of(loss={"name": "boundary-cross-entropy"})
        with pytest.raises(ConfigError, match=r"objects\.target foreground"):
            plan_training(touching_dataset(2), config)

    def test_lets_parts_weigh_as_their_class(self) -> None:
        from napari_segtrain.training.losses import build_loss

        weights = {"class_weights": {"background": 1, "foreground": 3}}
        config = config_of(loss={"name": "cross-entropy", **weights})
        plan = plan_training(touching_dataset(2), config)
        loss = build_loss(plan)
        logits = torch.zeros(1, 4, 2, 2)
        logits[:, 0] = 2.0
        as_parts = [
            float(loss(logits, torch.full((1, 2, 2), part, dtype=torch.uint8)))
            for part in (1, 2, 3)
        ]
        assert as_parts[0] == as_parts[1] == as_parts[2]
        mixed = torch.tensor([[[0, 2], [0, 2]]], dtype=torch.uint8)
        plain = build_loss(
            replace(plan, config=config_of(loss={"name": "cross-entropy"}))
        )
        assert float(loss(logits, mixed)) > float(plain(logits, mixed))
