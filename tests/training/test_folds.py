"""A cross-validation as one run, and the model that averages its folds."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.running import Recorder
from tests.training.tasks import SKEWED, disks, make_config, make_dataset

from napari_segtrain import load_model, predict
from napari_segtrain.errors import ConfigError
from napari_segtrain.models import Model
from napari_segtrain.training import held_out
from napari_segtrain.training.decision_scores import mean_iou
from napari_segtrain.training.events import (
    DecisionTuned,
    EpochEnd,
    FoldBegun,
    Noticed,
    Planned,
    TrainingResult,
)
from napari_segtrain.training.held_out import HeldOut, HeldOutPredictor
from napari_segtrain.training.joining import iter_joining
from napari_segtrain.training.plan import TrainingPlan
from napari_segtrain.training.run_folder import LATEST, RunFolder
from napari_segtrain.training.snapshot import read_snapshot
from napari_segtrain.workflows.library import delete_run, read_run_info
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_resumed_run, iter_training_run

LENGTH = {"length": {"kind": "iterations", "iterations": 12}, "iterations_per_epoch": 6}


def cross_validate(
    path: Path,
    recorder: Recorder | None = None,
    *,
    k: int = 3,
    base: Model | None = None,
    loss: dict[str, Any] | None = None,
    **training: Any,
) -> TrainingResult:
    recorder = recorder or Recorder()
    config = make_config(
        validation={"kind": "k-fold", "k": k},
        training={**LENGTH, **training},
        loss=loss or {},
    )
    work = iter_training_run(
        make_dataset(6), config, path, control=recorder.control, continue_from=base
    )
    return run(work, recorder)


class StopInFold(Recorder):
    """Stops after some events of a fold."""

    def __init__(self, number: int, *, finish: bool = False) -> None:
        super().__init__()
        self.number, self.finishes, self.fold = number, finish, 0

    def __call__(self, event) -> None:
        super().__call__(event)
        if isinstance(event, FoldBegun):
            self.fold = event.number
        if self.fold == self.number and isinstance(event, EpochEnd):
            (self.control.finish if self.finishes else self.control.stop)()


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, TrainingResult, list]:
    path = tmp_path_factory.mktemp("folds") / "run"
    recorder = Recorder()
    result = cross_validate(path, recorder)
    return path, result, recorder.events


def test_a_run_trains_every_fold_and_tells_mean_and_spread(whole) -> None:
    path, result, events = whole
    begun = [event for event in events if isinstance(event, FoldBegun)]
    assert [(event.number, event.n_folds) for event in begun] == [
        (1, 3), (2, 3), (3, 3),
    ]  # fmt: skip
    members = [load_model(path / f"folds/{n}") for n in (1, 2, 3)]
    scores = [member.spec.scores["IoU"] for member in members]
    assert result.fold_scores == tuple(scores)
    assert result.score == pytest.approx(np.mean(scores))
    assert result.spread == pytest.approx(np.std(scores, ddof=1))
    spec = load_model(path).spec
    assert spec.n_members == 3
    assert spec.scores["IoU"] == pytest.approx(np.mean(scores))
    assert spec.scores["IoU spread"] == pytest.approx(np.std(scores, ddof=1))
    assert [row["IoU"] for row in spec.provenance["folds"]] == scores
    assert spec.provenance["config"]["validation"] == {"kind": "k-fold", "k": 3}
    held = [set(member.spec.provenance["validation"]) for member in members]
    assert held
    assert (path / "folds/1/curves.png").is_file()


def test_the_model_averages_the_probabilities_of_its_folds(whole, tmp_path) -> None:
    path, _, _ = whole
    image = disks((70, 90), 50)[0]
    settings = {"probabilities": "float32", "tile_size": (1, 64, 64), "device": "cpu"}
    found = predict(path, image, **settings).probabilities.array
    single = [
        predict(path / f"folds/{n}", image, **settings).probabilities.array
        for n in (1, 2, 3)
    ]
    np.testing.assert_allclose(found, np.mean(single, axis=0), atol=1e-5)
    info = read_run_info(path)
    assert info.state == "complete"
    model = load_model(path)
    assert model.info.n_parameters == 3 * load_model(path / "folds/1").info.n_parameters


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_stopped_run_can_be_used_and_ends_as_an_unbroken_one(
    whole, tmp_path: Path, number: int
) -> None:
    path = tmp_path / "run"
    result = cross_validate(path, StopInFold(number))
    assert not result.is_complete
    assert load_model(path).spec.n_members == max(1, number - 1)
    info = read_run_info(path)
    assert (info.state, info.has_model) == ("can be resumed", True)
    resumed = run(iter_resumed_run(path))
    assert resumed.is_complete
    state = load_model(path).network.state_dict()
    for name, value in load_model(whole[0]).network.state_dict().items():
        assert torch.equal(state[name], value), name
    assert resumed.fold_scores == whole[1].fold_scores
    with pytest.raises(ConfigError, match="came to its end"):
        run(iter_resumed_run(path))


@pytest.mark.parametrize("number", [1, 2])
def test_finish_now_makes_a_model_of_the_folds_so_far(
    tmp_path: Path, number: int
) -> None:
    path = tmp_path / "run"
    result = cross_validate(path, StopInFold(number, finish=True))
    assert result.is_complete
    assert len(result.fold_scores) == number
    assert load_model(path / "model").spec.n_members == number


def test_a_time_is_shared_by_the_folds(tmp_path: Path) -> None:
    recorder = Recorder()
    length = {"kind": "time-budget", "seconds": 6}
    result = cross_validate(
        tmp_path / "run", recorder, k=2, length=length, iterations_per_epoch="auto"
    )
    assert result.is_complete
    assert result.seconds < 6.5
    with pytest.raises(ConfigError, match="too short for 3 folds"):
        cross_validate(tmp_path / "b", length={"kind": "time-budget", "seconds": 2})


def test_folds_go_on_from_a_model_also_after_a_resumption(
    whole, tmp_path: Path
) -> None:
    base = load_model(whole[0])
    path = tmp_path / "run"
    cross_validate(path, StopInFold(1), base=base, k=2, learning_rate=1e-6)
    result = run(iter_resumed_run(path))
    assert "the one it began with" in result.verdict
    first = load_model(whole[0] / "folds/1").network.state_dict()
    for number in (1, 2):
        state = load_model(path / f"folds/{number}").network.state_dict()
        name = "encoders.0.0.weight"
        torch.testing.assert_close(state[name], first[name], atol=1e-3, rtol=0)


def test_a_cross_validation_is_deleted_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "run"
    cross_validate(path, k=2)
    delete_run(path)
    assert not path.exists()


def test_the_plan_says_what_folds_are(tmp_path: Path) -> None:
    recorder = Recorder()
    cross_validate(tmp_path / "run", recorder, k=2)
    plan = next(event.plan for event in recorder.events if isinstance(event, Planned))
    texts = [finding.text for finding in plan.findings]
    assert any("2 models are trained one after another" in text for text in texts)


def out_of_fold_counts(path: Path, plan: TrainingPlan) -> np.ndarray:
    """True by predicted class, of each image by the model that has not seen it."""
    counts = np.zeros((2, 2), np.int64)
    for number, split in enumerate(plan.facts.folds, start=1):
        for region in split.validation:
            image, truth = disks((96, 96), region.pair)
            found = predict(path / f"folds/{number}", image, device="cpu").labels.array
            np.add.at(counts, (truth, found), 1)
    return counts


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


def test_all_folds_together_predict_what_one_run_affords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def counted(self: HeldOutPredictor, model: Model) -> list[HeldOut]:
        sizes.append(self.n_voxels)
        return predicted(self, model)

    predicted = HeldOutPredictor.predict
    monkeypatch.setattr(HeldOutPredictor, "predict", counted)
    monkeypatch.setattr(held_out, "_MAX_VOXELS", {True: 9000})
    cross_validate(tmp_path / "run", loss=SKEWED)
    assert len(sizes) == 3
    assert 0.8 * 9000 < sum(sizes) <= 9000


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
