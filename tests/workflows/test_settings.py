from __future__ import annotations

import pytest

from napari_segtrain.config import (
    DiceConfig,
    DynUNetConfig,
    EffectiveNumberWeights,
    EpochsLength,
    ExperimentConfig,
    FocalConfig,
    FractionValidation,
    NamedClassWeights,
    NoValidation,
    OnPlateauSchedule,
    OrderedClassWeights,
    PiecewiseSchedule,
    PlateauLength,
    RmspropSolver,
    SgdSolver,
    TrainingConfig,
    TverskyConfig,
    UNet25DConfig,
    UNetConfig,
    dump_yaml,
    load_yaml,
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


SECTIONS = {
    "network": UNetConfig(depth=3, norm="instance"),
    "loss": TverskyConfig(
        exclude_background=True, class_weights=EffectiveNumberWeights(beta=0.9)
    ),
    "training": TrainingConfig(
        solver=SgdSolver(momentum=0.95),
        schedule=PiecewiseSchedule(drop_factor=0.3, warm_up=7),
    ),
}


def test_another_loss_begins_with_its_own_defaults():
    changed = merged(ExperimentConfig(), "loss.name=focal", "loss.gamma=1")
    assert changed == FOCAL
    usual = ExperimentConfig(loss=FocalConfig())
    assert merged(usual, "loss=dice-cross-entropy") == ExperimentConfig()


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("network.name=dynunet", DynUNetConfig(depth=3, norm="instance")),
        ("network=unet-2.5d", UNet25DConfig(depth=3, norm="instance")),
        ("loss=dice", DiceConfig(
            exclude_background=True, class_weights=EffectiveNumberWeights(beta=0.9))),
        ("training.solver=rmsprop", RmspropSolver(momentum=0.95)),
        ("training.solver={kind: sgd}", SgdSolver(momentum=0.95)),
        ("training.schedule=on-plateau",
         OnPlateauSchedule(drop_factor=0.3, warm_up=7)),
    ],
)  # fmt: skip
def test_another_kind_takes_over_what_it_has_a_place_for(assignment, expected):
    path = assignment.partition("=")[0].removesuffix(".name").split(".")
    found = merged(ExperimentConfig(**SECTIONS), assignment)
    for name in path:
        found = getattr(found, name)
    assert found == expected


@pytest.mark.parametrize(
    ("assignments", "words"),
    [
        (["network=unet-3d"], r"name is to be unet-3d, .* of unet: norm \(instance\);"),
        (["network=deepem3d"], r"of unet: depth \(3\), norm \(instance\); leave"),
        (["loss=focal"], r"loss\.name .* of tversky: exclude_background \(True\)"),
        (["training.solver=adam"], r"solver\.kind is to be adam, .* momentum \(0\.9"),
        (["training.schedule=one-cycle"], r"drop_factor \(0\.3\), warm_up \(7\)"),
    ],
)  # fmt: skip
def test_what_another_kind_has_no_place_for_is_named(assignments, words):
    with pytest.raises(ConfigError, match=words):
        merged(ExperimentConfig(**SECTIONS), *assignments)


def test_a_setting_of_the_same_name_and_another_meaning_is_not_taken_over():
    with pytest.raises(ConfigError, match=r"of focal: alpha \(0\.6\)"):
        merged(ExperimentConfig(loss=FocalConfig(alpha=0.6)), "loss=tversky")
    known = merged(
        ExperimentConfig(loss=FocalConfig(alpha=0.6)), "loss=tversky", "loss.alpha=0.4"
    )
    assert known.loss == TverskyConfig(alpha=0.4)


def test_another_length_or_validation_is_one_of_its_own():
    training = TrainingConfig(length=PlateauLength(patience=9))
    base = ExperimentConfig(training=training, validation=FractionValidation())
    changed = merged(base, "training.length=epochs", "validation=none")
    assert changed.training.length == EpochsLength()
    assert changed.validation == NoValidation()
    longer = merged(base, "training.length.max_minutes=5").training.length
    assert longer == PlateauLength(patience=9, max_minutes=5)


def test_a_written_config_goes_with_any_other_kind():
    """One with every setting, as runs and ``segtrain init`` write it."""
    written = load_yaml(dump_yaml(ExperimentConfig()), source="x")
    base = parse_experiment(written, source="x")
    words = ["network=swin-unetr", "loss=focal", "training.schedule=constant"]
    assert merged(base, *words) == merged(ExperimentConfig(), *words)


def test_a_word_is_a_kind_also_for_scripts():
    settings = {"network": "dynunet", "training": {"solver": "sgd"}, "loss": "dice"}
    changed = merge_settings(ExperimentConfig(), settings)
    assert changed.network == DynUNetConfig()
    assert changed.training.solver == SgdSolver()
    assert changed.loss == DiceConfig()


@pytest.mark.parametrize("order", [1, -1])
def test_a_word_leaves_the_settings_beside_it_in_any_order(order):
    words = ["training.solver=sgd", "training.solver.momentum=0.95"]
    changed = merged(ExperimentConfig(), *words[::order])
    assert changed.training.solver == SgdSolver(momentum=0.95)


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
    taken = merged(
        ExperimentConfig(network=UNetConfig(depth=3)), "network=segnet"
    ).network
    assert taken.model_fields_set == {"name", "depth"}
    whole = merge_settings(asked, {"network": UNetConfig(depth=3)})
    assert whole.network.model_fields_set == {"depth"}
