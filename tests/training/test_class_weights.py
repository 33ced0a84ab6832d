from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.training.tasks import make_config, make_dataset

from napari_segtrain.data.facts import gather_facts
from napari_segtrain.errors import ConfigError
from napari_segtrain.image import ClassInfo, ClassTable
from napari_segtrain.training.class_weights import resolve_class_weights
from napari_segtrain.training.defaults import complete_loss
from napari_segtrain.training.losses import build_loss
from napari_segtrain.training.machine import Machine
from napari_segtrain.training.plan import resolve

CPU = Machine("cpu", "test CPU", 8 << 30)
NAMES = ("background", "membrane", "synapse")


@pytest.fixture(scope="module")
def facts():
    """Three classes of very different size."""
    measured = gather_facts(make_dataset(2), make_config())
    rows = tuple(
        ClassInfo(value, name, "#ffffff", "class" if value else "background")
        for value, name in enumerate(NAMES)
    )
    return replace(
        measured, classes=ClassTable(rows), class_voxels=(900_000, 90_000, 10)
    )


def weights_of(facts, weights, **settings):
    config = make_config(loss={"class_weights": weights, **settings})
    return resolve_class_weights(config.loss, facts)


def test_without_a_choice_there_are_none(facts):
    assert weights_of(facts, "none") is None


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ("inverse-frequency", [1 / 900_000, 1 / 90_000, 1 / 10]),
        ([1, 2, 5], [1, 2, 5]),
        ({"synapse": 4}, [1, 1, 4]),
        ({"membrane": 0, "background": 3}, [3, 0, 1]),
        ({"kind": "effective-number", "beta": 0.99999},
         [1 / (1 - 0.99999**n) for n in (900_000, 90_000, 10)]),
        ({"kind": "effective-number", "beta": 0}, [1, 1, 1]),
    ],
)  # fmt: skip
def test_weights_stand_to_one_another_as_asked_and_have_mean_1(
    facts, weights, expected
):
    found = np.array(weights_of(facts, weights))
    np.testing.assert_allclose(found, np.array(expected) / np.mean(expected), rtol=1e-6)


def test_a_class_without_voxels_weighs_nothing(facts):
    empty = replace(facts, class_voxels=(100, 50, 0))
    for kind in ("inverse-frequency", "effective-number"):
        assert weights_of(empty, kind)[2] == 0


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ({"membrain": 3}, r"'membrain', but the classes are background, membrane, "
         r"synapse; is 'membrane' meant\?$"),
        ({"xyz": 3}, r"names 'xyz', .*; name one of these\.$"),
        ([1, 2], "2 weights for 3 classes; give one each, in the order background, "),
        ([0, 0, 0], "All loss.class_weights that count are 0"),
        (dict.fromkeys(NAMES, 0), "All loss.class_weights that count are 0"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_are_refused_before_the_start(facts, weights, sentence):
    config = make_config(loss={"class_weights": weights})
    with pytest.raises(ConfigError, match=sentence):
        resolve(config, facts, CPU)


def test_weights_of_what_is_left_out_do_not_count(facts):
    settings = {"name": "dice", "exclude_background": True}
    with pytest.raises(ConfigError, match="that count are 0"):
        weights_of(facts, [1, 0, 0], **settings)
    assert weights_of(facts, [0, 1, 1], **settings) == (0, 1.5, 1.5)


def test_a_background_can_be_left_out_only_where_there_is_one(facts):
    rows = tuple(replace(row, role="class") for row in facts.classes.rows)
    without = replace(facts, classes=ClassTable(rows))
    config = make_config(loss={"exclude_background": True})
    with pytest.raises(ConfigError, match="no class is the background; switch it off"):
        resolve(config, without, CPU)


def test_the_overlap_of_the_background_is_left_out_of_dense_labels(facts):
    loss = make_config().loss
    assert complete_loss(loss, facts).exclude_background is True
    sparse = replace(facts, n_covered=3 * sum(facts.class_voxels))
    assert complete_loss(loss, sparse).exclude_background is False
    rows = tuple(replace(row, role="class") for row in facts.classes.rows)
    without = replace(facts, classes=ClassTable(rows))
    assert complete_loss(loss, without).exclude_background is False
    given = make_config(loss={"exclude_background": False}).loss
    assert complete_loss(given, facts).exclude_background is False


def test_the_plan_says_what_each_class_weighs(facts):
    config = make_config(loss={"class_weights": [1, 2, 5]})
    plan = resolve(config, facts, CPU)
    findings = [f for f in plan.findings if f.setting == "loss.class_weights"]
    assert [f.text for f in findings] == [
        "Class weights: background 0.375, membrane 0.75, synapse 1.88."
    ]
    assert (
        not resolve(make_config(), facts, CPU).findings[-1].text.startswith("Class w")
    )


def test_the_loss_of_a_run_has_the_weights_of_its_data(facts):
    logits = torch.zeros(1, 3, 4, 4)
    logits[:, 0] = 1.0
    targets = torch.zeros(1, 4, 4, dtype=torch.uint8)
    targets[:, :2] = 1
    losses = [
        build_loss(resolve(make_config(loss=loss), facts, CPU))(logits, targets)
        for loss in (
            {"name": "cross-entropy"},
            {"name": "cross-entropy", "class_weights": "inverse-frequency"},
        )
    ]
    assert losses[1] > losses[0]
