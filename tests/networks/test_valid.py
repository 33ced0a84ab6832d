"""Networks without padding: true voxels only, and a smaller result."""

from __future__ import annotations

import math

import pytest
import torch
from tests.networks.networks import small

from napari_segtrain.networks import build_network, describe_levels, describe_network

CASES = [
    ("unet", 2, {}),
    ("unet", 2, {"depth": 3, "stem": 2, "residual": True}),
    ("unet", 2, {"depth": 1, "kernel_size": 5, "downsampling": "strided"}),
    ("unet", 3, {"flat_levels": 1, "first_filters": 2}),
    ("unet", 3, {"depth": 1, "stem": 2, "first_filters": 2}),
    ("unet-2.5d", 3, {"slices": 5}),
    ("unet-3d", 3, {"flat_levels": 1, "first_filters": 2}),
    ("unet-3d", 3, {"first_filters": 2}),
]


def pair(name, dims, settings):
    """The same network with and without padding."""
    return small(name, dims, **settings), small(name, dims, **settings, padding="valid")


def built(config):
    return build_network(config, in_channels=1, n_classes=2, seed=0)


def described(config):
    return describe_network(config, in_channels=1, n_classes=2)


@pytest.mark.parametrize(("name", "dims", "settings"), CASES)
def test_the_result_is_the_middle_of_what_padding_gives(name, dims, settings):
    padded, valid = pair(name, dims, settings)
    info = described(valid)
    size = [n + 2 * g for n, g in zip(info.min_size, info.grid, strict=True)][-dims:]
    image = torch.randn(1, 1, *size)
    margin = info.prediction_margin[-dims:]
    inside = tuple(slice(m, n - m) for m, n in zip(margin, size, strict=True))
    with torch.no_grad():
        expected = built(padded).eval()(image)[(..., *inside)]
        found = built(valid).eval()(image)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "dims", "settings"), CASES)
def test_geometry_without_padding(name, dims, settings):
    padded, valid = pair(name, dims, settings)
    before, info = described(padded), described(valid)
    assert info.n_parameters == before.n_parameters
    assert info.receptive_field == before.receptive_field
    assert info.margin[1] == info.prediction_margin[1] > 0
    steps = zip(info.prediction_margin, info.grid, strict=True)
    assert all(margin % grid == 0 for margin, grid in steps)
    assert info.min_result[1:] == info.grid[1:]
    # the smallest patch can be trained on, and gives what is promised
    logits = built(valid).train()(torch.randn(2, 1, *info.min_size[-dims:]))
    sizes = zip(info.min_size, info.margin, strict=True)
    expected = [size - 2 * margin for size, margin in sizes][-dims:]
    assert list(logits.shape[2:]) == expected
    assert logits.isfinite().all()


def test_the_margin_of_the_classical_unet():
    # 572 voxels give 388 (Ronneberger 2015): 92 on each side, 96 on the grid of 16
    config = small("unet", 2, depth=4, padding="valid")
    assert described(config).margin == (0, 96, 96)
    assert described(small("unet", 2)).margin == (0, 0, 0)


def test_levels_are_as_large_as_they_are_computed():
    patch = (1, 64, 64)
    padded, valid = pair("unet", 2, {"depth": 2, "first_filters": 4})
    expected, found = (
        describe_levels(c, in_channels=1, n_classes=2, patch=patch)
        for c in (padded, valid)
    )
    assert [level.n_parameters for level in found] == [
        level.n_parameters for level in expected
    ]
    # 2 voxels are cropped, then each convolution takes 2
    assert [level.size[1] for level in found] == [58, 26, 10]
    assert [level.stride for level in found] == [level.stride for level in expected]
    assert math.prod(found[0].size) < math.prod(expected[0].size)
