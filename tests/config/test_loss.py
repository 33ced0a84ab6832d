from __future__ import annotations

import shlex

import pytest

from napari_segtrain.config import (
    BoundaryCrossEntropyConfig,
    CrossEntropyConfig,
    DiceConfig,
    DiceCrossEntropyConfig,
    EffectiveNumberWeights,
    ExperimentConfig,
    FocalConfig,
    GeneralizedDiceConfig,
    InverseFrequencyWeights,
    NamedClassWeights,
    OrderedClassWeights,
    TverskyConfig,
    annotated_yaml,
    dump_yaml,
    load_yaml,
    parse_experiment,
    set_value,
    training_command,
)
from napari_segtrain.errors import ConfigError

LOSSES = [
    DiceCrossEntropyConfig(dice_weight=0.5, exclude_background=True),
    CrossEntropyConfig(class_weights=InverseFrequencyWeights()),
    DiceConfig(class_weights=NamedClassWeights(weights={"a: b": 0.5, "é": 0})),
    GeneralizedDiceConfig(exclude_background=True),
    FocalConfig(gamma=1.5, class_weights=OrderedClassWeights(weights=(0.0, 3.0))),
    TverskyConfig(alpha=0.2, class_weights=EffectiveNumberWeights(beta=0.99)),
    BoundaryCrossEntropyConfig(border_sigma=3),
]


def loss_of(values):
    return parse_experiment({"loss": values}, source="my.yaml").loss


def read(text):
    return parse_experiment(load_yaml(text, source="x"), source="x")


@pytest.mark.parametrize("loss", LOSSES)
def test_it_is_read_back_from_files_and_from_the_command(loss):
    config = ExperimentConfig(loss=loss)
    assert read(dump_yaml(config)) == config
    assert read(annotated_yaml(config)) == config
    values = {}
    for word in shlex.split(training_command(config)):
        if "=" in word:
            set_value(values, word)
    assert parse_experiment(values, source="x") == config


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"dice_weight": 2.0, "cross_entropy_weight": 0.5},
         DiceCrossEntropyConfig(dice_weight=2, cross_entropy_weight=0.5)),
        ({"dice_weight": 0}, DiceCrossEntropyConfig(dice_weight=0)),
        ({}, DiceCrossEntropyConfig()),
        (None, DiceCrossEntropyConfig()),
    ],
)  # fmt: skip
def test_a_file_from_before_there_was_a_choice_is_read(values, expected):
    assert loss_of(values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("focal", FocalConfig()),
        ({"name": "dice", "class_weights": "inverse-frequency"},
         DiceConfig(class_weights=InverseFrequencyWeights())),
        ({"name": "dice", "class_weights": [1, 3]},
         DiceConfig(class_weights=OrderedClassWeights(weights=(1, 3)))),
        ({"name": "dice", "class_weights": {"membrane": 3}},
         DiceConfig(class_weights=NamedClassWeights(weights={"membrane": 3}))),
    ],
)  # fmt: skip
def test_short_forms(values, expected):
    assert loss_of(values) == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "focl"}, r"loss\.name: .* focal, .*'focl'"),
        ({"name": "focal", "dice_weight": 1}, r"loss\.dice_weight: there is no such"),
        ({"gamma": 1}, r"loss\.gamma: there is no such"),
        ({"name": "cross-entropy", "exclude_background": True},
         r"loss\.exclude_background: there is no such"),
        ({"name": "focal", "alpha": 3}, r"loss\.alpha: .*less than 1 \(met 3\)"),
        ({"name": "tversky", "alpha": 0, "beta": 0}, "one of alpha and beta must"),
        ({"dice_weight": 0, "exclude_background": True},
         "exclude_background needs a dice_weight"),
        ({"class_weights": []}, r"loss\.class_weights\.weights: .*at least 1"),
        ({"class_weights": {}}, "name at least one class"),
        ({"class_weights": [1, -3]}, r"loss\.class_weights\.weights\.1: .*met -3"),
        ({"class_weights": {"a": -1}}, r"loss\.class_weights\.weights: .*met -1"),
        ({"class_weights": "inverse"}, r"loss\.class_weights\.kind: .*'inverse'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(values, message):
    with pytest.raises(ConfigError, match=rf"^my\.yaml: .*{message}") as caught:
        loss_of(values)
    assert "\n" not in str(caught.value)
