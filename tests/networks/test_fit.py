"""What fits each network, how much memory it takes, and what is refused."""

from __future__ import annotations

import pytest
import torch
from tests.networks.networks import CASES, small

from napari_segtrain.config.network import DIMS_OF
from napari_segtrain.errors import ConfigError, ModelError
from napari_segtrain.image import Image
from napari_segtrain.inference.fit import check_input
from napari_segtrain.networks import (
    build_network,
    check_patch,
    check_slices,
    describe_network,
    estimate_training_bytes,
    fit_patch,
)

VOLUMES = [name for name, dims in DIMS_OF.items() if 3 in dims]


def described(config, n_channels=2):
    return describe_network(config, in_channels=n_channels, n_classes=3)


def memory(config, patch, batch):
    return estimate_training_bytes(config, patch, batch, in_channels=2, n_classes=3)


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_the_patch_that_fits_can_be_trained_on(name, dims):
    config = small(name, dims)
    info = described(config)
    wanted, image = (
        ((1, 33, 50), (1, 70, 70)) if dims == 2 else ((9, 33, 50), (40,) * 3)
    )
    patch = fit_patch(wanted, image, info)
    check_patch(patch, info)
    with torch.device("meta"):
        network = build_network(config, in_channels=2, n_classes=3, seed=None)
        logits = network.train()(torch.empty(2, 2, *patch[-dims:]))
    judged = [n - 2 * m for n, m in zip(patch, info.margin, strict=True)]
    assert list(logits.shape) == [2, 3, *judged[-dims:]]


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_memory_holds_the_weights_and_grows_with_the_batch(name, dims):
    config = small(name, dims)
    info = described(config)
    few, many = (memory(config, info.min_size, batch) for batch in (2, 8))
    assert few > 20 * info.n_parameters
    assert many > few


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_a_patch_that_is_too_small_is_refused_with_the_least(name, dims):
    info = described(small(name, dims))
    z, y, x = info.min_size
    check_patch(info.min_size, info)
    with pytest.raises(ConfigError, match=rf"least {z} × {y} × {x} .* or to auto\.$"):
        check_patch((z, y - info.grid[1], x), info)


@pytest.mark.parametrize("name", VOLUMES)
def test_too_few_slices_are_refused_with_both_numbers(name):
    info = described(small(name, 3))
    least = info.min_size[0]
    check_slices(least, info)
    message = (
        rf"at least {least} slices, but the thinnest has {least - 1}; set network\."
    )
    with pytest.raises(ConfigError, match=message):
        check_slices(least - 1, info)


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_other_channels_and_dimensions_are_refused(name, dims):
    info = described(small(name, dims))
    shape, axes = ((4, 8, 8), "ZYX") if dims == 3 else ((8, 8), "YX")
    image = Image(torch.zeros(shape).numpy(), axes, name="one")
    with pytest.raises(ModelError, match=r"trained on 2 channels.*has 1 channel"):
        check_input(image, info.dims, info.in_channels, ())
    if dims == 3:
        flat = Image(torch.zeros(2, 8, 8).numpy(), "CYX", name="flat")
        with pytest.raises(ModelError, match="without Z"):
            check_input(flat, info.dims, info.in_channels, ())
