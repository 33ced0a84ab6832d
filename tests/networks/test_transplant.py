"""Weights in a network of other channels and classes, for every network."""

from __future__ import annotations

import pytest
import torch
from tests.networks.networks import CASES, small

from napari_segtrain.networks import build_network, describe_network
from napari_segtrain.networks.transplant import Graft, transplant

MARKED = [
    pytest.param(*case, marks=pytest.mark.slow) if case[0] == "swin-unetr" else case
    for case in CASES
]


def network(config, n_channels, n_classes, seed=0):
    found = build_network(
        config, in_channels=n_channels, n_classes=n_classes, seed=seed
    )
    return found.eval()


def grafted(config, old, channels, classes):
    """A network with weights of another one, which has 2 channels and 3 classes."""
    new = network(config, len(channels), len(classes), seed=1)
    graft = Graft(config, 2, 3, channels, classes)
    new.load_state_dict(transplant(graft, old.state_dict(), new.state_dict()))
    return new


def image_for(config, n_channels):
    info = describe_network(config, in_channels=n_channels, n_classes=3)
    size = [
        max(2 * grid, least)
        for grid, least in zip(info.grid, info.min_size, strict=True)
    ]
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, n_channels, *size[-info.dims :], generator=generator)


@pytest.mark.parametrize(("name", "dims"), MARKED)
@torch.no_grad()
def test_channels_and_classes_in_another_order_give_the_same(name, dims) -> None:
    config = small(name, dims)
    old = network(config, 2, 3)
    image = image_for(config, 2)
    new = grafted(config, old, [1, 0], [0, 2, 1])
    expected = old(image)[:, [0, 2, 1]]
    torch.testing.assert_close(new(image[:, [1, 0]]), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "dims"), MARKED)
@torch.no_grad()
def test_a_new_channel_is_not_seen_at_first(name, dims) -> None:
    config = small(name, dims)
    old = network(config, 2, 3)
    image = image_for(config, 3)
    new = grafted(config, old, [0, None, 1], [0, 1, 2])
    expected = old(image[:, [0, 2]])
    torch.testing.assert_close(new(image), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("stem", "dims"), [(1, 2), (2, 2), (2, 3)])
@torch.no_grad()
def test_known_classes_keep_their_logits_and_new_ones_get_weights(stem, dims) -> None:
    config = small("unet", dims, stem=stem)
    old = network(config, 2, 3)
    image = image_for(config, 2)
    new = grafted(config, old, [0, 1], [0, None, 2, None])
    logits, expected = new(image), old(image)
    torch.testing.assert_close(logits[:, [0, 2]], expected[:, [0, 2]])
    assert logits[:, 1].std() > 0
    assert not torch.equal(logits[:, 1], logits[:, 3])


@torch.no_grad()
def test_channels_of_which_none_is_known_take_the_mean() -> None:
    config = small("unet", 2)
    old = network(config, 2, 3)
    image = image_for(config, 3)
    new = grafted(config, old, [None] * 3, [0, 1, 2])
    gray = image.mean(dim=1, keepdim=True).expand(-1, 2, -1, -1)
    torch.testing.assert_close(new(image), old(gray), rtol=1e-4, atol=1e-4)
