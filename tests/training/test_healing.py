"""Runs that go on after memory ran out, or after numbers that were not finite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests.devices import absent_device
from tests.training.running import Recorder, assert_same_run, train
from tests.training.tasks import make_config, make_dataset

from napari_segtrain import load_model
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.errors import ConfigError, PredictionError, TrainingError
from napari_segtrain.models import assemble
from napari_segtrain.networks import describe_network
from napari_segtrain.training import learner
from napari_segtrain.training.checkpoint import load_checkpoint
from napari_segtrain.training.events import EpochEnd, IterationEnd, Noticed
from napari_segtrain.training.footprint import Footprint
from napari_segtrain.training.healing import MAX_RECOVERIES
from napari_segtrain.training.learner import Learner
from napari_segtrain.training.provenance import model_spec
from napari_segtrain.training.tuning import DecisionTuner
from napari_segtrain.workflows.library import delete_run
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import iter_resumed_run, plan_training

REAL_STEP = learner.train_step
TINY = {"network": {"norm": "none"}}


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch):
    """Let a step run out of memory above so many voxels, or while it keeps all."""

    def set_limit(n_voxels: int, *, from_step: int = 0, keeps_all: bool = True):
        steps = iter(range(10_000))

        def greedy(network, loss, optimizer, images, targets, **rest):
            n_most = n_voxels if next(steps) >= from_step else images.numel()
            is_kept = "Recomputed" not in str(network)
            if images.numel() > n_most or (is_kept and not keeps_all):
                network(images)  # as far as memory goes
                raise torch.OutOfMemoryError("CUDA out of memory")
            return REAL_STEP(network, loss, optimizer, images, targets, **rest)

        monkeypatch.setattr(learner, "train_step", greedy)

    return set_limit


def config_of(n: int, **sections):
    training = {"length": {"kind": "iterations", "iterations": n}}
    training |= sections.pop("training", {})
    return make_config(training=training, **sections)


def texts(recorder: Recorder) -> list[str]:
    return [event.finding.text for event in recorder.of(Noticed)]


def test_memory_shrinks_the_batch_then_the_patch(
    dataset: Dataset, run_dir: Path, limit
) -> None:
    limit(24 * 24, from_step=3)
    recorder = Recorder()
    result = train(dataset, config_of(6), run_dir, recorder)
    assert result.is_complete
    assert result.iterations == 6
    assert texts(recorder) == [
        "Memory ran out at iteration 3; going on with 2 patches per iteration instead "
        "of 4.",
        "Memory ran out at iteration 3; going on with 1 patch per iteration instead of "
        "2.",
        "Memory ran out at iteration 3; going on with patches of 1 × 24 × 24 voxels "
        "instead of 1 × 48 × 48.",
    ]
    iterations = [event.iteration for event in recorder.of(IterationEnd)]
    assert iterations == [1, 2, 3, 4, 5, 6]
    spec = load_model(run_dir).spec
    assert spec.patch_size == (1, 24, 24)
    assert spec.provenance["changes under way"] == texts(recorder)
    lines = (run_dir / "notices.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["memory"] * 3
    delete_run(run_dir)
    assert not run_dir.exists()


def test_a_healed_run_goes_on_from_the_same_step(tmp_path: Path, limit) -> None:
    """With the batch that it ends with, the whole run is that of a smaller batch."""
    small = config_of(6, **TINY, sampling={"batch_size": 2})
    train(make_dataset(), small, tmp_path / "small")
    limit(2 * 48 * 48)
    train(make_dataset(), config_of(6, **TINY), tmp_path / "healed")
    assert_same_run(tmp_path / "small", tmp_path / "healed")


@pytest.mark.slow
def test_a_healed_run_resumes_with_what_it_was_healed_to(tmp_path: Path, limit) -> None:
    limit(24 * 24, from_step=3)
    whole = config_of(10)
    train(make_dataset(), whole, tmp_path / "whole")
    limit(24 * 24, from_step=3)
    train(make_dataset(), whole, tmp_path / "parts", Recorder(stop_at=6))
    limit(24 * 24)
    recorder = Recorder()
    run(iter_resumed_run(tmp_path / "parts"), recorder)
    assert texts(recorder) == []
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    spec = load_model(tmp_path / "parts").spec
    assert len(spec.provenance["changes under way"]) == 3


def test_what_is_left_then_is_to_compute_twice(
    dataset: Dataset, run_dir: Path, limit
) -> None:
    limit(10_000, keeps_all=False)
    recorder = Recorder()
    config = config_of(4, sampling={"batch_size": 2, "patch_size": [1, 16, 16]})
    assert train(dataset, config, run_dir, recorder).is_complete
    assert "gradient checkpointing" in texts(recorder)[-1]


def test_a_network_without_stages_is_not_computed_twice(
    dataset: Dataset, run_dir: Path, limit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Learner, "n_stages", 0)
    limit(10_000, keeps_all=False)
    with pytest.raises(TrainingError, match="smallest that the network takes"):
        train(dataset, config_of(4), run_dir)


def test_memory_that_runs_out_in_the_last_validation_is_healed(
    dataset: Dataset, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Learner.judge

    def greedy(self):
        if self.source.batch_size > 2:
            raise MemoryError
        return judge(self)

    monkeypatch.setattr(Learner, "judge", greedy)
    recorder = Recorder()
    config = config_of(4, training={"iterations_per_epoch": 4})
    result = train(dataset, config, run_dir, recorder)
    assert (result.iterations, result.epochs) == (4, 1)
    assert len(recorder.of(Noticed)) == 1


def test_memory_for_not_even_the_smallest_patch_is_said_in_one_sentence(
    dataset: Dataset, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_args: object, **_rest: object) -> float:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(learner, "train_step", never)
    with pytest.raises(TrainingError, match="1 × 16 × 16 voxels") as caught:
        train(dataset, config_of(3), run_dir)
    assert "first_filters" in str(caught.value)
    assert load_model(run_dir).spec.dims == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Footprint(5, (1, 64, 64)), Footprint(2, (1, 64, 64))),
        (Footprint(1, (1, 64, 64)), Footprint(1, (1, 32, 32))),
        (Footprint(1, (1, 64, 48)), Footprint(1, (1, 32, 48))),
        (Footprint(1, (1, 8, 8)), Footprint(1, (1, 8, 8), recomputes=True)),
        (
            Footprint(1, (1, 8, 8), recomputes=True),
            Footprint(1, (1, 8, 8), recomputes=True, leaves_gpu=True),
        ),
        (Footprint(1, (1, 8, 8), recomputes=True, leaves_gpu=True), None),
    ],
)
def test_what_is_given_up_next(before: Footprint, after: Footprint | None) -> None:
    network = make_config(network={"stem": 1}).network
    info = describe_network(network, in_channels=1, n_classes=2)
    assert before.lighter(info, can_recompute=True, is_on_gpu=True) == after


def test_a_volume_keeps_to_the_grid_and_to_what_the_network_takes() -> None:
    network = make_config(network={"dims": 3, "stem": 1, "flat_levels": 1}).network
    info = describe_network(network, in_channels=1, n_classes=2)
    footprint: Footprint | None = Footprint(1, (12, 40, 40))
    sizes = []
    while footprint is not None:
        sizes.append(footprint.patch_size)
        footprint = footprint.lighter(info, can_recompute=False, is_on_gpu=False)
    assert sizes[-1] == info.min_size
    for size in sizes:
        assert all(n % step == 0 for n, step in zip(size, info.grid, strict=True))


@pytest.mark.parametrize("solver", ["muon", "adamw"])
@pytest.mark.parametrize("is_fine_tuned", [False, True])
def test_a_run_moves_to_the_processor_with_its_moments(
    dataset: Dataset, solver: str, tmp_path: Path, *, is_fine_tuned: bool
) -> None:
    """From one device of a processor to another, as there is no GPU in a test."""
    training: dict[str, object] = {"solver": solver}
    base = None
    if is_fine_tuned:
        train(dataset, config_of(1), tmp_path / "base")
        base = load_model(tmp_path / "base")
        training["frozen_encoder"] = 0.5
    config = config_of(4, training=training)
    plan = plan_training(dataset, config, continue_from=base)
    moved, stayed = Learner(plan, dataset), Learner(plan, dataset)
    for each in (moved, stayed):
        each.freeze(0.0)
        each.step(each.source.make(0), 1e-3)
        each.accept(0)
    moved._move(torch.device("cpu"))  # noqa: SLF001 - what `adapt` does on a GPU
    for iteration, share in ((1, 0.25), (2, 0.75)):
        for each in (moved, stayed):
            each.freeze(share)
            each.step(each.source.make(iteration), 1e-3)
            each.accept(iteration)
    for kept in ("network_state", "average_state", "optimizer_state"):
        a, b = getattr(moved, kept), getattr(stayed, kept)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_run_that_moved_predicts_at_its_end_where_it_computes(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_training(dataset, config_of(4))
    monkeypatch.setattr(learner, "give_back", lambda _device: None)
    learning = Learner(plan, dataset)
    model = assemble(model_spec(plan), learning.average_state, source="the test")
    on_gpu = torch.device(absent_device())
    learning.tuner.move(on_gpu)
    learning.model_judge.move(on_gpu)
    with pytest.raises(ConfigError):
        learning.model_judge.score(model)
    with pytest.raises(ConfigError):
        run(learning.tuner.tune(model))
    learning._move(torch.device("cpu"))  # noqa: SLF001 - what `adapt` does on a GPU
    assert learning.model_judge.score(model) is not None
    run(learning.tuner.tune(model))


@pytest.mark.parametrize(
    "error", [MemoryError(), PredictionError("Not even a tile fits in memory.")]
)
def test_a_model_is_there_when_memory_runs_out_in_its_last_predictions(
    dataset: Dataset, run_dir: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def never(*_args: object) -> None:
        assert (run_dir / "model/model.yaml").is_file()
        raise error

    monkeypatch.setattr(DecisionTuner, "tune", never)
    recorder = Recorder()
    result = train(dataset, config_of(2), run_dir, recorder)
    assert result.is_complete
    assert texts(recorder) == [
        "Memory ran out when the held-out data were predicted, so the model has no "
        "thresholds of its own."
    ]
    assert load_model(run_dir).spec.decision is None


def test_another_error_in_the_last_predictions_leaves_the_model(
    dataset: Dataset, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise RuntimeError("sizes of tensors must match")

    monkeypatch.setattr(DecisionTuner, "tune", broken)
    with pytest.raises(RuntimeError, match="sizes of tensors"):
        train(dataset, config_of(2), run_dir)
    assert (run_dir / "model/model.yaml").is_file()


def test_a_loss_that_is_not_finite_goes_back_at_a_lower_rate(
    dataset: Dataset, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_times(network, *args, **rest):
        loss = REAL_STEP(network, *args, **rest)
        return float("nan") if next(steps) in {13, 14} else loss

    steps = iter(range(10_000))
    monkeypatch.setattr(learner, "train_step", at_times)
    schedule = {"kind": "constant", "warm_up": 0}
    config = config_of(30, training={"iterations_per_epoch": 10, "schedule": schedule})
    recorder = Recorder()
    result = train(dataset, config, run_dir, recorder)
    assert result.is_complete
    assert result.iterations == 30
    assert texts(recorder)[0] == (
        "The loss or the weights were not finite numbers at iteration 14; going on "
        "with the weights of iteration 10 and half the learning rate."
    )
    rates = {
        event.iteration: event.learning_rate for event in recorder.of(IterationEnd)
    }
    assert rates[30] == pytest.approx(rates[13] / 4)
    assert [event.iteration for event in recorder.of(EpochEnd)] == [10, 25, 30]
    latest = load_checkpoint(run_dir / "checkpoints/latest.safetensors")
    assert latest.progress.rate_scale == 0.25
    assert len(latest.progress.changes) == 2


def test_weights_that_are_not_finite_go_back_too(
    dataset: Dataset, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge, calls = Learner.judge, iter(range(100))

    def once(self):
        if next(calls) == 1:
            next(self._network.parameters()).data[0] = float("inf")
        return judge(self)

    monkeypatch.setattr(Learner, "judge", once)
    recorder = Recorder()
    config = config_of(30, training={"iterations_per_epoch": 10})
    assert train(dataset, config, run_dir, recorder).is_complete
    assert (
        "iteration 20; going on with the weights of iteration 10" in texts(recorder)[0]
    )
    weights = load_model(run_dir).network.state_dict()
    assert all(torch.isfinite(value.float()).all() for value in weights.values())


@pytest.mark.parametrize("solver", ["muon", "adamw"])
def test_a_run_that_diverges_again_and_again_ends_with_a_usable_model(
    dataset: Dataset, run_dir: Path, solver: str
) -> None:
    rates = {"learning_rate": 1e30, "gradient_clip": 1e30}
    config = make_config(training={"solver": solver, **rates})
    recorder = Recorder()
    with pytest.raises(TrainingError, match=f"learning_rate with .* {solver}"):
        train(dataset, config, run_dir, recorder)
    assert len(recorder.of(Noticed)) == MAX_RECOVERIES
    weights = load_model(run_dir).network.state_dict()
    assert all(torch.isfinite(value.float()).all() for value in weights.values())
