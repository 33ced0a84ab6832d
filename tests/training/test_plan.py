from dataclasses import replace

import numpy as np
import pytest
from pydantic import TypeAdapter
from tests.training.tasks import disks, make_config, make_dataset

from napari_segtrain.config import ExperimentConfig
from napari_segtrain.config.presets import PRESETS, complete_augmentation
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.facts import gather_facts
from napari_segtrain.data.files import make_sample
from napari_segtrain.errors import ConfigError
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.training.defaults import foreground_share
from napari_segtrain.training.describe import describe_plan
from napari_segtrain.training.machine import Machine, find_machine
from napari_segtrain.training.plan import TrainingPlan, resolve
from napari_segtrain.training.provenance import model_spec
from napari_segtrain.training.run_folder import RunFolder

CPU = Machine("cpu", "test CPU", 8 << 30)


def volume(shape=(24, 64, 64), voxel_size=None, painted=None):
    image, labels = disks(shape, 0)
    if painted is not None:
        keep = np.zeros(shape[0], bool)
        keep[list(painted)] = True
        labels[~keep] = 0
    return Dataset(
        (
            make_sample(
                Image(image, "ZYX", voxel_size), LabelImage(labels, "ZYX", voxel_size)
            ),
        )
    )


def plan_of(dataset, machine=CPU, **sections):
    config = make_config(**sections)
    return resolve(config, gather_facts(dataset, config), machine)


def test_the_plan_says_which_levels_work_in_the_plane():
    plan = plan_of(
        volume(voxel_size=(2.0, 1.0, 1.0)), network={"dims": "auto", "depth": 2}
    )
    assert plan.network.flat_levels == 1
    [text] = [f.text for f in plan.findings if f.setting == "network.dims"]
    assert text == (
        "3D: voxels are only 2.0 times longer in z; the first level works in the plane"
    )


def test_nothing_is_left_open():
    plan = plan_of(
        make_dataset(4),
        network={"depth": "auto", "first_filters": "auto", "stem": "auto"},
        sampling={"patch_size": "auto", "batch_size": "auto"},
    )
    assert "auto" not in plan.network.model_dump().values()
    steps = zip(plan.patch_size, plan.info.grid, strict=True)
    assert all(size % step == 0 for size, step in steps)
    assert plan.batch_size >= 1
    assert plan.memory_bytes > 0


@pytest.mark.parametrize("patch", [(1, 50, 61), (1, 9, 12), (9, 4000, 4000)])
def test_sizes_that_do_not_fit_are_rounded(patch):
    plan = plan_of(make_dataset(4), sampling={"patch_size": patch})
    z, y, x = plan.patch_size
    assert z == 1
    assert (y % plan.info.grid[1], x % plan.info.grid[2]) == (0, 0)
    assert max(y, x) <= 96


def test_a_patch_that_is_too_small_is_refused_with_the_least():
    with pytest.raises(ConfigError, match=r"1 × 7 × 7 .*at least 1 × 16 × 16"):
        plan_of(make_dataset(4), sampling={"patch_size": (1, 7, 7)})


def test_little_memory_shrinks_the_batch_and_is_said():
    plan = plan_of(make_dataset(4), sampling={"batch_size": 16})
    small = plan_of(
        make_dataset(4),
        replace(CPU, memory_bytes=plan.memory_bytes // 3),
        sampling={"batch_size": 16},
    )
    assert small.batch_size < 16
    tiny = plan_of(make_dataset(4), replace(CPU, memory_bytes=1000))
    assert tiny.batch_size == 1
    warnings = [f for f in tiny.findings if f.level == "warning"]
    assert any("GB free" in finding.text and finding.remedy for finding in warnings)


def test_the_plan_says_what_a_person_needs_to_know():
    text = "\n".join(describe_plan(plan_of(volume(painted=[3, 9, 15]))))
    assert "3 of 24 slices used" in text
    assert "voxel size unknown" in text
    assert "judged by their labels" in text
    assert "test CPU" in text
    assert "40 iterations" in text


def test_slices_without_a_label_are_not_counted_as_used():
    dataset = volume()
    labels = np.asarray(dataset.samples[0].labels.array)
    labels[:, :4] = 1
    labels[4:] = 255
    text = "\n".join(describe_plan(plan_of(dataset)))
    assert "255 is unlabelled: 4 of 24 slices used" in text


def test_no_validation_is_said_with_a_remedy():
    dataset = make_dataset(1, (40, 40))
    plan = plan_of(dataset)
    assert not plan.validation
    [finding] = [f for f in plan.findings if "held out" in f.text]
    assert finding.level == "warning"
    assert "no score is claimed" in finding.text
    assert "Label more" in finding.remedy


def test_validation_boxes_lie_in_the_held_out_regions():
    plan = plan_of(make_dataset(6))
    held = {region.pair for region in plan.facts.split.validation}
    assert held
    assert {box.pair for box in plan.validation} == held


def test_a_plan_survives_its_file(tmp_path):
    config = make_config()
    facts = gather_facts(volume(voxel_size=(0.3, 0.1, 0.1)), config)
    plan = resolve(config, facts, CPU)
    folder = RunFolder.create(tmp_path / "run")
    folder.write_start(config, plan)
    assert folder.read_plan() == plan
    assert folder.read_config() == config


def test_the_machine_of_this_test_is_described():
    machine = find_machine("cpu")
    assert machine.is_cpu
    assert machine.memory_bytes > 1 << 20


def test_sparse_labels_are_sampled_as_they_are_painted():
    config = make_config(sampling={"foreground_share": "auto"})
    dense = gather_facts(make_dataset(1), config)
    assert foreground_share(config.sampling, dense) == 0.5
    dataset = make_dataset(1)
    labels = np.asarray(dataset.samples[0].labels.array)
    labels[8:] = 255
    assert foreground_share(config.sampling, gather_facts(dataset, config)) == 0.0
    fixed = make_config(sampling={"foreground_share": 0.3})
    assert foreground_share(fixed.sampling, dense) == 0.3


def test_the_plan_says_what_the_preset_stands_for():
    plan = plan_of(make_dataset(4), augmentation={"preset": "strong", "noise": 0.1})
    assert plan.augmentation.noise == 0.1
    assert plan.augmentation.brightness == PRESETS["strong"].brightness
    values = TypeAdapter(TrainingPlan).dump_python(plan, mode="json")
    assert TypeAdapter(TrainingPlan).validate_python(values) == plan
    del values["augmentation"]
    old = TypeAdapter(TrainingPlan).validate_python(values)
    assert complete_augmentation(old.config.augmentation).noise == 0.1


def test_faults_of_stacks_are_refused_for_slices():
    with pytest.raises(ConfigError, match=r"augmentation\.stack\.jump"):
        plan_of(make_dataset(4), augmentation={"stack": {"jump": 1}})


def plan_with(network: dict[str, object]) -> TrainingPlan:
    """Plan of a volume with a network whose other settings are the defaults."""
    dataset = volume((40, 64, 64))
    config = ExperimentConfig.model_validate({"network": network})
    return resolve(config, gather_facts(dataset, config), CPU)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ({"name": "deepem3d", "slices": 1}, 2),
        ({"name": "deepem3d", "slices": 5}, 3),
        ({"name": "unet-2.5d"}, 3),
        ({"name": "unet-3d"}, 3),
        ({"name": "segnet", "dims": 2}, 2),
    ],
)
def test_a_network_may_decide_the_dimensions(network, expected) -> None:
    assert plan_with(network).info.dims == expected


@pytest.mark.parametrize(("size", "expected"), [((2.0, 0.5, 0.5), 2), ((0.5,) * 3, 0)])
def test_levels_are_flat_until_voxels_are_cubic(size, expected) -> None:
    sections = {"network": {"dims": 3}, "sampling": {"patch_size": "auto"}}
    made = plan_of(volume((40, 64, 64), size), **sections).network
    assert made.flat_levels == expected


def test_a_network_of_slices_has_patches_of_them() -> None:
    plan = plan_with({"name": "unet-2.5d", "slices": 5})
    assert plan.patch_size[0] == 5
    assert plan.info.margin == (2, 0, 0)


def test_a_model_does_not_know_the_file_of_its_first_weights() -> None:
    network = {"name": "encoder-unet", "weights": "first.safetensors"}
    config = ExperimentConfig.model_validate({"network": network})
    plan = resolve(config, gather_facts(make_dataset(2), config), CPU)
    assert plan.network.weights == "first.safetensors"
    assert model_spec(plan).network.weights == ""
