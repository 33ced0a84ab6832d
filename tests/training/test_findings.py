from __future__ import annotations

from dataclasses import replace

import pytest
from tests.data.test_classes import table_of
from tests.data.test_tables import dataset
from tests.training.tasks import disks, make_config, make_dataset
from tests.training.test_plan import CPU

from napari_segtrain.cli.options import OPTIONS_OF_SETTINGS
from napari_segtrain.config import ExperimentConfig
from napari_segtrain.config.presets import PRESETS, Color
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.facts import gather_facts
from napari_segtrain.data.files import make_sample
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.training.describe import describe_plan
from napari_segtrain.training.plan import resolve


def plan_of(samples, **sections):
    config = make_config(**sections)
    return resolve(config, gather_facts(samples, config), CPU)


def with_sizes(*sizes):
    samples = make_dataset(len(sizes)).samples
    pairs = zip(samples, sizes, strict=True)
    return Dataset(
        tuple(replace(s, image=replace(s.image, voxel_size=z)) for s, z in pairs)
    )


def warnings(plan, word):
    return [f for f in plan.findings if f.level == "warning" and word in f.text]


def test_samples_of_different_voxel_size_are_named():
    plan = plan_of(with_sizes((0.1, 0.1), (0.1, 0.1004), (0.2, 0.1), (0.3, 0.3)))
    [finding] = warnings(plan, "voxel size")
    assert "disks 0 has 0.1 × 0.1 µm, disks 2 has 0.2 × 0.1 µm" in finding.text
    assert finding.setting == "data.voxel_size"
    assert plan.facts.voxel_size == (0.1, 0.1)


@pytest.mark.parametrize("sizes", [[(0.1, 0.1)] * 2, [None, None], [None, (1.0, 1.0)]])
def test_voxel_sizes_that_do_not_differ(sizes):
    assert not warnings(plan_of(with_sizes(*sizes)), "differ in voxel size")


def test_the_voxel_size_of_the_config_is_that_of_all():
    plan = plan_of(with_sizes((1.0, 1.0), (2.0, 2.0)), data={"voxel_size": (3, 3)})
    assert not warnings(plan, "voxel size")


def test_classes_that_are_not_labelled_are_named():
    table = table_of("dense", v1="class a", v2="class b", v7="class soma")
    plan = plan_of(dataset(table, table), data={"classes": {9: "glia"}})
    [finding] = warnings(plan, "not trained")
    assert "7 soma, 9 glia" in finding.text


def test_names_that_differ_are_told():
    tables = table_of("dense", v1="class axon"), table_of("dense", v1="class glia")
    [finding] = warnings(plan_of(dataset(*tables)), "'glia'")
    assert finding.setting == "data.classes"


def test_what_0_means_when_it_is_a_class():
    plan = plan_of(dataset(table_of("dense", v0="class gap", v1="background")))
    [finding] = [f for f in plan.findings if f.setting == "data.zero"]
    assert finding.text.startswith("0 is class 'gap': 1 of 1 slices")


def test_remedies_hold_for_every_face_and_each_says_where():
    plan = plan_of(make_dataset(1, (40, 40)))
    assert not any("--" in finding.remedy for finding in plan.findings)
    plain, said = describe_plan(plan), describe_plan(plan, OPTIONS_OF_SETTINGS)
    assert not any("--" in line for line in plain)
    assert any("Give it in micrometers (--voxel-size Z,Y,X)." in line for line in said)
    assert len(plain) == len(said)


def test_options_belong_to_settings_that_exist():
    config = ExperimentConfig().model_dump()
    for path in OPTIONS_OF_SETTINGS:
        section, _, name = path.partition(".")
        assert name in config[section]


@pytest.mark.parametrize(
    ("n_images", "preset", "words"),
    [
        (1, "strong", "There is one image with labels"),
        (3, "strong", "There are 3 images only with labels"),
        (4, "deepmib", ""),
    ],
)
def test_patches_of_few_images_are_varied_strongly(n_images, preset, words):
    plan = plan_of(make_dataset(n_images))
    assert plan.augmentation == replace(PRESETS[preset], color=Color())
    texts = [finding.text for finding in plan.findings if "varied" in finding.text]
    assert texts == ([f"{words}, so patches are varied strongly."] if words else [])


def test_a_preset_that_is_asked_for_stays():
    plan = plan_of(make_dataset(1), augmentation={"preset": "light"})
    assert plan.augmentation == replace(PRESETS["light"], color=Color())
    assert not any("varied" in finding.text for finding in plan.findings)


def test_slices_are_varied_as_usual():
    image, labels = disks((3, 64, 64), 0)
    sample = make_sample(Image(image, "ZYX"), LabelImage(labels, "ZYX"))
    plan = plan_of(Dataset((sample,)), network={"dims": 2})
    assert plan.augmentation == replace(PRESETS["deepmib"], color=Color())
