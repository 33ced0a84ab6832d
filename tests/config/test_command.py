"""The command of a config, read by the real parser, gives the config."""

from __future__ import annotations

import shlex
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segtrain.cli import training_run
from napari_segtrain.cli.app import main
from napari_segtrain.config import (
    AdamWSolver,
    AugmentationConfig,
    AutoValidation,
    ConstantSchedule,
    DataConfig,
    EpochsLength,
    ExperimentConfig,
    FractionValidation,
    HandValidation,
    IterationsLength,
    KFoldValidation,
    NormalizationConfig,
    NoValidation,
    OneCycleSchedule,
    PiecewiseSchedule,
    PlateauLength,
    RmspropSolver,
    SamplingConfig,
    SgdSolver,
    TimeBudgetLength,
    TrainingConfig,
    UNetConfig,
    command,
    training_command,
)
from napari_segtrain.config.augmentation import GeometryConfig

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
VALUES = st.lists(st.integers(-300, 70_000), max_size=3).map(tuple)
PATHS = st.none() | st.sampled_from(
    [Path("/data/a b"), Path("/d/it's"), Path("/1: 2"), Path("/-x"), Path("/é#~$")]
)
NAMES = st.lists(TEXTS | st.sampled_from(["auto", "none", "0.2"]), min_size=1).map(
    tuple
)


def configs() -> st.SearchStrategy[ExperimentConfig]:
    auto = st.just("auto")
    plateau = st.builds(
        PlateauLength, patience=st.integers(1, 9), max_minutes=auto | st.just(2.5)
    )
    data = st.builds(
        DataConfig,
        images=PATHS,
        labels=PATHS,
        snapshot=PATHS,
        stack=st.booleans(),
        axes=st.none() | st.sampled_from(["ZYX", "tcyx"]),
        voxel_size=st.none()
        | st.lists(st.floats(1e-9, 1e9), min_size=2, max_size=3).map(tuple),
        zero=st.sampled_from(["auto", "dense", "painted-slices", "unlabelled"]),
        background=auto | VALUES,
        ignore=auto | VALUES,
        classes=st.dictionaries(st.integers(-9, 70_000), TEXTS, max_size=3),
        target=st.sampled_from(["auto", "semantic", "instances"]),
    )
    lengths = (
        st.builds(IterationsLength, iterations=st.integers(1, 99))
        | st.builds(EpochsLength, epochs=st.integers(1, 99))
        | st.builds(TimeBudgetLength, seconds=st.floats(1, 1e9))
        | plateau
    )
    return st.builds(
        ExperimentConfig,
        data=data,
        validation=st.sampled_from([AutoValidation(), NoValidation()])
        | st.builds(FractionValidation, fraction=st.floats(0.1, 0.25))
        | st.builds(KFoldValidation, k=st.integers(2, 10))
        | st.builds(HandValidation, names=NAMES),
        normalization=st.builds(
            NormalizationConfig, percentiles=st.just((0.5, 99.0)) | st.just((1.0, 99.8))
        ),
        sampling=st.builds(
            SamplingConfig,
            patch_size=auto | st.just((1, 64, 64)),
            foreground_share=auto | st.floats(0, 1),
        ),
        augmentation=st.builds(
            AugmentationConfig,
            preset=st.sampled_from(["light", "strong"]),
            flips=auto | st.booleans(),
            geometry=st.builds(GeometryConfig, max_shear=auto | st.floats(0, 45)),
        ),
        network=st.builds(
            UNetConfig, dims=auto | st.sampled_from([2, 3]), norm=st.just("group")
        ),
        training=st.builds(
            TrainingConfig,
            length=lengths,
            seed=st.integers(0, (1 << 32) - 1),
            device=st.sampled_from(["auto", "cpu", "cuda", "mps"]),
            solver=st.sampled_from([AdamWSolver(beta1=0.8), RmspropSolver()])
            | st.builds(SgdSolver, momentum=st.floats(0.1, 0.9)),
            schedule=st.sampled_from([OneCycleSchedule(), ConstantSchedule()])
            | st.builds(PiecewiseSchedule, drop_factor=st.floats(0.1, 0.9)),
            learning_rate=auto | st.floats(1e-12, 1e3),
            amp=st.booleans(),
        ),
    )


class Read(Exception):
    """The config that a command was read as."""


def config_of(command: str) -> tuple[ExperimentConfig, dict[str, object]]:
    """Run a command up to the point where its data would be opened."""

    def stop(config_path, changes, given, **rest):
        raise Read(training_run.read_config(config_path, changes, given), rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_run, "start", stop)
        program, *arguments = shlex.split(command)
        assert program == "segtrain"
        with pytest.raises(Read) as caught:
            main(arguments)
    return caught.value.args


@settings(max_examples=80, deadline=None)
@given(configs())
def test_the_command_of_a_config_is_read_as_the_config(config):
    read, _ = config_of(training_command(config))
    assert read == config


def test_defaults_need_no_option():
    assert training_command(ExperimentConfig()) == "segtrain train"


def test_options_are_preferred_to_settings():
    config = ExperimentConfig(
        data=DataConfig(
            images=Path("/my data/image"),
            labels=Path("/label"),
            voxel_size=(0.05, 0.004, 0.004),
            zero="unlabelled",
            background=(1, 3),
            ignore=(),
            classes={1: "soma", 2: "axon"},
        ),
        validation=NoValidation(),
        network=UNetConfig(dims=2, depth=4),
        training=TrainingConfig(length=TimeBudgetLength(seconds=90), seed=7),
    )
    assert training_command(config, output=Path("run 1")) == (
        "segtrain train --images '/my data/image' --labels /label "
        "--voxel-size 0.05,0.004,0.004 --zero unlabelled --background=1,3 "
        "--ignore=none --classes=1=soma,2=axon --validation none --dims 2 "
        "--set network.depth=4 --time-budget 90s --seed 7 --output 'run 1'"
    )


def test_the_command_of_a_file(tmp_path):
    config = ExperimentConfig(training=TrainingConfig(seed=3))
    path, output, model = tmp_path / "a b.yaml", tmp_path / "run", tmp_path / "old"
    path.write_text("training: {seed: 3}")
    command = training_command(
        config, config_path=path, output=output, continue_from=model
    )
    assert "--seed" not in command
    read, rest = config_of(command)
    assert read == config
    assert rest == {"output": output, "continue_from": model, "is_dry": False}


def test_the_shell_of_windows(monkeypatch):
    """It knows no single quotes, which paths with backslashes would get."""
    monkeypatch.setattr(command, "os", SimpleNamespace(name="nt"))
    text = training_command(
        ExperimentConfig(), config_path=PureWindowsPath(r"C:\Users\my name\a.yaml")
    )
    assert text == r'segtrain train --config "C:\Users\my name\a.yaml"'
