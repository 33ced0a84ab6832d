"""Stages that compute their inside twice: the same result from less memory."""

from __future__ import annotations

import copy

import pytest
import torch
from tests.networks.networks import CASES, small
from torch import nn

from napari_segtrain.networks import build_network, describe_network
from napari_segtrain.networks.recompute import recompute_stages

SLOW = {("swin-unetr", 3), ("encoder-unet", 3)}
CASES = [
    pytest.param(*case, marks=pytest.mark.slow if case in SLOW else ())
    for case in CASES
]


def kept_bytes(network: nn.Module, image: torch.Tensor) -> int:
    """Step back from a loss; return the bytes kept for that outside of stages."""
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(3)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = network(image).square().mean()
    loss.backward()
    return sum(kept.values())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dims"), CASES)
def test_every_network_steps_the_same_from_less_memory(name, dims):
    config = small(name, dims, **({"dropout": 0.1} if name == "unet" else {}))
    info = describe_network(config, in_channels=1, n_classes=2)
    plain = build_network(config, in_channels=1, n_classes=2, seed=0)
    sparing = copy.deepcopy(plain)
    assert recompute_stages(sparing) > 0
    image = torch.randn(1, 1, *info.min_size[-dims:])
    weights = sum(p.nbytes for p in plain.parameters())
    expected, found = kept_bytes(plain, image), kept_bytes(sparing, image)
    assert found - weights < 0.8 * (expected - weights)
    assert list(plain.state_dict()) == list(sparing.state_dict())
    for (where, a), b in zip(
        plain.state_dict().items(), sparing.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), where
    for a, b in zip(plain.parameters(), sparing.parameters(), strict=True):
        if a.grad is None:
            assert b.grad is None
        else:
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-6)


def test_a_network_without_stages_says_so():
    assert recompute_stages(nn.Sequential(nn.Conv2d(1, 1, 3))) == 0


def test_a_prediction_computes_once():
    network = build_network(small("unet", 2), in_channels=1, n_classes=2, seed=0)
    image = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        expected = network.eval()(image)
        recompute_stages(network)
        assert torch.equal(network(image), expected)
