"""Trainings that go on from a model of other classes, channels or settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.running import Recorder, final_tensors, metrics_of
from tests.training.tasks import disks, make_config, make_dataset

from napari_segtrain import load_model
from napari_segtrain.config import (
    EncoderUNetConfig,
    SegNetConfig,
    UNet25DConfig,
    UNetConfig,
    parse_experiment,
)
from napari_segtrain.control import RunControl
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.files import make_sample
from napari_segtrain.errors import ConfigError, ModelError
from napari_segtrain.image import ClassInfo, ClassTable, Image, LabelImage
from napari_segtrain.models import Model
from napari_segtrain.training.checkpoint import load_checkpoint
from napari_segtrain.training.clock import CutShort, Deadline
from napari_segtrain.training.distributed import Team
from napari_segtrain.training.events import BaseScored, Noticed, Planned, TrainingResult
from napari_segtrain.training.fine_tuning import (
    first_weights,
    match_channels,
    match_classes,
    take_network,
    verdict,
)
from napari_segtrain.training.learner import Learner
from napari_segtrain.training.model_scores import ModelJudge
from napari_segtrain.training.patches import class_targets
from napari_segtrain.workflows.running import run
from napari_segtrain.workflows.training import (
    config_of_continuation,
    iter_resumed_run,
    iter_training_run,
    plan_training,
)

ONE = {"length": {"kind": "iterations", "iterations": 1}, "learning_rate": 1e-6}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model that finds disks."""
    path = tmp_path_factory.mktemp("base") / "run"
    config = make_config(training={"length": {"kind": "iterations", "iterations": 80}})
    run(iter_training_run(make_dataset(), config, path))
    return load_model(path)


def fine_tune(
    base: Model,
    path: Path,
    dataset: Dataset | None = None,
    recorder: Recorder | None = None,
    **training,
) -> TrainingResult:
    recorder = recorder or Recorder()
    work = iter_training_run(
        dataset or make_dataset(),
        make_config(training={**ONE, **training}),
        path,
        control=recorder.control,
        continue_from=base,
    )
    return run(work, recorder)


def changed_dataset(n_channels: int = 1, *, rings: bool = False) -> Dataset:
    """Disks in the last channel, noise in the others; rings as a class of their own."""
    samples = []
    for seed in range(5):
        image, labels = disks((96, 96), seed)
        noise = np.random.default_rng(seed).integers(0, 255, (n_channels, 96, 96))
        channels = noise.astype(np.uint8)
        channels[-1] = image
        if rings:
            inner = labels.astype(bool)
            shifted = [np.roll(inner, s, axis) for s in (-2, 2) for axis in (0, 1)]
            labels = labels + (inner & ~np.logical_and.reduce(shifted)).astype(np.uint8)
        names = ("noise", "image")[-n_channels:] if n_channels > 1 else ()
        name = f"disks {seed}"
        samples.append(
            make_sample(
                Image(channels, "CYX", channel_names=names, name=name),
                LabelImage(labels, "YX", name=name),
            )
        )
    return Dataset(tuple(samples))


def rows(*values: tuple[int, str]) -> ClassTable:
    back = ClassInfo(0, "background", "#000000", "background")
    return ClassTable((back, *(ClassInfo(v, n, "#ffffff") for v, n in values)))


def test_classes_correspond_by_name_then_background_then_value() -> None:
    old = rows((1, "membrane"), (2, "synapse"), (3, "vesicle"))
    assert match_classes(rows((7, "synapse"), (1, "wall")), old) == (0, 2, 1)
    assert match_classes(rows((1, "synapse"), (2, "axon")), old) == (0, 2, None)
    assert match_classes(old, old) == (0, 1, 2, 3)


def test_channels_correspond_by_name_or_else_by_place() -> None:
    assert match_channels(("b", "a"), 2, ("a", "b"), 2) == (1, 0)
    assert match_channels(("a", "x"), 2, ("a",), 1) == (0, None)
    assert match_channels(("x", "y"), 2, ("a", "b"), 2) == (0, 1)
    assert match_channels(("x", "y"), 2, ("a",), 1) == (None, None)
    assert match_channels((), 3, ("a",), 1) == (0, None, None)


def test_the_same_data_give_the_same_score_again(base: Model, run_dir: Path) -> None:
    recorder = Recorder()
    result = fine_tune(base, run_dir, recorder=recorder)
    (scored,) = recorder.of(BaseScored)
    assert scored.score == pytest.approx(base.spec.scores["IoU"], abs=0.03)
    assert result.score == pytest.approx(scored.score, abs=0.03)
    assert result.verdict == load_model(run_dir).spec.provenance["base"]["verdict"]
    sha = load_model(run_dir).spec.provenance["base"]["weights_sha256"]
    assert sha == base.spec.weights_sha256


def test_memory_that_does_not_suffice_for_the_verdict_leaves_the_training(
    base: Model, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_args: object, **_options: object) -> float:
        raise MemoryError

    monkeypatch.setattr(ModelJudge, "score", never)
    recorder = Recorder()
    result = fine_tune(base, run_dir, recorder=recorder)
    assert result.is_complete
    assert result.verdict == ""
    (notice,) = recorder.of(Noticed)
    assert "no comparison with the one it began as" in notice.finding.text


def test_a_stop_ends_the_comparison_of_models(base: Model, dataset: Dataset) -> None:
    plan = plan_training(dataset, make_config(training=ONE))
    targets = class_targets(plan, dataset.pairs())
    control = RunControl()
    judge = ModelJudge(plan, dataset.pairs(), targets)
    late = Deadline(0.0, control)
    assert judge.score(base, deadline=late) is not None
    control.stop()
    with pytest.raises(CutShort):
        judge.score(base, deadline=late)


def test_a_run_that_is_stopped_at_the_first_comparison_ends_at_once(
    base: Model, run_dir: Path
) -> None:
    recorder = Recorder()
    recorder.control.stop()
    result = fine_tune(base, run_dir, recorder=recorder)
    assert not result.is_complete
    assert result.iterations == 0
    assert not recorder.of(BaseScored)


def test_models_are_judged_on_images_that_are_denoised_once(
    base: Model, dataset: Dataset
) -> None:
    config = make_config(normalization={"denoising": 2.0}, training=ONE)
    plan = plan_training(dataset, config)
    denoising = replace(base.spec.normalization, denoising=2.0)
    model = replace(base, spec=replace(base.spec, normalization=denoising))
    targets = class_targets(plan, dataset.pairs())
    plain = ModelJudge(plan, dataset.pairs(), targets).score(model)
    assert Learner(plan, dataset).model_judge.score(model) == plain


def test_a_new_class_gets_a_head_and_the_rest_is_kept(
    base: Model, run_dir: Path
) -> None:
    recorder = Recorder()
    fine_tune(base, run_dir, changed_dataset(rings=True), recorder)
    (planned,) = recorder.of(Planned)
    texts = [finding.text for finding in planned.plan.findings]
    assert any("class 2 new" in text or "new" in text for text in texts)
    new, old = load_model(run_dir).network.state_dict(), base.network.state_dict()
    assert new["head.weight"].shape[0] > old["head.weight"].shape[0]
    (scored,) = recorder.of(BaseScored)
    assert 0 < scored.score < base.spec.scores["IoU"]
    for name, value in old.items():
        if new[name].shape == value.shape and name.endswith("weight"):
            torch.testing.assert_close(new[name], value, atol=1e-4, rtol=0)


def test_a_new_channel_is_learned_from_and_no_score_is_claimed_for_the_base(
    base: Model, run_dir: Path
) -> None:
    recorder = Recorder()
    result = fine_tune(
        base,
        run_dir,
        changed_dataset(2),
        recorder,
        length={"kind": "iterations", "iterations": 20},
        learning_rate=0.002,
        frozen_encoder=1,
    )
    model = load_model(run_dir)
    assert model.spec.n_channels == 2
    assert not recorder.of(BaseScored)
    assert result.verdict == ""
    first = "encoders.0.0.weight"
    state, old = model.network.state_dict(), base.network.state_dict()
    assert state[first].shape[1] == 2 * old[first].shape[1]
    assert torch.equal(state["encoders.1.0.weight"], old["encoders.1.0.weight"])


@pytest.mark.parametrize("solver", ["muon", "adamw", "adam", "sgd", "rmsprop"])
def test_the_encoder_learns_after_its_share_of_the_training(
    base: Model, tmp_path: Path, solver: str
) -> None:
    settings = {
        "solver": {"kind": solver},
        "length": {"kind": "iterations", "iterations": 8},
        "iterations_per_epoch": 4,
        "checkpoint_every": 1,
        "learning_rate": 0.01,
        "frozen_encoder": 0.5,
    }
    path = tmp_path / "run"
    fine_tune(base, path, **settings)
    name, old = "encoders.1.0.weight", base.network.state_dict()
    frozen, learned = (
        load_checkpoint(path / f"checkpoints/epoch-000{n}.safetensors").network[name]
        for n in (1, 2)
    )
    assert torch.equal(frozen, old[name])
    assert not torch.equal(learned, old[name])


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["auto", 0.01])
def test_a_resumed_run_ends_as_an_unbroken_one(
    base: Model, tmp_path: Path, rate: str | float
) -> None:
    settings = {
        "length": {"kind": "iterations", "iterations": 12},
        "iterations_per_epoch": 4,
        "learning_rate": rate,
        "frozen_encoder": 0.5,
    }
    whole = fine_tune(base, tmp_path / "whole", **settings)
    for stop_at in (3, 4, 9):
        path = tmp_path / f"broken {stop_at}"
        fine_tune(base, path, recorder=Recorder(stop_at=stop_at), **settings)
        result = run(iter_resumed_run(path))
        assert result.verdict == whole.verdict != ""
        rows = [metrics_of(tmp_path / name) for name in ("whole", path.name)]
        losses = [[row["validation_loss"] for row in each] for each in rows]
        assert losses[0] == losses[1]
        tensors = final_tensors(path)
        for name, value in final_tensors(tmp_path / "whole").items():
            assert torch.equal(tensors[name], value), name


def test_all_processes_freeze_by_the_clock_of_the_first(
    base: Model, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one process, whose own clock says that the encoder may learn."""

    def agree(_team: Team, value: object) -> object:
        is_step = getattr(value, "task", "") == "iterate"
        return replace(value, share=0.0) if is_step else value  # type: ignore[type-var]

    monkeypatch.setattr(Team, "agree", agree)
    settings = {"length": {"kind": "iterations", "iterations": 4}}
    fine_tune(base, run_dir, **settings, learning_rate=0.01, frozen_encoder=0.2)
    name = "encoders.1.0.weight"
    new, old = load_model(run_dir).network.state_dict(), base.network.state_dict()
    assert torch.equal(new[name], old[name])


UNUSUAL = UNetConfig(dims=2, depth=2, norm="instance", residual=True)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"dims": 3}, r"network\.dims is 3, but the model .* has 2"),
        ({"depth": 5}, r"network\.depth is 5, but the model .* has 2"),
        ({"name": "segnet"}, r"network\.name is segnet, but the model .* has unet"),
        ({"norm": "group"}, r"network\.norm is group, .* has instance"),
        ({"norm": "batch"}, r"network\.norm is batch, .* has instance .* leave that"),
        ({"residual": False}, r"network\.residual is False, .* has True"),
    ],
)
def test_settings_that_contradict_the_model_are_refused(network, words) -> None:
    config = parse_experiment({"network": network}, source="the test")
    with pytest.raises(ConfigError, match=words):
        take_network(config.network, UNUSUAL)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (UNetConfig(name="unet"), r"network\.name is unet, but .* has segnet"),
        (UNetConfig(norm="batch"), r"norm is batch, but .* does not have it"),
        (UNet25DConfig(), r"network\.name is unet-2\.5d, but .* has segnet"),
    ],
)
def test_another_network_is_refused(asked, words) -> None:
    with pytest.raises(ConfigError, match=words):
        take_network(asked, SegNetConfig(dims=2, depth=2))


def test_settings_that_agree_or_are_left_open_are_not() -> None:
    for asked in (UNetConfig(), UNetConfig(depth=2, first_filters="auto"), UNUSUAL):
        assert take_network(asked, UNUSUAL) == UNUSUAL
    assert take_network(UNetConfig(), SegNetConfig(dims=2)) == SegNetConfig(dims=2)


def test_the_file_that_the_encoder_began_with_is_no_contradiction(base: Model) -> None:
    """The config of its own run names it; the model has its weights instead."""
    network = {"name": "encoder-unet", "dims": 2, "weights": "/first.safetensors"}
    config = parse_experiment({"network": network}, source="the test")
    portable = EncoderUNetConfig(dims=2)
    known = {"config": config.model_dump(mode="json")}
    old = replace(base.spec, network=portable, provenance=known)
    taken = config_of_continuation(config, replace(base, spec=old))
    assert taken.network == portable
    with pytest.raises(ConfigError, match=r"weights is /first.* has none for it"):
        take_network(config.network, portable)
    with pytest.raises(ConfigError, match=r"weights is /first.* has /other for it"):
        take_network(config.network, portable, weights="/other")
    for strange in ({}, {"config": 3}, {"config": {"network": {"weights": 3}}}):
        assert first_weights(replace(old, provenance=strange)) == ""


def test_a_model_of_volumes_does_not_go_on_with_flat_images(
    base: Model, run_dir: Path
) -> None:
    network = base.spec.network.model_copy(update={"dims": 3})
    deep = replace(base, spec=replace(base.spec, network=network, dims=3))
    config = parse_experiment({"training": ONE}, source="the test")
    with pytest.raises(ModelError, match=r"segments volumes, but disks 0 is flat"):
        run(iter_training_run(make_dataset(), config, run_dir, continue_from=deep))
    assert not run_dir.exists()


def test_a_frozen_encoder_needs_a_model(run_dir: Path) -> None:
    config = make_config(training={**ONE, "frozen_encoder": 0.5})
    with pytest.raises(ConfigError, match=r"frozen_encoder is 0\.5, but there is no"):
        run(iter_training_run(make_dataset(), config, run_dir))


def test_verdicts() -> None:
    assert verdict(0.6, 0.65).startswith("The new model is better than the one")
    assert "keep that one" in verdict(0.6, 0.55)
    assert "about as good" in verdict(0.6, 0.602)
