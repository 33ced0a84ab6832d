"""Which part of a network is its encoder, and that it holds still."""

from __future__ import annotations

import pytest
import torch
from tests.networks.networks import CASES, small

from napari_segtrain.networks import build_network, describe_network
from napari_segtrain.training.freezing import FrozenEncoder, encoder_names


def build(name, dims, **settings):
    config = small(name, dims, **settings)
    network = build_network(config, in_channels=1, n_classes=2, seed=0)
    return network, describe_network(config, in_channels=1, n_classes=2)


def test_the_encoder_of_a_unet_ends_with_its_coarsest_level() -> None:
    network, info = build("unet", 2)
    names = encoder_names(network, info)
    assert {name.split(".")[0] for name in names} == {"encoders"}
    weights = [n for n, m in network.encoders.named_modules() if hasattr(m, "weight")]
    assert len(names) == len(weights)


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_every_network_has_an_encoder_and_something_that_still_learns(
    name, dims
) -> None:
    network, info = build(name, dims)
    FrozenEncoder(network, info).set(is_frozen=True)
    learns = [parameter.requires_grad for parameter in network.parameters()]
    assert any(learns)
    assert not all(learns)


@pytest.mark.parametrize(("name", "dims"), [("unet", 2), ("unet", 3), ("unet-3d", 3)])
def test_the_encoder_of_a_network_without_padding(name, dims) -> None:
    network, info = build(name, dims, padding="valid")
    assert encoder_names(network, info)


def test_a_frozen_encoder_keeps_weights_and_statistics_and_learns_again() -> None:
    network, info = build("unet", 2, norm="batch")
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    encoder = FrozenEncoder(network, info)

    def changed(*, is_frozen: bool) -> set[str]:
        before = {n: v.clone() for n, v in network.state_dict().items()}
        network.train()
        encoder.set(is_frozen=is_frozen)
        optimizer.zero_grad(set_to_none=True)
        network(torch.rand(2, 1, 16, 16)).square().mean().backward()
        optimizer.step()
        after = network.state_dict()
        return {
            n.split(".")[0] for n, v in before.items() if not torch.equal(v, after[n])
        }

    assert changed(is_frozen=True) == {"decoders", "ups", "head"}
    assert changed(is_frozen=False) == {"encoders", "decoders", "ups", "head"}


def test_layers_that_see_new_channels_learn_all_the_same() -> None:
    network, info = build("unet", 2)
    FrozenEncoder(network, info, {"encoders.0.0.weight"}).set(is_frozen=True)
    assert network.encoders[0][0].weight.requires_grad
    assert not network.encoders[1][0].weight.requires_grad
