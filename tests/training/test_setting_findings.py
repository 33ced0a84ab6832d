"""What cannot be taken as it was given is said before the start."""

from __future__ import annotations

import pytest
from tests.training.tasks import make_config, make_dataset

from napari_segtrain.errors import ConfigError
from napari_segtrain.workflows.training import plan_training


def remarks(shape=(64, 64), **sections):
    plan = plan_training(make_dataset(2, shape), make_config(**sections))
    return {f.setting: f.text for f in plan.findings if f.level == "warning"}


def test_what_is_taken_as_given_is_not_remarked_on():
    assert remarks().keys() <= {"", "validation"}
    strong = {"preset": "strong", "geometry": {"max_shear": 20}}
    assert remarks(augmentation=strong).keys() <= {"", "validation"}


@pytest.mark.parametrize(
    ("asked", "taken"),
    [([1, 50, 50], "1 × 56 × 56"), ([8, 48, 48], "1 × 48 × 48"),
     ([1, 500, 500], "1 × 64 × 64")],
)  # fmt: skip
def test_a_patch_that_is_fitted(asked, taken):
    said = remarks(sampling={"patch_size": asked})["sampling.patch_size"]
    assert " × ".join(map(str, asked)) in said
    assert taken in said


def test_a_batch_that_does_not_fit_in_memory():
    said = remarks(training={"memory_limit": 0.001})["sampling.batch_size"]
    assert "4 patches" in said
    assert said.endswith("there are 1.")


@pytest.mark.parametrize(
    ("training", "usual"),
    [
        ({"learning_rate": 0.03}, "0.002, the usual one of adamw, for which"),
        ({"learning_rate": 1e-3, "solver": "muon"}, "0.1, the usual one of muon."),
    ],
)
def test_a_rate_far_from_that_of_its_solver(training, usual):
    assert usual in remarks(training=training)["training.learning_rate"]


@pytest.mark.parametrize(
    "training", [{"learning_rate": 1e-3}, {"learning_rate": 0.02, "solver": "sgd"}]
)
def test_a_rate_that_is_usual_is_not_remarked_on(training):
    assert "training.learning_rate" not in remarks(training=training)


@pytest.mark.parametrize(
    ("settings", "idle", "reason"),
    [
        ({"affine_probability": 0, "max_rotation": 30}, "max_rotation", "affine"),
        ({"flips": False, "geometry": {"flip_probability": 0.5}},
         "geometry.flip_probability", "flips is off"),
        ({"brightness": 1, "intensity": {"brightness_probability": 0}},
         "brightness", "intensity.brightness_probability is off"),
        ({"geometry": {"in_depth": True}}, "geometry.in_depth", "flat"),
    ],
)  # fmt: skip
def test_augmentation_that_is_switched_off(settings, idle, reason):
    said = remarks(augmentation=settings)[f"augmentation.{idle}"]
    assert "has no effect" in said
    assert reason in said


def test_turns_of_patches_that_are_not_square():
    sampling = {"patch_size": [1, 48, 64]}
    said = remarks(sampling=sampling, augmentation={"rotations": True})
    assert "48 × 64" in said["augmentation.rotations"]


def test_levels_of_a_flat_network_are_not_flattened():
    with pytest.raises(ConfigError, match=r"flat_levels is 2.* network\.dims to 3"):
        remarks(network={"flat_levels": 2})
    remarks((16, 48, 48), network={"flat_levels": 2, "dims": 3})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "zscore", "percentiles": [5, 95]}, "not to zscore"),
        ({"method": "rescale", "cell_size": 64}, "not to rescale"),
    ],
)
def test_normalization_that_does_not_go_together(settings, words):
    with pytest.raises(ConfigError, match=words):
        make_config(normalization=settings)
