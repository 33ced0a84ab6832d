from __future__ import annotations

import pytest
import torch
from tests.networks.networks import small

from napari_segtrain.networks import build_network
from napari_segtrain.networks.ensemble import Ensemble


@pytest.mark.parametrize("dims", [2, 3])
@torch.no_grad()
def test_probabilities_are_the_mean_of_those_of_the_members(dims) -> None:
    config = small("unet", dims)
    members = [
        build_network(config, in_channels=1, n_classes=3, seed=seed).eval()
        for seed in range(3)
    ]
    image = torch.rand(2, 1, *[16] * dims)
    found = Ensemble(members).eval()(image).softmax(1)
    expected = torch.stack([member(image).softmax(1) for member in members]).mean(0)
    torch.testing.assert_close(found, expected)


def test_an_ensemble_has_members() -> None:
    with pytest.raises(ValueError, match="at least one member"):
        Ensemble([])(torch.rand(1, 1, 8, 8))
