"""A cross-validation as one run, and the model that averages its folds."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.cross_validations import StopInFold, cross_validate
from tests.training.running import Recorder
from tests.training.tasks import disks

from napari_segtrain import load_model, predict
from napari_segtrain.errors import ConfigError
from napari_segtrain.training.events import (
    FoldBegun,
    Planned,
    TrainingResult,
)
from napari_segtrain.training.run_folder import RunFolder
from napari_segtrain.workflows.library import delete_run, read_run_info
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_resumed_run


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
    assert (path / "folds/1/curves.png").is_file()


def test_every_label_is_held_out_from_one_fold_and_trains_the_others(whole) -> None:
    path, _, _ = whole
    held, all_images = [], set(range(6))
    for number in (1, 2, 3):
        split = RunFolder.open(path / f"folds/{number}").read_plan().facts.split
        images = {region.pair for region in split.validation}
        assert sum(region.n_voxels for region in split.validation) == (
            len(images) * 96 * 96
        )
        assert {region.pair for region in split.training} == all_images - images
        held.append(images)
    assert sorted(n for images in held for n in images) == sorted(all_images)


def test_the_model_averages_the_probabilities_of_its_folds(whole, tmp_path) -> None:
    path, _, _ = whole
    image = disks((70, 90), 50)[0]
    # one halo for all: that of each model is measured by itself
    settings = {"tile_size": (1, 64, 64), "halo": 16, "device": "cpu"}
    settings["probabilities"] = "float32"
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_cross_validation_is_deleted_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "run"
    cross_validate(path, k=2)
    delete_run(path)
    assert not path.exists()


@pytest.mark.slow
def test_the_plan_says_what_folds_are(tmp_path: Path) -> None:
    recorder = Recorder()
    cross_validate(tmp_path / "run", recorder, k=2)
    plan = next(event.plan for event in recorder.events if isinstance(event, Planned))
    texts = [finding.text for finding in plan.findings]
    assert any("2 models are trained one after another" in text for text in texts)


@pytest.mark.slow
def test_a_fold_without_a_whole_model_is_finished_by_a_resumption(
    whole, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(whole[0], tmp_path / "run"))
    shutil.rmtree(path / "model")
    (path / "folds/2/model/model.yaml").unlink()
    assert read_run_info(path).state == "can be resumed"
    result = run(iter_resumed_run(path))
    assert result.fold_scores == whole[1].fold_scores
    assert load_model(path).spec.n_members == 3


def test_folds_are_in_the_order_of_their_numbers(whole, tmp_path: Path) -> None:
    path = Path(shutil.copytree(whole[0], tmp_path / "run"))
    shutil.rmtree(path / "model")
    shutil.rmtree(path / "folds/1")
    (path / "folds/3").rename(path / "folds/10")
    assert list(RunFolder.open(path).finished_folds()) == [2, 10]
    info = read_run_info(path)
    assert info.thumbnail == path / "folds/2/thumbnail.png"
    assert info.iterations == 24


def test_what_was_done_after_the_best_epoch_counts(tmp_path: Path, set_scores) -> None:
    path = tmp_path / "run"
    set_scores(0.9, 0.5, 0.9, 0.5)
    result = cross_validate(path, k=2, keep_weights="best")
    specs = [load_model(path / f"folds/{n}").spec for n in (1, 2)]
    assert [spec.provenance["iterations"] for spec in specs] == [6, 6]
    assert (result.iterations, result.epochs) == (24, 4)
    assert result.seconds > sum(spec.provenance["seconds"] for spec in specs)
    shutil.rmtree(path / "model")
    assert read_run_info(path).iterations == 24
