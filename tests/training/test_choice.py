from dataclasses import replace

import numpy as np
import pytest
from tests.training.tasks import disks, make_config

from napari_segtrain.config import parse_experiment
from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.facts import gather_facts
from napari_segtrain.data.files import make_sample
from napari_segtrain.errors import ConfigError
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.training.choice import Stack, choose_network, choose_view
from napari_segtrain.training.defaults import complete_network

CUBIC = Stack(
    n_slices=40, ratio=1.0, change_ratio=1.0, continuity=0.9, n_used=40, n_total=40
)
SECTIONS = Stack(
    n_slices=20, ratio=10.9, change_ratio=6.4, continuity=0.78, n_used=20, n_total=20
)


@pytest.mark.parametrize(
    ("stack", "view", "reason"),
    [
        (replace(CUBIC, n_slices=1), "2D", "flat"),
        (replace(CUBIC, n_slices=2), "2D", "2 slices is too thin"),
        (replace(CUBIC, n_slices=11), "2D", "11 slices is too thin"),
        (replace(SECTIONS, n_slices=11), "2D", "11 slices is too thin"),
        (replace(CUBIC, n_slices=12), "3D", "not longer in z"),
        (CUBIC, "3D", "not longer in z"),
        (replace(CUBIC, ratio=2.2), "3D", "2.2 times longer"),
        (replace(CUBIC, ratio=3.0), "3D", "3.0 times longer"),
        (replace(CUBIC, ratio=3.1), "2.5D", "3.1 times thicker"),
        (replace(CUBIC, ratio=0.5), "3D", "not longer"),
        (SECTIONS, "2.5D", "10.9 times thicker than pixels are wide"),
        (SECTIONS, "2.5D", "but 78% of a class recur in the next slice"),
        (replace(SECTIONS, continuity=0.5), "2.5D", "50% of a class"),
        (replace(SECTIONS, continuity=0.49), "2D", "10.9 times thicker"),
        (replace(SECTIONS, continuity=0.49), "2D", "hardly go on"),
        (replace(SECTIONS, continuity=None), "2D", "hardly go on"),
        (replace(SECTIONS, ratio=None, continuity=0.4), "2D", "6.4 times as often"),
        (replace(CUBIC, continuity=0.1), "3D", "not longer in z"),
        (replace(SECTIONS, ratio=None), "2.5D", "labels change 6.4 times as often"),
        (replace(SECTIONS, ratio=1.0), "3D", "not longer in z"),
        (replace(CUBIC, ratio=None), "3D", "unknown voxel size"),
        (replace(CUBIC, ratio=None, change_ratio=3.1), "2.5D", "3.1 times as often"),
        (replace(CUBIC, ratio=None, change_ratio=None), "2D", "too sparse to tell"),
        (replace(CUBIC, n_used=20), "3D", "not longer"),
        (replace(CUBIC, n_used=19), "2D", "19 of 40 slices hold labels"),
        (replace(SECTIONS, n_used=9), "2D", "9 of 20 slices hold labels"),
    ],
)
def test_what_a_network_sees(stack, view, reason):
    chosen, why = choose_view(stack)
    assert chosen == view
    assert reason in why


def facts_of(shape=(24, 64, 64), voxel_size=None, painted=None):
    image, labels = disks(shape, 0)
    if painted is not None:
        keep = np.zeros(shape[0], bool)
        keep[list(painted)] = True
        labels[~keep] = 0
    axes = "ZYX"[-len(shape) :]
    sample = make_sample(
        Image(image, axes, voxel_size), LabelImage(labels, axes, voxel_size)
    )
    return gather_facts(Dataset((sample,)), make_config())


def chosen(facts, **network):
    config = make_config(network={"dims": "auto", **network}).network
    return choose_network(config, facts)


@pytest.mark.parametrize(
    ("facts", "name", "dims", "why"),
    [
        ({"shape": (96, 96)}, "unet", 2, "2D: the images are flat"),
        ({}, "unet", 3, "3D: a volume of unknown voxel size"),
        ({"voxel_size": (1.0, 0.9, 0.9)}, "unet", 3, "3D: voxels are only 1.1 times"),
        (
            {"voxel_size": (1.0, 0.1, 0.1)},
            "unet-2.5d",
            3,
            "2.5D: slices are 10.0 times",
        ),
        ({"painted": [3, 9, 15]}, "unet", 2, "2D: 3 of 24 slices"),
    ],
)
def test_the_choice_from_facts(facts, name, dims, why):
    network, text = chosen(facts_of(**facts))
    assert (network.name, network.dims) == (name, dims)
    assert text.startswith(why)


def test_the_thinnest_image_decides():
    facts = facts_of(voxel_size=(1.0, 1.0, 1.0))
    mixed = replace(facts, shapes=((24, 64, 64), (1, 64, 64)))
    assert chosen(mixed)[0].dims == 2


def test_settings_of_a_unet_are_kept_with_neighbors():
    sections = facts_of(voxel_size=(1.0, 0.1, 0.1))
    network, _ = chosen(sections, depth=3, first_filters=12, residual=True)
    assert (network.depth, network.first_filters, network.residual) == (3, 12, True)


def test_flat_levels_ask_for_volumes():
    sections = facts_of(voxel_size=(1.0, 0.1, 0.1))
    network, why = chosen(sections, flat_levels=2)
    assert (network.name, network.dims, network.flat_levels) == ("unet", 3, 2)
    assert "takes volumes" in why


@pytest.mark.parametrize(
    ("name", "dims"), [("segnet", 2), ("dynunet", 2), ("deepem3d", 3)]
)
def test_networks_without_neighbors_see_slices(name, dims):
    sections = facts_of(voxel_size=(1.0, 0.1, 0.1))
    values = {"network": {"name": name, "dims": "auto"}}
    network, _ = choose_network(
        parse_experiment(values, source="test").network, sections
    )
    assert (network.name, network.dims) == (name, dims)


def test_what_is_asked_for_is_done():
    sections = facts_of(voxel_size=(1.0, 0.1, 0.1))
    for dims in (2, 3):
        network, why = chosen(sections, dims=dims)
        assert (network.name, network.dims) == ("unet", dims)
        assert "as asked for" in why


def test_volumes_are_not_made_of_flat_images():
    with pytest.raises(ConfigError, match="--stack"):
        chosen(facts_of((96, 96)), dims=3)


@pytest.mark.parametrize(
    ("ratio", "n_flat"), [(0.5, 0), (1.0, 0), (1.4, 0), (2.2, 1), (4.0, 2), (50.0, 3)]
)
def test_in_plane_levels_make_voxels_cubic(ratio, n_flat):
    config = make_config(network={"dims": 3, "depth": 3}).network
    complete = complete_network(config, voxel_size=(ratio, 1.0, 1.0), is_cpu=True)
    assert complete.flat_levels == n_flat
