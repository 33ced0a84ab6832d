"""The model of a cross-validation, and the decision that is chosen for it."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.training.cross_validations import LENGTH, StopInFold, cross_validate
from tests.training.running import Recorder, StopWhileChoosing
from tests.training.tasks import SKEWED, disks, make_config, make_dataset

from napari_segtrain import load_model, predict
from napari_segtrain.errors import ConfigError
from napari_segtrain.training import held_out, joining
from napari_segtrain.training.decision_scores import mean_iou
from napari_segtrain.training.events import (
    DecisionTuned,
    Noticed,
    Planned,
    TuningDecision,
)
from napari_segtrain.training.held_out import HeldOutPredictor
from napari_segtrain.training.joining import iter_joining
from napari_segtrain.training.plan import TrainingPlan
from napari_segtrain.training.run_folder import LATEST, RunFolder
from napari_segtrain.training.snapshot import read_snapshot
from napari_segtrain.workflows.library import read_run_info
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_resumed_run, iter_training_run


def out_of_fold_counts(path: Path, plan: TrainingPlan) -> np.ndarray:
    """True by predicted class, of each image by the model that has not seen it."""
    counts = np.zeros((2, 2), np.int64)
    for number, split in enumerate(plan.facts.folds, start=1):
        for region in split.validation:
            image, truth = disks((96, 96), region.pair)
            found = predict(path / f"folds/{number}", image, device="cpu").labels.array
            np.add.at(counts, (truth, found), 1)
    return counts


@pytest.mark.slow
def test_a_decision_is_chosen_on_what_each_fold_has_not_seen(tmp_path: Path) -> None:
    path, recorder = tmp_path / "run", Recorder()
    result = cross_validate(path, recorder, loss=SKEWED)
    (event,) = recorder.of(DecisionTuned)
    assert load_model(path).spec.decision == event.decision == result.decision
    (planned,) = recorder.of(Planned)
    counts = out_of_fold_counts(path, planned.plan)
    assert counts.sum() == 6 * 96 * 96
    decision = event.decision
    assert decision.plain_score == pytest.approx(mean_iou(counts, [1]), abs=1e-3)
    assert decision.score > decision.plain_score + 0.02
    assert decision.thresholds[1] > 0.5
    for number in (1, 2, 3):
        assert load_model(path / f"folds/{number}").spec.decision is None
    image, truth = disks((96, 96), 60)
    scores = []
    for kind in ("tuned", "argmax"):
        found = predict(path, image, device="cpu", decision=kind).labels.array
        scores.append((found & truth).sum() / (found | truth).sum())
    assert scores[0] > scores[1]


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 3])
def test_a_resumed_run_chooses_the_same_decision(tmp_path: Path, number: int) -> None:
    whole = cross_validate(tmp_path / "whole", loss=SKEWED)
    cross_validate(tmp_path / "run", StopInFold(number), loss=SKEWED)
    assert load_model(tmp_path / "run").spec.decision is None
    resumed = run(iter_resumed_run(tmp_path / "run"))
    assert resumed.decision == whole.decision is not None


def test_folds_choose_no_decision_when_it_is_off(tmp_path: Path) -> None:
    recorder = Recorder()
    result = cross_validate(
        tmp_path / "run", recorder, k=2, loss=SKEWED, tune_decision=False
    )
    assert result.decision is None
    assert not recorder.of(DecisionTuned)


@pytest.mark.slow
def test_all_folds_together_predict_what_one_run_affords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def counted(self: HeldOutPredictor, *args: Any) -> Generator[Any, None, Any]:
        sizes.append(self.n_voxels)
        return predicted(self, *args)

    predicted = HeldOutPredictor.predict
    monkeypatch.setattr(HeldOutPredictor, "predict", counted)
    monkeypatch.setattr(held_out, "_MAX_VOXELS", {True: 9000})
    cross_validate(tmp_path / "run", loss=SKEWED)
    assert len(sizes) == 3
    assert 0.8 * 9000 < sum(sizes) <= 9000


@pytest.mark.slow
def test_a_model_of_folds_is_there_when_memory_runs_out_in_its_last_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_args: object) -> None:
        raise MemoryError

    monkeypatch.setattr(HeldOutPredictor, "predict", never)
    recorder = Recorder()
    result = cross_validate(tmp_path / "run", recorder, k=2, loss=SKEWED)
    assert result.is_complete
    assert load_model(tmp_path / "run").spec.n_members == 2
    (notice,) = recorder.of(Noticed)
    assert "has no thresholds of its own" in notice.finding.text
    assert len(RunFolder.open(tmp_path / "run").read_notices()) == 1


@pytest.mark.slow
def test_a_fold_that_moved_to_the_processor_predicts_there(tmp_path: Path) -> None:
    path, recorder = tmp_path / "run", Recorder()
    cross_validate(path, recorder, k=2, loss=SKEWED)
    (planned,) = recorder.of(Planned)
    machine = replace(planned.plan.machine, device="cuda")
    plan, folder = replace(planned.plan, machine=machine), RunFolder.open(path)
    frozen = read_snapshot(folder.snapshot_path)
    for fold in folder.finished_folds().values():
        checkpoint = fold.load(LATEST)
        footprint = replace(checkpoint.progress.footprint, leaves_gpu=True)
        progress = replace(checkpoint.progress, footprint=footprint)
        fold.save(LATEST, replace(checkpoint, progress=progress))
    shutil.rmtree(folder.model_path)
    assert run(iter_joining(plan, frozen, folder)).decision is not None


def test_an_error_while_choosing_leaves_a_model_and_a_run_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_args: object) -> None:
        raise OSError("the image cannot be read")

    path = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(HeldOutPredictor, "predict", never)
        with pytest.raises(OSError, match="cannot be read"):
            cross_validate(path, k=2, loss=SKEWED)
    spec = load_model(path).spec
    assert (spec.n_members, spec.decision) == (2, None)
    assert read_run_info(path).state == "can be resumed"
    result = run(iter_resumed_run(path))
    assert load_model(path).spec.decision == result.decision is not None
    assert read_run_info(path).state == "complete"
    with pytest.raises(ConfigError, match="came to its end"):
        run(iter_resumed_run(path))


def test_a_run_that_is_closed_while_choosing_leaves_a_model(tmp_path: Path) -> None:
    config = make_config(
        validation={"kind": "k-fold", "k": 2}, training=LENGTH, loss=SKEWED
    )
    work = iter_training_run(make_dataset(6), config, tmp_path / "run")
    assert any(isinstance(event, TuningDecision) for event in work)
    work.close()
    assert load_model(tmp_path / "run").spec.n_members == 2


def test_a_stop_while_choosing_keeps_the_model(tmp_path: Path) -> None:
    recorder = StopWhileChoosing()
    result = cross_validate(tmp_path / "run", recorder, k=2, loss=SKEWED)
    assert result.is_complete
    assert result.decision is None
    assert load_model(tmp_path / "run").spec.n_members == 2
    assert len(recorder.of(TuningDecision)) == 1
    (notice,) = recorder.of(Noticed)
    assert "was stopped at its end" in notice.finding.text
    assert read_run_info(tmp_path / "run").state == "complete"


def test_a_time_that_is_too_short_to_choose_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "tuning_seconds", lambda *_args: -1.0)
    recorder = Recorder()
    result = cross_validate(tmp_path / "run", recorder, k=2, loss=SKEWED)
    assert result.is_complete
    assert not recorder.of(TuningDecision)
    (notice,) = recorder.of(Noticed)
    assert "time did not suffice" in notice.finding.text
    assert len(RunFolder.open(tmp_path / "run").read_notices()) == 1


def test_the_way_to_a_decision_is_told(tmp_path: Path) -> None:
    recorder = Recorder()
    cross_validate(tmp_path / "run", recorder, k=2, loss=SKEWED)
    told = recorder.of(TuningDecision)
    for task in ("predicting", "choosing"):
        shares = [event.share for event in told if event.task == task]
        assert shares == sorted(shares)
        assert shares[-1] <= 1
    n_predicted = sum(event.task == "predicting" for event in told)
    assert n_predicted >= 6
    assert told[n_predicted - 1].share == pytest.approx(1)
