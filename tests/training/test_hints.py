"""Each hint from histories where it holds and where it does not; one from a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.running import Recorder, train
from tests.training.tasks import make_config, make_dataset

from napari_segtrain.config.objects import BoundariesTarget
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.object_recipe import ObjectRecipe
from napari_segtrain.image import IGNORE_INDEX
from napari_segtrain.training import learner
from napari_segtrain.training.events import Noticed
from napari_segtrain.training.hints import (
    ClassCounter,
    Hints,
    Trace,
    find_high_rate,
    find_overfitting,
    find_rare_class,
    find_waiting,
)
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_resumed_run


def traces(
    losses, scores=None, shares=None, iou=None, seconds=60.0, held_out=None
) -> list[Trace]:
    scores = scores or [None] * len(losses)
    shares = shares or [0.0] * len(losses)
    held_out = held_out or [None] * len(losses)
    rows = zip(losses, scores, shares, held_out, strict=True)
    return [
        Trace(loss, score, iou or {}, share, seconds, validation_loss)
        for loss, score, share, validation_loss in rows
    ]


FALLING = [1.0, 0.5, 0.4, 0.3, 0.2]


@pytest.mark.parametrize(
    ("losses", "scores", "is_seen"),
    [
        (FALLING, [0.5, 0.8, 0.76, 0.75, 0.74], True),
        (FALLING, [0.5, 0.8, 0.79, 0.79, 0.79], False),  # within the noise
        (FALLING, [0.5, 0.6, 0.8, 0.75, 0.74], False),  # too early to tell
        ([1.0, 0.5, 0.6, 0.5, 0.6], [0.5, 0.8, 0.7, 0.7, 0.7], False),  # no gain
        (FALLING, None, False),
        ([], None, False),
    ],
)
def test_overfitting(losses, scores, is_seen) -> None:
    finding = find_overfitting(traces(losses, scores))
    assert (finding is not None) == is_seen
    if finding:
        assert "fell from 0.80 to 0.75" in finding.text


@pytest.mark.parametrize(
    ("held_out", "is_seen"),
    [([1.0, 0.5, 0.6, 0.7, 0.8], True), ([1.0, 0.5, 0.4, 0.4, 0.4], False)],
)
def test_scores_that_fall_while_the_validation_loss_falls_are_no_overfitting(
    held_out, is_seen
) -> None:
    found = traces(FALLING, [0.5, 0.8, 0.76, 0.75, 0.74], held_out=held_out)
    assert (find_overfitting(found) is not None) == is_seen


@pytest.mark.parametrize(
    ("losses", "is_seen"),
    [
        ([1.0, 0.8, 1.2, 0.9, 1.3], True),  # up and down
        ([1.0, 1.2, 1.5], True),  # up
        ([1.0, 0.3, 0.2, 0.1, 0.1], False),
        ([1.0, 0.10, 0.15, 0.10, 0.15], False),  # small beside the first
        ([1.0, 1.2, 0.8, 0.7, 0.6, 0.8], False),  # long ago
    ],
)
def test_a_high_learning_rate(losses, is_seen) -> None:
    assert (find_high_rate(traces(losses), "muon") is not None) == is_seen


@pytest.mark.parametrize(
    ("shares", "is_seen"),
    [([0.5, 0.1, 0.4, 0.5], True), ([0.9, 0.1], False), ([0.5], False)],
)
def test_waiting_for_data(shares, is_seen) -> None:
    found = find_waiting(traces([1.0] * len(shares), shares=shares))
    assert (found is not None) == is_seen
    if found:
        assert "50%" in found.text
    assert find_waiting(traces([1.0] * len(shares), shares=shares, seconds=5)) is None


@pytest.mark.parametrize(
    ("share", "iou", "n_epochs", "is_seen"),
    [
        (0.0005, {"synapse": 0.1}, 2, True),
        (0.0005, {"synapse": None}, 2, True),
        (0.0005, {}, 2, True),
        (0.0005, {"synapse": 0.5}, 2, False),  # learned all the same
        (0.0005, {"synapse": 0.1}, 1, False),  # too early
        (0.01, {"synapse": 0.1}, 2, False),
    ],
)
def test_a_rare_class(share, iou, n_epochs, is_seen) -> None:
    shares = {"background": 1 - share, "synapse": share}
    found = find_rare_class(traces([1.0] * n_epochs, iou=iou), shares)
    assert (found is not None) == is_seen
    if found:
        assert "'synapse' (0.05%)" in found.text
        assert "background" not in found.text


def test_classes_are_counted_in_the_first_batches() -> None:
    counter = ClassCounter(["background", "nucleus"])
    batch = np.full((2, 8, 8), IGNORE_INDEX, np.uint8)
    batch[0] = 0
    batch[0, 0, :4] = 1
    for _ in range(50):
        assert counter.shares() == {}
        counter.add(torch.from_numpy(batch))
    counter.add(torch.ones(2, 8, 8, dtype=torch.uint8))
    assert counter.shares() == {"background": 60 / 64, "nucleus": 4 / 64}


def test_all_parts_of_an_object_count_for_its_class() -> None:
    counter = ClassCounter(["background", "nucleus"], ObjectRecipe(BoundariesTarget()))
    parts = torch.tensor([0, 0, 1, 2, 2, 2, 3, IGNORE_INDEX], dtype=torch.uint8)
    for _ in range(50):
        counter.add(parts)
    assert counter.shares() == {"background": 2 / 7, "nucleus": 5 / 7}


def test_each_hint_is_given_once() -> None:
    hints = Hints(["background", "nucleus"])
    row = {"training_loss": 1.0, "data_share": 0.5, "seconds": 60.0}
    kinds = [kind for _ in range(5) for kind, _ in hints.after_epoch(row)]
    assert kinds == ["waiting"]
    resumed = Hints(["background", "nucleus"])
    resumed.go_on_from([row] * 5, [{"kind": "waiting"}])
    assert list(resumed.after_epoch(row)) == []


@pytest.mark.slow
def test_a_run_says_that_its_rate_is_too_high(
    dataset: Dataset, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loss up and down; said once, kept in the run folder, and not again."""
    real_step = learner.train_step
    steps = iter(range(1000))

    def unsteady(*args, **settings):
        return real_step(*args, **settings) + 2 * (next(steps) // 3 % 2)

    monkeypatch.setattr(learner, "train_step", unsteady)
    length = {"kind": "iterations", "iterations": 60}
    training = {"length": length, "iterations_per_epoch": 3}
    recorder = Recorder(stop_at=20)
    train(dataset, make_config(training=training), run_dir, recorder)
    kinds = [event.kind for event in recorder.of(Noticed)]
    assert kinds.count("learning-rate") == 1
    lines = (run_dir / "notices.jsonl").read_text().splitlines()
    row = next(r for r in map(json.loads, lines) if r["kind"] == "learning-rate")
    assert row["iteration"] == 12
    assert "does not settle" in row["text"]
    again = Recorder()
    run(iter_resumed_run(run_dir), again)
    assert "learning-rate" not in [event.kind for event in again.of(Noticed)]


@pytest.mark.slow
def test_a_run_says_that_a_class_is_rare(run_dir: Path) -> None:
    dataset = make_dataset(5, (128, 128))
    for sample in dataset.samples:
        labels = sample.labels.array
        labels[:] = labels > 0
        labels[60, 60:62] = 2
    config = make_config(
        sampling={"foreground_share": 0.0},
        training={
            "length": {"kind": "iterations", "iterations": 56},
            "iterations_per_epoch": 28,
        },
    )
    recorder = Recorder()
    train(dataset, config, run_dir, recorder)
    found = [e.finding.text for e in recorder.of(Noticed) if e.kind == "rare-class"]
    assert len(found) == 1
