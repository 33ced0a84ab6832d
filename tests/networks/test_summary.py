"""The table of levels, for every network."""

from __future__ import annotations

import itertools

import pytest
from tests.networks.networks import CASES, small

from napari_segtrain.config import SegNetConfig, UNet3DConfig, UNet25DConfig, UNetConfig
from napari_segtrain.networks import describe_levels, describe_network, fit_patch

_IMAGE = {2: (1, 512, 512), 3: (64, 512, 512)}
_WANTED = {2: (1, 64, 64), 3: (32, 64, 64)}


def levels_of(config, patch, *, n_classes=2):
    return describe_levels(config, in_channels=1, n_classes=n_classes, patch=patch)


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_levels_hold_all_parameters_and_shrink_to_the_grid(name, dims):
    config = small(name, dims)
    info = describe_network(config, in_channels=1, n_classes=2)
    patch = fit_patch(_WANTED[dims], _IMAGE[dims], info)
    levels = levels_of(config, patch)
    assert sum(level.n_parameters for level in levels) == info.n_parameters
    for above, below in itertools.pairwise(levels):
        assert above.size[-1] == below.size[-1] * below.stride[-1]
        assert below.stride[-1] == 2
    deepest = 2 if name == "segnet" else 1  # the last maxima pass no convolution
    assert patch[-1] // levels[-1].size[-1] * deepest == info.grid[-1]
    assert all(min(level.size) >= 1 and level.channels for level in levels)


def test_levels_of_the_unet():
    config = UNetConfig(dims=2, depth=3, first_filters=32, stem=1, norm="none")
    levels = levels_of(config, (1, 64, 48))
    assert [level.size for level in levels] == [
        (1, 64, 48), (1, 32, 24), (1, 16, 12), (1, 8, 6)
    ]  # fmt: skip
    assert [level.channels for level in levels] == [32, 64, 128, 256]
    assert all(level.kernels == ((1, 3, 3),) for level in levels)
    # two convolutions down, an up-convolution, two convolutions up, the head
    finest = (1 * 9 + 1) * 32 + (32 * 9 + 1) * 32
    finest += 64 * 32 * 4 + 32 + (64 * 9 + 1) * 32 + (32 * 9 + 1) * 32 + (32 + 1) * 2
    assert levels[0].n_parameters == finest


def test_flat_levels_and_a_stem_can_be_seen():
    flat = levels_of(UNet3DConfig(dims=3, depth=2, first_filters=4, flat_levels=1),
                     (8, 32, 32))  # fmt: skip
    assert [level.kernels for level in flat] == [((1, 3, 3),), *[((3, 3, 3),)] * 2]
    assert [level.stride for level in flat] == [(1, 1, 1), (1, 2, 2), (2, 2, 2)]
    stem = UNetConfig(dims=2, depth=1, first_filters=4, stem=2)
    assert [level.size for level in levels_of(stem, (1, 32, 32))] == [
        (1, 16, 16), (1, 8, 8)
    ]  # fmt: skip


def test_slices_that_are_looked_at_together_are_no_down_sampling():
    config = UNet25DConfig(dims=3, slices=5, depth=1, first_filters=4, stem=1)
    levels = levels_of(config, (5, 32, 32))
    assert [level.size for level in levels] == [(1, 32, 32), (1, 16, 16)]
    assert [level.stride for level in levels] == [(1, 1, 1), (1, 2, 2)]


def test_all_levels_of_segnet_are_as_wide():
    levels = levels_of(SegNetConfig(dims=2, depth=3, first_filters=8), (1, 32, 32))
    assert [level.channels for level in levels] == [8, 8, 8]
