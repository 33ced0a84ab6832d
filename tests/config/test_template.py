from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from napari_segtrain.config import (
    AutoValidation,
    DataConfig,
    EpochsLength,
    ExperimentConfig,
    FractionValidation,
    HandValidation,
    IterationsLength,
    NoValidation,
    PlateauLength,
    TimeBudgetLength,
    TrainingConfig,
    annotated_yaml,
    load_yaml,
    parse_experiment,
)

VALIDATIONS = [
    AutoValidation(),
    FractionValidation(fraction=0.25),
    HandValidation(names=("a b", "c: d")),
    NoValidation(),
]
LENGTHS = [
    IterationsLength(iterations=7),
    EpochsLength(),
    TimeBudgetLength(seconds=1.5),
    PlateauLength(max_minutes=3),
]


def read(text):
    return parse_experiment(load_yaml(text, source="x"), source="x")


def settings(model, path=()):
    """Path and help of every setting."""
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        yield (*path, name), field.description
        if isinstance(value, BaseModel):
            yield from settings(value, (*path, name))


def test_the_defaults_are_read_back():
    config = ExperimentConfig()
    assert read(annotated_yaml(config)) == config


@given(
    st.sampled_from(VALIDATIONS),
    st.sampled_from(LENGTHS),
    st.dictionaries(st.integers(-5, 70_000), st.text(max_size=9), max_size=3),
    st.tuples(*[st.floats(1e-6, 1e6)] * 3) | st.none(),
    st.sampled_from([Path("a b/c#d.tif"), Path("é: 1"), None]),
)
def test_any_config_is_read_back(validation, length, classes, voxel_size, images):
    config = ExperimentConfig(
        data=DataConfig(classes=classes, voxel_size=voxel_size, images=images),
        validation=validation,
        training=TrainingConfig(length=length),
    )
    assert read(annotated_yaml(config)) == config


def test_every_setting_stands_there_with_its_help():
    config = ExperimentConfig()
    text = annotated_yaml(config)
    flat = " ".join(line.strip().removeprefix("# ") for line in text.splitlines())
    for path, help_text in settings(config):
        assert f"{path[-1]}:" in text
        assert path[-1] in {"kind", "name"} or help_text
        assert " ".join((help_text or "").split()) in flat


def test_choices_are_listed():
    lines = annotated_yaml(ExperimentConfig()).splitlines()
    device = lines.index("  device: auto")
    assert "Choices: auto, cpu, cuda, mps." in lines[device - 1]


def section(text, name):
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.strip() == f"{name}:")
    indent = len(lines[start]) - len(lines[start].lstrip())
    taken = []
    for line in lines[start + 1 :]:
        if line and len(line) - len(line.lstrip()) <= indent:
            break
        taken.append(line)
    return taken


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("validation", ["auto", "fraction", "by-hand", "k-fold", "none"]),
        ("length", ["iterations", "epochs", "time-budget", "plateau"]),
        ("solver", ["auto", "muon", "adamw", "adam", "sgd", "rmsprop"]),
        (
            "schedule",
            [
                "one-cycle",
                "constant",
                "piecewise",
                "polynomial",
                "cosine",
                "on-plateau",
            ],
        ),
    ],
)
def test_the_other_kinds_can_be_uncommented(name, kinds):
    comments = [
        line.strip().removeprefix("#   ")
        for line in section(annotated_yaml(ExperimentConfig()), name)
        if line.strip().startswith(("#   ", "# Or: "))
    ]
    blocks = "\n".join(comments).split("# Or: ")[1:]
    shown = []
    for block in blocks:
        values = load_yaml(block.partition("\n")[2], source="x")
        is_inner = name != "validation"
        outer = {"training": {name: values}} if is_inner else {name: values}
        config = parse_experiment(outer, source="x")
        chosen = getattr(config.training if is_inner else config, name)
        assert set(values) == set(type(chosen).model_fields)
        shown.append(chosen.kind)
    default = {
        "validation": "auto",
        "length": "plateau",
        "solver": "auto",
        "schedule": "one-cycle",
    }[name]
    assert sorted([*shown, default]) == sorted(kinds)
