from __future__ import annotations

import pytest

from napari_segtrain.config import (
    EffectiveNumberWeights,
    ExperimentConfig,
    FocalConfig,
    NamedClassWeights,
    OrderedClassWeights,
    UNetConfig,
    parse_experiment,
    set_value,
)
from napari_segtrain.errors import ConfigError
from napari_segtrain.workflows.settings import merge_settings

FOCAL = ExperimentConfig(loss=FocalConfig(gamma=1.0))


def merged(base, *assignments):
    changes = {}
    for assignment in assignments:
        set_value(changes, assignment)
    return merge_settings(base, changes)


def test_another_loss_begins_with_its_own_defaults():
    changed = merged(ExperimentConfig(), "loss.name=focal", "loss.gamma=1")
    assert changed == FOCAL
    back = merged(changed, "loss.name=dice-cross-entropy")
    assert back == ExperimentConfig()


def test_the_same_loss_keeps_its_other_settings():
    expected = FocalConfig(gamma=1.0, alpha=0.5)
    assert merged(FOCAL, "loss.alpha=0.5").loss == expected
    assert merged(FOCAL, "loss.name=focal", "loss.alpha=0.5").loss == expected


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        (["loss.class_weights={membrane: 3}"],
         NamedClassWeights(weights={"membrane": 3})),
        (["loss.class_weights=[1, 3]"], OrderedClassWeights(weights=(1, 3))),
        (["loss.class_weights.kind=effective-number", "loss.class_weights.beta=0.9"],
         EffectiveNumberWeights(beta=0.9)),
    ],
)  # fmt: skip
def test_class_weights_are_replaced_as_a_whole(assignments, expected):
    changed = merged(FOCAL, *assignments)
    assert changed.loss == FocalConfig(gamma=1.0, class_weights=expected)


def test_a_setting_of_another_loss_is_refused():
    with pytest.raises(ConfigError, match=r"loss\.dice_weight: there is no such"):
        merged(FOCAL, "loss.dice_weight=2")
    assert parse_experiment({"loss": {"dice_weight": 2}}, source="x") == merged(
        ExperimentConfig(), "loss.dice_weight=2"
    )


def test_it_stays_known_which_settings_of_the_network_were_asked_for():
    assert (
        merged(ExperimentConfig(), "training.seed=3").network.model_fields_set == set()
    )
    asked = merged(ExperimentConfig(), "network.norm=batch")
    assert asked.network.model_fields_set == {"norm"}
    assert asked == ExperimentConfig()
    later = merged(asked, "network.name=unet", "network.depth=auto")
    assert later.network.model_fields_set == {"name", "norm", "depth"}
    other = merged(asked, "network.name=segnet", "network.depth=2")
    assert other.network.model_fields_set == {"name", "depth"}
    assert other.network.depth == 2
    whole = merge_settings(asked, {"network": UNetConfig(depth=3)})
    assert whole.network.model_fields_set == {"depth"}
