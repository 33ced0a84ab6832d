import numpy as np
import pytest
import torch

from napari_segtrain.config import UNetConfig
from napari_segtrain.errors import ConfigError
from napari_segtrain.networks import build_network, describe_network, network_names
from napari_segtrain.networks.blocks import to_blocks, to_channels

SIZES = {2: (1, 48, 40), 3: (24, 16, 32)}


def unet_config(dims=2, depth=2, first_filters=4, stem=1, **settings):
    sizes = {"dims": dims, "depth": depth, "first_filters": first_filters}
    return UNetConfig(stem=stem, **sizes, **settings)


def build(config, *, seed=0):
    network = build_network(config, in_channels=1, n_classes=2, seed=seed)
    return network.eval()


def spatial(shape, dims):
    return shape[-dims:]


@pytest.mark.parametrize(
    ("depth", "first_filters", "expected"), [(3, 32, 1_925_058), (4, 64, 31_030_658)]
)
def test_parameters_of_the_plain_unet(depth, first_filters, expected):
    config = unet_config(depth=depth, first_filters=first_filters, norm="none")
    info = describe_network(config, in_channels=1, n_classes=2)
    assert info.n_parameters == expected


def test_described_parameters_are_those_of_the_built_network():
    config = unet_config(3, 2, 4, norm="group")
    info = describe_network(config, in_channels=3, n_classes=4)
    network = build_network(config, in_channels=3, n_classes=4, seed=0)
    assert info.n_parameters == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("stem", [1, 2])
@pytest.mark.parametrize("norm", ["batch", "instance", "group", "none"])
def test_logits_have_the_size_of_the_image(dims, stem, norm):
    config = unet_config(dims, stem=stem, norm=norm, dropout=0.3)
    network = build_network(config, in_channels=2, n_classes=3, seed=0)
    size = spatial(SIZES[dims], dims)
    logits = network(torch.zeros(2, 2, *size))
    assert logits.shape == (2, 3, *size)


@pytest.mark.parametrize("dims", [2, 3])
def test_the_smallest_sizes_pass(dims):
    config = unet_config(dims)
    info = describe_network(config, in_channels=1, n_classes=2)
    image = torch.zeros(1, 1, *spatial(info.grid, dims))
    assert build(config)(image).isfinite().all()


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("norm", ["batch", "instance", "group", "none"])
def test_the_smallest_patch_can_be_trained_on(dims, norm):
    config = unet_config(dims, norm=norm)
    info = describe_network(config, in_channels=1, n_classes=2)
    image = torch.zeros(1, 1, *spatial(info.min_size, dims))
    assert build(config).train()(image).isfinite().all()


def test_only_convolutions_without_norm_have_a_bias():
    for norm, expected in (("none", True), ("batch", False)):
        network = build(unet_config(norm=norm))
        convs = [
            m for m in network.encoders.modules() if isinstance(m, torch.nn.Conv2d)
        ]
        assert convs
        assert all((conv.bias is not None) == expected for conv in convs)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(("kernel_size", "stem"), [(3, 1), (5, 1), (3, 2)])
def test_receptive_field_is_what_the_gradient_sees(dims, kernel_size, stem):
    depth = 2 if dims == 2 and kernel_size == 3 and stem == 1 else 1
    config = unet_config(dims, depth, 1, stem, kernel_size=kernel_size, norm="none")
    info = describe_network(config, in_channels=1, n_classes=2)
    expected = spatial(info.radius, dims)
    assert measured_reach(build(config), spatial(info.grid, dims), expected) == expected


def measured_reach(network, grid, expected):
    """Greatest distance along each axis at which an input voxel has an effect.

    Max pooling hides voxels that are not the greatest, hence several images.
    """
    for weight in network.parameters():
        torch.nn.init.constant_(weight, 0.1)
    grid, expected = np.array(grid), np.array(expected)
    center = -(-(expected + 2) // grid) * grid
    generator = torch.Generator().manual_seed(0)
    reach = np.zeros(len(grid), int)
    for phase in range(max(grid)):
        images = torch.rand(8, 1, *(2 * center + grid), generator=generator)
        images.requires_grad_()
        network(images)[(slice(None), 0, *(center + phase))].sum().backward()
        seen = torch.nonzero(images.grad.abs().sum(dim=(0, 1))).numpy()
        reach = np.maximum(reach, np.abs(seen - center - phase).max(axis=0))
    return tuple(int(n) for n in reach)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_shift_on_the_grid_shifts_the_result(dims):
    config = unet_config(dims, 1, 4)
    info = describe_network(config, in_channels=1, n_classes=2)
    grid = np.array(spatial(info.grid, dims))
    margin = np.array(spatial(info.radius, dims)) + grid
    network = build(config)
    image = torch.rand(1, 1, *(2 * margin + 2 * grid))
    moved = image.roll(tuple(grid), dims=tuple(range(2, 2 + dims)))
    inside = tuple(slice(n, n + 2 * step) for n, step in zip(margin, grid, strict=True))
    shifted = tuple(slice(part.start + 2, part.stop + 2) for part in inside)
    with torch.inference_mode():
        expected, got = network(image), network(moved)
    torch.testing.assert_close(got[(..., *shifted)], expected[(..., *inside)])


def test_seed_decides_the_weights_and_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    first, same, other = (build(unet_config(), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    for left, right in zip(first.parameters(), same.parameters(), strict=True):
        assert torch.equal(left, right)
    assert not torch.equal(first.head.weight, other.head.weight)


def test_without_a_seed_the_global_generator_decides():
    torch.manual_seed(3)
    first = build(unet_config(), seed=None)
    second = build(unet_config(), seed=None)
    assert not torch.equal(first.head.weight, second.head.weight)


@pytest.mark.parametrize(
    ("norm", "is_local"),
    [("batch", True), ("none", True), ("instance", False), ("group", False)],
)
def test_which_networks_are_local(norm, is_local):
    info = describe_network(unet_config(norm=norm), in_channels=1, n_classes=2)
    assert info.is_local is is_local


def test_sizes_of_a_two_dimensional_network_are_flat():
    info = describe_network(unet_config(2, 3), in_channels=1, n_classes=2)
    assert (info.grid, info.min_size) == ((1, 8, 8), (1, 16, 16))
    assert info.receptive_field[0] == 1


@pytest.mark.parametrize(
    "setting", [{"dims": "auto"}, {"depth": "auto"}, {"first_filters": "auto"}]
)
def test_an_open_setting_is_refused(setting):
    config = unet_config().model_copy(update=setting)
    name = next(iter(setting))
    with pytest.raises(ConfigError, match=f"network.{name}"):
        build_network(config, in_channels=1, n_classes=2, seed=0)
    with pytest.raises(ConfigError, match=f"network.{name}"):
        describe_network(config, in_channels=1, n_classes=2)


def test_the_registry_knows_the_unet():
    assert "unet" in network_names()


@pytest.mark.parametrize("shape", [(2, 3, 8, 12), (1, 2, 4, 6, 8)])
def test_blocks_become_channels_and_back(shape):
    image = torch.randn(shape)
    block = (2, 2, 2)
    channels = to_channels(image, block)
    torch.testing.assert_close(to_blocks(channels, block), image, rtol=0, atol=0)
    if image.dim() == 4:
        expected = torch.nn.functional.pixel_unshuffle(image, 2)
        torch.testing.assert_close(channels, expected, rtol=0, atol=0)
