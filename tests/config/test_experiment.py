from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segtrain.config import (
    FORMAT_VERSION,
    AdamSolver,
    AdamWSolver,
    AugmentationConfig,
    ConstantSchedule,
    CosineSchedule,
    EpochsLength,
    ExperimentConfig,
    FractionValidation,
    HandValidation,
    InferenceConfig,
    IterationsLength,
    NoValidation,
    OneCycleSchedule,
    OnPlateauSchedule,
    PiecewiseSchedule,
    PlateauLength,
    PolynomialSchedule,
    RmspropSolver,
    SgdSolver,
    TimeBudgetLength,
    UNetConfig,
    dump_yaml,
    load_yaml,
    parse_experiment,
    set_value,
)
from napari_segtrain.errors import ConfigError


def parse(values):
    return parse_experiment(values, source="experiment.yaml")


def parse_text(text):
    return parse(load_yaml(text, source="experiment.yaml"))


def test_nothing_said_means_the_defaults():
    assert parse({}) == ExperimentConfig() == parse_text("")


def test_an_empty_section_means_its_defaults():
    assert parse_text("data:\n  # images: here.tif\ntraining:\n") == ExperimentConfig()


def test_a_config_is_frozen_and_settings_that_do_not_exist_cannot_be_made():
    config = ExperimentConfig()
    with pytest.raises(ValueError, match="frozen"):
        config.data = None
    with pytest.raises(ValueError, match="sead"):
        ExperimentConfig(sead=3)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"kind": "none"}, NoValidation()),
        ({"kind": "fraction", "fraction": 0.1}, FractionValidation(fraction=0.1)),
        ({"kind": "by-hand", "names": ["a"]}, HandValidation(names=("a",))),
    ],
)
def test_kinds_of_validation(values, expected):
    assert parse({"validation": values}).validation == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"kind": "iterations"}, IterationsLength()),
        ({"kind": "epochs", "epochs": 3}, EpochsLength(epochs=3)),
        ({"kind": "time-budget", "seconds": 9}, TimeBudgetLength(seconds=9)),
        ({"kind": "plateau", "max_minutes": 2}, PlateauLength(max_minutes=2)),
    ],
)
def test_kinds_of_length(values, expected):
    assert parse({"training": {"length": values}}).training.length == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"kind": "adamw", "beta2": 0.99}, AdamWSolver(beta2=0.99)),
        ({"kind": "adam"}, AdamSolver()),
        ({"kind": "sgd", "momentum": 0.5}, SgdSolver(momentum=0.5)),
        ({"kind": "rmsprop", "smoothing": 0.9}, RmspropSolver(smoothing=0.9)),
    ],
)
def test_kinds_of_solver(values, expected):
    assert parse({"training": {"solver": values}}).training.solver == expected


@pytest.mark.parametrize(
    "values", [{"kind": "adam", "momentum": 0.9}, {"kind": "sgd", "beta1": 0.9}]
)
def test_a_solver_takes_no_setting_that_it_would_ignore(values):
    with pytest.raises(ConfigError, match=r"training\.solver\..*no such setting"):
        parse({"training": {"solver": values}})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"kind": "one-cycle", "rise": 0.3}, OneCycleSchedule(rise=0.3)),
        ({"kind": "constant", "warm_up": 0}, ConstantSchedule(warm_up=0)),
        ({"kind": "piecewise", "drop_factor": 0.5}, PiecewiseSchedule(drop_factor=0.5)),
        ({"kind": "polynomial", "power": 2}, PolynomialSchedule(power=2)),
        ({"kind": "cosine", "cycles": 2}, CosineSchedule(cycles=2)),
        ({"kind": "on-plateau", "patience": 2}, OnPlateauSchedule(patience=2)),
    ],
)
def test_kinds_of_schedule(values, expected):
    assert parse({"training": {"schedule": values}}).training.schedule == expected


def test_a_rate_that_steps_down_after_the_end_is_refused():
    schedule = {"kind": "on-plateau", "patience": 6}
    with pytest.raises(ConfigError, match=r"training: the patience of the schedule"):
        parse({"training": {"schedule": schedule}})
    length = {"kind": "epochs"}
    assert parse({"training": {"schedule": schedule, "length": length}})


WRONG = [
    ("sampling", "batch_size", 0, "0"),
    ("sampling", "batch_size", "many", "many"),
    ("sampling", "patch_size", [1, 0, 64], "0"),
    ("sampling", "patch_size", [64, 64], "[64, 64]"),
    ("sampling", "foreground_share", 1.5, "1.5"),
    ("sampling", "loader_threads", -1, "-1"),
    ("data", "zero", "sparse", "sparse"),
    ("data", "voxel_size", [0.5, -1, 1], "-1"),
    ("data", "voxel_size", [1], "[1]"),
    ("data", "classes", {"one": "cell"}, "one"),
    ("data", "ignore", "all", "all"),
    ("normalization", "method", "clahe", "clahe"),
    ("network", "name", "resnet", "resnet"),
    ("network", "depth", 0, "0"),
    ("network", "depth", 9, "9"),
    ("network", "first_filters", 0, "0"),
    ("network", "first_filters", 513, "513"),
    ("network", "kernel_size", 4, "4"),
    ("network", "dropout", 1, "1"),
    ("network", "dims", 4, "4"),
    ("training", "learning_rate", 0, "0"),
    ("training", "learning_rate", float("nan"), "nan"),
    ("training", "n_threads", 0, "0"),
    ("training", "iterations_per_epoch", 0, "0"),
    ("training", "seed", -1, "-1"),
    ("training", "seed", 1 << 32, "4294967296"),
    ("training", "device", "tpu", "tpu"),
    ("training", "weight_decay", float("inf"), "inf"),
    ("augmentation", "noise", float("inf"), "inf"),
    ("augmentation", "max_scale", 0.5, "0.5"),
]


@pytest.mark.parametrize(("section", "name", "value", "met"), WRONG)
def test_a_wrong_value_is_named_with_its_place(section, name, value, met):
    with pytest.raises(ConfigError) as caught:
        parse({section: {name: value}})
    message = str(caught.value)
    assert message.startswith(f"experiment.yaml: {section}.{name}")
    assert met in message.partition("(met ")[2]
    assert "literal" not in message
    assert "constrained" not in message


@pytest.mark.parametrize(
    ("values", "place", "met"),
    [
        ({"validation": {"kind": "fraction", "fraction": 0.9}},
         "validation.fraction", "0.9"),
        ({"validation": {"kind": "by-hand"}}, "validation.names", "given"),
        ({"validation": {"kind": "maybe"}}, "validation.kind", "maybe"),
        ({"training": {"length": {"kind": "plateau", "max_minutes": -1}}},
         "training.length.max_minutes", "-1"),
        ({"normalization": {"percentiles": [99, 1]}}, "normalization", "99"),
        ({"normalization": {"percentiles": [0, 101]}}, "normalization", "101"),
        ({"normalization": {"method": "zscore", "cell_size": 64}},
         "normalization", "64"),
        ({"normalization": {"clip_limit": 0.1}}, "normalization", "0.1"),
        ({"normalization": {"match_histogram": True, "scope": "image"}},
         "normalization", "image"),
        ({"normalization": {"method": "none", "per_channel": False}},
         "normalization", "none"),
        ({"normalization": {"method": "local-contrast", "cell_size": 4}},
         "normalization.cell_size", "4"),
        ({"loss": {"dice_weight": 0, "cross_entropy_weight": 0}}, "loss", "0"),
        ({"training": {"solver": {"kind": "lion"}}}, "training.solver.kind", "lion"),
        ({"training": {"solver": {"kind": "sgd", "momentum": 0}}},
         "training.solver", "0"),
        ({"training": {"solver": {"kind": "adam", "beta1": 1}}},
         "training.solver.beta1", "1"),
        ({"data": 3}, "data", "3"),
    ],
)  # fmt: skip
def test_wrong_values_inside_of_alternatives_are_named(values, place, met):
    with pytest.raises(ConfigError) as caught:
        parse(values)
    assert f" {place}: " in str(caught.value)
    assert met in str(caught.value)


def test_every_wrong_value_is_named_at_once():
    with pytest.raises(ConfigError, match=r"training\.seed.*; sampling|sampling.*; tr"):
        parse({"training": {"seed": "x"}, "sampling": {"batch_size": 0}})


@pytest.mark.parametrize(
    ("values", "place", "near"),
    [
        ({"trianing": {}}, "trianing", "training"),
        ({"training": {"sead": 3}}, "training.sead", "seed"),
        ({"training": {"length": {"kind": "epochs", "epoch": 3}}},
         "training.length.epoch", "epochs"),
        ({"sampling": {"zzz": 3}}, "sampling.zzz", None),
    ],
)  # fmt: skip
def test_an_unknown_key_is_named_with_the_nearest_that_exists(values, place, near):
    with pytest.raises(ConfigError, match=f" {place}: there is no such") as caught:
        parse(values)
    assert ("is meant" in str(caught.value)) is False
    assert (f"is {near} meant" in str(caught.value)) is (near is not None)


def test_a_newer_format_is_refused_with_the_remedy():
    with pytest.raises(ConfigError, match=r"version 2, .* up to 1; update"):
        parse({"format_version": FORMAT_VERSION + 1, "unheard": "of"})
    with pytest.raises(ConfigError, match="format_version"):
        parse({"format_version": str(FORMAT_VERSION + 1)})


@pytest.mark.parametrize("text", ["[1, 2]", "just words", "3"])
def test_text_without_settings_is_refused(text):
    with pytest.raises(ConfigError, match=r"my\.yaml holds no settings"):
        load_yaml(text, source="my.yaml")


def test_yaml_errors_name_file_and_line():
    with pytest.raises(ConfigError, match=r"my\.yaml is not valid YAML.*line 2"):
        load_yaml("data: {}\nb: c: d", source="my.yaml")


@given(
    st.builds(
        UNetConfig,
        depth=st.integers(1, 8) | st.just("auto"),
        first_filters=st.integers(1, 512) | st.just("auto"),
        dropout=st.floats(0, 0.99),
    ),
    st.builds(
        AugmentationConfig, noise=st.floats(0, 1), max_rotation=st.floats(0, 180)
    ),
)
def test_a_dumped_config_is_read_back(network, augmentation):
    config = ExperimentConfig(network=network, augmentation=augmentation)
    assert parse_text(dump_yaml(config)) == config


def test_other_configs_are_dumped_too():
    config = InferenceConfig(tile_size=(1, 64, 64), overlap=0.5)
    values = load_yaml(dump_yaml(config), source="x")
    assert InferenceConfig.model_validate(values) == config


class TestSetValue:
    @pytest.mark.parametrize(
        ("assignment", "expected"),
        [
            ("training.seed=3", {"training": {"seed": 3}}),
            ("training.learning_rate=1e-4", {"training": {"learning_rate": 1e-4}}),
            ("data.classes={1: cell}", {"data": {"classes": {1: "cell"}}}),
            ("data.ignore=[0, 255]", {"data": {"ignore": [0, 255]}}),
            ("data.images=a=b.tif", {"data": {"images": "a=b.tif"}}),
            ("data.axes=", {"data": {"axes": None}}),
        ],
    )  # fmt: skip
    def test_a_path_and_a_value(self, assignment, expected):
        values = {}
        set_value(values, assignment)
        assert values == expected

    def test_others_are_kept_and_empty_sections_filled(self):
        values = {"training": {"seed": 1}, "data": None}
        set_value(values, "training.amp=false")
        set_value(values, "data.stack=true")
        expected = {"training": {"seed": 1, "amp": False}, "data": {"stack": True}}
        assert values == expected

    @pytest.mark.parametrize(
        ("assignment", "reason"),
        [
            ("training.seed", r"section\.name=value"),
            ("=3", r"section\.name=value"),
            ("training..seed=3", r"section\.name=value"),
            ("training.seed.x=3", "'seed' has no parts"),
            ("data.axes=[", "not valid YAML"),
            ("data.axes=!!python/name:os.system", "not valid YAML"),
        ],
    )
    def test_what_is_no_assignment_is_refused(self, assignment, reason):
        with pytest.raises(ConfigError, match=reason):
            set_value({"training": {"seed": 3}}, assignment)


def test_config_loads_without_heavy_libraries():
    code = (
        "import sys, napari_segtrain.config as c\n"
        "print([m for m in ('torch', 'monai', 'tifffile', 'zarr', 'scipy')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
