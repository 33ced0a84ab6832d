"""Heads at the coarser levels, for training only."""

from __future__ import annotations

import pytest
import torch
from tests.networks.networks import small

from napari_segtrain.errors import ConfigError
from napari_segtrain.networks import build_network, describe_network, supervised

CASES = [
    ("unet", 2, {"depth": 3, "stem": 2}),
    ("unet", 2, {"depth": 3, "padding": "valid"}),
    ("unet", 3, {"flat_levels": 1, "first_filters": 2}),
    ("unet-2.5d", 3, {"padding": "valid"}),
    ("unet-3d", 3, {"flat_levels": 1, "first_filters": 2}),
    ("dynunet", 2, {"depth": 3}),
    ("dynunet", 3, {"flat_levels": 1, "first_filters": 2}),
]


def built(config):
    network = build_network(config, in_channels=1, n_classes=3, seed=0)
    return network, supervised(network, config, n_classes=3)


@pytest.mark.parametrize(("name", "dims", "settings"), CASES)
def test_each_coarser_level_gives_logits_of_the_same_voxels(name, dims, settings):
    config = small(name, dims, deep_supervision=True, **settings)
    info = describe_network(config, in_channels=1, n_classes=3)
    network, trained = built(config)
    image = torch.randn(2, 1, *info.min_size[-dims:])
    levels = trained(image)
    assert len(levels) == config.depth
    assert len({level.shape for level in levels}) == 1
    # every level sees its own place: its gradient stays around the voxel
    for level in levels:
        level.sum().backward(retain_graph=True)
    assert all(head.weight.grad.abs().sum() > 0 for head in trained.heads)
    # the network is what it would be without
    assert info.n_parameters == sum(p.numel() for p in network.parameters())
    plain, _ = built(config.model_copy(update={"deep_supervision": False}))
    assert plain.state_dict().keys() == network.state_dict().keys()


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_coarse_map_lies_where_the_image_is(padding):
    config = small("unet", 2, deep_supervision=True, padding=padding, norm="none")
    info = describe_network(config, in_channels=1, n_classes=3)
    _, trained = built(config)
    side = info.min_size[1] + 16
    for weight in trained.parameters():
        torch.nn.init.constant_(weight, 0.1)
    image = torch.rand(8, 1, side, side, requires_grad=True)
    coarse = trained(image)[1]
    middle = coarse.shape[2] // 2
    around = coarse[:, 0, middle - 1 : middle + 1, middle - 1 : middle + 1]
    around.sum().backward()
    seen = image.grad.abs().sum(dim=(0, 1, 3)).nonzero().flatten()
    assert float(seen.double().mean()) == pytest.approx((side - 1) / 2, abs=2)


def test_one_step_down_has_no_coarser_level():
    config = small("unet", 2, depth=1, deep_supervision=True)
    with pytest.raises(ConfigError, match=r"network\.depth to 2 or more"):
        built(config)
