"""What is chosen on the held-out data, and when nothing is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.running import Recorder, StopWhileChoosing, train
from tests.training.tasks import SKEWED, make_config, make_dataset

from napari_segtrain import load_model
from napari_segtrain.control import RunControl
from napari_segtrain.data.facts import gather_facts
from napari_segtrain.models import Decision, decision_words
from napari_segtrain.training import held_out
from napari_segtrain.training.clock import Deadline
from napari_segtrain.training.decision_scores import (
    count_blocks,
    gain_of,
    mean_iou,
    smooth_best,
)
from napari_segtrain.training.events import DecisionTuned, Noticed, TuningDecision
from napari_segtrain.training.held_out import HeldOut, HeldOutPredictor, tuning_boxes
from napari_segtrain.training.machine import find_machine
from napari_segtrain.training.pacing import Pacer
from napari_segtrain.training.plan import resolve
from napari_segtrain.training.thresholds import find_thresholds
from napari_segtrain.training.tuning import DecisionTuner, choose_decision
from napari_segtrain.workflows.running import run

SHORT = {"length": {"kind": "iterations", "iterations": 40}}


def voxels(n: int = 20_000, *, bias: float = 0.0, seed: int = 0):
    """Probabilities (3, N) that are off by a factor, and classes drawn from them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (3, n))
    fair = np.exp(logits) / np.exp(logits).sum(0)
    truth = (rng.random(n) > fair.cumsum(0)).sum(0).astype(np.uint8)
    logits[1] += bias
    shown = np.exp(logits) / np.exp(logits).sum(0)
    return shown.astype(np.float32), truth


def test_thresholds_make_good_for_a_class_that_is_found_too_often() -> None:
    fair = find_thresholds(*voxels(), [1, 2])
    found = find_thresholds(*voxels(bias=2.0), [1, 2])
    assert sum(found) == pytest.approx(1)
    log_ratios = np.log(np.array(found) / fair)
    assert log_ratios[1] - log_ratios[0] == pytest.approx(2.0, abs=0.4)
    assert log_ratios[2] - log_ratios[0] == pytest.approx(0.0, abs=0.4)


def test_thresholds_reach_the_best_score_of_two_classes() -> None:
    shown, truth = voxels()
    two, known = shown[:2] / shown[:2].sum(0), truth < 2
    two, truth = two[:, known], truth[known]

    def score(threshold: float) -> float:
        predicted = (two[1] > threshold).astype(np.uint8)
        blocks = np.zeros(len(truth), int)
        counts = count_blocks(truth, predicted, blocks, n_blocks=1, n_classes=2)
        return float(mean_iou(counts, [1])[0])

    best = max(score(t) for t in np.linspace(0.1, 0.9, 81))
    assert score(find_thresholds(two, truth, [1])[1]) > best - 0.002


def test_a_lone_spike_is_not_the_best() -> None:
    curve = np.array([0.1, 0.2, 0.9, 0.2, 0.1, 0.5, 0.6, 0.7, 0.6, 0.5])
    assert smooth_best(curve, 1) == 7


def blockwise(n_right: list[int], n: int = 100) -> np.ndarray:
    """Counts of blocks of foreground, some of it found."""
    counts = np.zeros((len(n_right), 2, 2), np.int64)
    counts[:, 1, 1] = n_right
    counts[:, 1, 0] = n - np.array(n_right)
    return counts


@pytest.mark.parametrize(
    ("before", "after", "is_clear"),
    [
        ([50, 50, 50, 50], [52, 53, 52, 51], True),
        ([50, 50, 50, 50], [58, 50, 50, 50], False),
        ([50, 50, 50, 50], [50, 50, 50, 50], False),
        ([50, 50], [90, 90], False),
    ],
)
def test_a_gain_is_clear_when_it_is_one_everywhere(before, after, is_clear) -> None:
    assert gain_of(blockwise(before), blockwise(after), [1]).is_clear == is_clear


@pytest.mark.parametrize(("n_more", "is_clear"), [(3, False), (7, True)])
def test_a_small_gain_is_no_clear_one_even_if_it_is_one_everywhere(
    n_more: int, is_clear: bool
) -> None:
    before, after = blockwise([500] * 8, 1000), blockwise([500 + n_more] * 8, 1000)
    gain = gain_of(before, after, [1])
    assert gain.value == pytest.approx(n_more / 1000)
    assert gain.is_clear == is_clear


def missed_everywhere(one_in: int) -> HeldOut:
    """A box of stripes, of whose voxels a few are just missed in every block."""
    truth = np.zeros((1, 200, 200), np.uint8)
    truth[:, np.arange(200) // 10 % 2 == 0] = 1
    foreground = np.where(truth == 1, 0.9, 0.05).astype(np.float32)
    places = np.flatnonzero(truth)[::one_in]
    foreground.reshape(-1)[places] = 0.45
    return HeldOut(np.stack([1 - foreground, foreground]), truth)


def test_no_rule_is_made_for_a_small_gain() -> None:
    config, dataset = make_config(), make_dataset()
    plan = resolve(config, gather_facts(dataset, config), find_machine("cpu"))
    assert run(choose_decision(plan, [missed_everywhere(1000 // 3)])) is None
    decision = run(choose_decision(plan, [missed_everywhere(1000 // 7)]))
    assert decision.score - decision.plain_score == pytest.approx(0.007, abs=5e-4)


def test_what_was_found_before_a_stop_is_taken() -> None:
    config, dataset = make_config(), make_dataset()
    plan = resolve(config, gather_facts(dataset, config), find_machine("cpu"))
    control, told = RunControl(), []

    def stop_at_second(event: TuningDecision) -> None:
        told.append(event)
        if len(told) == 2:
            control.stop()

    work = choose_decision(plan, [missed_everywhere(20)], Deadline(None, control))
    decision = run(work, stop_at_second)
    assert decision.thresholds[1] < 0.45
    assert decision.window == (1, 1, 1)


def test_unlabelled_voxels_and_absent_classes_count_nowhere() -> None:
    truth = np.array([0, 1, 255, 1], np.uint8)
    predicted = np.array([0, 1, 1, 0], np.uint8)
    blocks = np.array([0, 0, 0, 1])
    counts = count_blocks(truth, predicted, blocks, n_blocks=2, n_classes=3)
    assert counts.sum() == 3
    assert mean_iou(counts.sum(0), [1, 2]) == pytest.approx(0.5)


def test_a_training_stores_what_raises_the_score(run_dir: Path) -> None:
    recorder = Recorder()
    config = make_config(loss=SKEWED, training=SHORT)
    result = train(make_dataset(), config, run_dir, recorder)
    model = load_model(run_dir)
    (event,) = recorder.of(DecisionTuned)
    assert model.spec.decision == event.decision == result.decision
    decision = model.spec.decision
    assert decision.score > decision.plain_score + 0.02
    assert decision.thresholds[1] > 0.5
    assert sum(decision.thresholds) == pytest.approx(1)


def test_a_stop_while_choosing_leaves_the_model_without_a_decision(
    run_dir: Path,
) -> None:
    recorder = StopWhileChoosing()
    config = make_config(loss=SKEWED, training=SHORT)
    result = train(make_dataset(), config, run_dir, recorder)
    assert result.is_complete
    assert load_model(run_dir).spec.decision is result.decision is None
    assert len(recorder.of(TuningDecision)) == 1
    (notice,) = recorder.of(Noticed)
    assert "was stopped at its end" in notice.finding.text


def test_a_time_that_is_too_short_to_choose_is_told(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pacer, "tuning_limit", property(lambda _self: -1.0))
    recorder = Recorder()
    config = make_config(loss=SKEWED, training=SHORT)
    result = train(make_dataset(), config, run_dir, recorder)
    assert result.is_complete
    assert load_model(run_dir).spec.decision is None
    (notice,) = recorder.of(Noticed)
    assert "time did not suffice" in notice.finding.text


@pytest.mark.slow
def test_the_same_seed_gives_the_same_decision(tmp_path: Path) -> None:
    config = make_config(loss=SKEWED, training=SHORT)
    results = [train(make_dataset(), config, tmp_path / name) for name in "ab"]
    assert results[0].decision == results[1].decision


@pytest.mark.slow
@pytest.mark.parametrize(
    "sections",
    [
        {"training": {**SHORT, "tune_decision": False}},
        {"training": SHORT, "validation": {"kind": "none"}},
        {"training": SHORT, "data": {"target": "instances"}},
    ],
)
def test_nothing_is_chosen_when_it_is_off_or_there_is_nothing_to_choose_on(
    run_dir: Path, sections
) -> None:
    recorder = Recorder()
    config = make_config(loss=SKEWED, **sections)
    result = train(make_dataset(), config, run_dir, recorder)
    assert result.decision is None
    assert load_model(run_dir).spec.decision is None
    assert not recorder.of(DecisionTuned)


def test_boxes_are_held_out_and_not_more_than_the_limit() -> None:
    config = make_config(validation={"kind": "by-hand", "names": ["disks 1"]})
    dataset = make_dataset()
    plan = resolve(config, gather_facts(dataset, config), find_machine("cpu"))
    (box,) = tuning_boxes(plan, 3000)
    assert box.pair == 1
    assert 2500 < box.n_voxels <= 3000
    assert box.start[1] == 96 - box.stop[1]


def test_a_run_that_moves_to_the_processor_predicts_less(monkeypatch) -> None:
    monkeypatch.setattr(held_out, "_MAX_VOXELS", {True: 3000, False: 6000})
    config, dataset = make_config(), make_dataset()
    machine = replace(find_machine("cpu"), device="cuda")
    plan = resolve(config, gather_facts(dataset, config), machine)
    tuner = DecisionTuner(plan, HeldOutPredictor(plan, (), (), ()))
    assert tuner.n_voxels > 3000
    tuner.move(torch.device("cpu"))
    assert 0 < tuner.n_voxels <= 3000


def test_a_decision_is_told_in_words() -> None:
    decision = Decision((0.4, 0.6), (1, 5, 5), (0, 64), score=0.7, plain_score=0.69)
    assert decision_words(decision, ("background", "axon")) == (
        "threshold axon 0.60; median of 5 × 5 voxels; smallest part in voxels: axon "
        "64 (IoU 0.690 → 0.700 on the held-out part)"
    )
