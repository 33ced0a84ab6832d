"""What holds for every network of the registry."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.networks.nets.resnet import ResNet
from pydantic import ValidationError
from safetensors.torch import save_file
from tests.networks.networks import CASES, small
from torch.nn import functional

from napari_segtrain.config import (
    DeepEM3DConfig,
    EncoderUNetConfig,
    MuonSolver,
    SegNetConfig,
    UNet3DConfig,
    UNet25DConfig,
    UNetConfig,
)
from napari_segtrain.config.network import DIMS_OF
from napari_segtrain.errors import ConfigError
from napari_segtrain.networks import build_network, describe_network, network_names
from napari_segtrain.networks.geometry import DEEPEM3D_REACH, ENCODER_REACHES
from napari_segtrain.networks.monai_networks import PaddedShortcut
from napari_segtrain.networks.reach import measure_reach
from napari_segtrain.training import defaults
from napari_segtrain.training.optim import build_optimizer
from napari_segtrain.training.schedule import one_cycle

HEAVY = {("swin-unetr", 3), ("encoder-unet", 3)}
LIGHT = [case for case in CASES if case not in HEAVY]
N_ITERATIONS = 150
LOCAL = [case for case in LIGHT if case[0] != "swin-unetr"]


def built(config, *, in_channels=1, n_classes=2):
    return build_network(config, in_channels=in_channels, n_classes=n_classes, seed=0)


def described(config, *, in_channels=1, n_classes=2):
    return describe_network(config, in_channels=in_channels, n_classes=n_classes)


def test_every_network_has_a_config():
    assert set(network_names()) == set(DIMS_OF)


@pytest.mark.parametrize(
    ("config", "channels", "expected"),
    [
        (UNet3DConfig(depth=2, first_filters=32), 1, 4_585_922),
        (UNet3DConfig(depth=3, first_filters=32), 1, 19_073_730),
        (UNet3DConfig(depth=2, first_filters=32, flat_levels=1), 1, 4_031_010),
        (UNet3DConfig(depth=2, first_filters=32, flat_levels=1), 2, 4_031_298),
        (UNet3DConfig(depth=3, first_filters=32, flat_levels=1), 1, 18_518_818),
        (SegNetConfig(dims=2, depth=3, first_filters=32), 1, 94_086),
        (SegNetConfig(dims=2, depth=4, first_filters=64), 1, 520_710),
        (DeepEM3DConfig(dims=2, slices=1), 1, 24_002_804),
        (DeepEM3DConfig(dims=3, slices=3), 1, 24_021_812),
        (DeepEM3DConfig(dims=3, slices=5), 1, 24_040_244),
    ],
)
def test_parameters_are_those_of_the_reference_systems(config, channels, expected):
    config = config.model_copy(update={"dims": 3} if config.dims == "auto" else {})
    assert described(config, in_channels=channels).n_parameters == expected


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_logits_have_the_size_of_the_image(name, dims):
    config = small(name, dims)
    info = described(config, in_channels=2, n_classes=3)
    network = built(config, in_channels=2, n_classes=3)
    assert info.n_parameters == sum(p.numel() for p in network.parameters())
    size = info.min_size[-dims:]
    image = torch.zeros(2, 2, *size)
    with torch.no_grad():
        assert network.eval()(image).shape == (2, 3, *size)
        judged = [n - 2 * m for n, m in zip(size, info.margin[-dims:], strict=True)]
        assert network.train()(image).shape == (2, 3, *judged)


@pytest.mark.parametrize(("name", "dims"), LOCAL)
def test_no_voxel_beyond_the_receptive_field_counts(name, dims):
    config = small(name, dims)
    info = described(config)
    assert info.is_local
    network = built(config).eval()
    for axis in range(3 - dims, 3):
        size = list(info.min_size)
        grid, radius = info.grid[axis], info.radius[axis]
        size[axis] = 2 * -(-(radius + 2 * grid) // grid) * grid
        image = torch.randn(1, 1, *size[-dims:])
        changed, place = image.clone(), size[axis] // 2
        along = axis - (3 - dims) + 2
        changed.narrow(along, 0, place).add_(1)
        with torch.no_grad():
            difference = (network(image) - network(changed)).abs()
        far = difference.narrow(along, place + radius, size[axis] - place - radius)
        assert float(far.max()) < 1e-5


@pytest.mark.parametrize(("name", "dims"), LIGHT)
def test_weights_can_be_written_and_read_back(name, dims, tmp_path):
    network = built(small(name, dims))
    save_file(network.state_dict(), tmp_path / "weights.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dims"), CASES)
def test_one_patch_is_learned_by_heart(name, dims):
    config = small(name, dims)
    info = described(config)
    size = [max(n, 16 if dims == 3 else 64) for n in info.min_size[-dims:]]
    size[0] = info.min_size[0] if info.margin[0] else size[0]
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    image, target = blobs(rng, tuple(size))
    network = built(config).train()
    rate = defaults.LEARNING_RATES["muon"]
    optimizer = build_optimizer(network, MuonSolver(), rate, 0.0)
    judged = tuple(
        slice(m, n - m) for n, m in zip(size, info.margin[-dims:], strict=True)
    )
    truth = target[judged][None]
    best = 0.0
    for iteration in range(N_ITERATIONS):
        for group in optimizer.param_groups:
            group["lr"] = rate * one_cycle(iteration / N_ITERATIONS, iteration)
        logits = network(image)
        loss = functional.cross_entropy(logits, truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        best = max(best, iou(logits.argmax(1), truth))
        if best >= 0.9:
            break
    assert best >= 0.9


def blobs(rng, size):
    """Noise around balls, brighter than what surrounds them."""
    grids = np.meshgrid(*(np.arange(n) for n in size), indexing="ij")
    target = np.zeros(size, bool)
    for _ in range(4):
        center = [rng.uniform(0.2, 0.8) * n for n in size]
        radius = 0.2 * max(size)
        target |= sum((g - c) ** 2 for g, c in zip(grids, center, strict=True)) < (
            radius**2
        )
    noisy = target + rng.normal(0, 0.3, size)
    image = torch.from_numpy(noisy.astype(np.float32))[None, None]
    return image, torch.from_numpy(target.astype(np.int64))


def iou(found, truth):
    both, either = (found & truth).sum(), (found | truth).sum()
    return float(both / either)


def test_neighboring_slices_count_and_those_beyond_do_not():
    config = UNet25DConfig(dims=3, slices=5, depth=1, first_filters=4, stem=1)
    network = built(config).eval()
    image = torch.randn(1, 1, 9, 16, 16)
    for offset, counts in ((0, True), (1, True), (2, True), (3, False)):
        changed = image.clone()
        changed[:, :, 4 + offset] += 1
        with torch.no_grad():
            difference = (network(image) - network(changed))[:, :, 4].abs().max()
        assert bool(difference > 0) == counts


def test_flat_levels_do_not_mix_slices():
    config = UNetConfig(
        dims=3, depth=2, first_filters=4, stem=1, flat_levels=3, norm="none"
    )
    info = described(config)
    assert info.grid == (1, 4, 4)
    assert info.receptive_field[0] == 1
    config = config.model_copy(update={"flat_levels": 1})
    assert described(config).grid == (2, 4, 4)


@pytest.mark.parametrize(
    "setting",
    [
        {"residual": True},
        {"downsampling": "strided"},
        {"activation": "elu"},
        {"activation": "leaky-relu"},
        {"activation": "silu"},
        {"kernel_size": 5},
    ],
)
def test_each_setting_of_the_unet_changes_its_result(setting):
    plain, other = small("unet", 2), small("unet", 2, **setting)
    image = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        before, after = (built(c).eval()(image) for c in (plain, other))
    assert not torch.allclose(before, after)


def test_encoder_weights_come_from_a_file(tmp_path):
    path = tmp_path / "resnet18.safetensors"
    donor = built(EncoderUNetConfig(dims=2), in_channels=3).network.encoder
    state = {k: v.clone() + 0.5 for k, v in donor.state_dict().items()}
    save_file(state, path)
    config = EncoderUNetConfig(dims=2, weights=str(path))
    taken = built(config, in_channels=3).network.encoder.state_dict()
    name = "layer1.0.conv1.weight"
    assert torch.equal(taken[name], state[name])
    gray = built(config, in_channels=1).network.encoder.state_dict()
    assert torch.allclose(
        gray["conv1.weight"].sum(1), state["conv1.weight"].sum(1), atol=1e-5
    )


def test_weights_of_another_encoder_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"conv1.weight": torch.zeros(3)}, path)
    config = EncoderUNetConfig(dims=2, weights=str(path))
    with pytest.raises(ConfigError, match="not those of this encoder"):
        built(config)
    path.write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"other\.safetensors cannot be read"):
        built(config)


@pytest.mark.parametrize("name", [n for n in DIMS_OF if n != "deepem3d"])
def test_what_is_left_open_is_named(name):
    settings = {"first_filters": "auto"} if name != "encoder-unet" else {"dims": "auto"}
    config = small(name, DIMS_OF[name][-1]).model_copy(update=settings)
    with pytest.raises(ConfigError, match="auto"):
        described(config)


def test_bilinear_heads_of_deepem3d_start_as_interpolation():
    network = built(small("deepem3d", 2)).network
    up = network.heads[0].ups[0]
    weights = up.weight[0, 0] * math.sqrt(up.weight.shape[0])
    expected = torch.tensor([0.25, 0.75, 0.75, 0.25])
    assert torch.allclose(weights, expected[:, None] * expected[None])


def test_nnunets_network_has_at_least_two_steps_down():
    with pytest.raises(ValidationError, match="greater than or equal to 2"):
        small("dynunet", 2, depth=1)
    info = described(small("dynunet", 3, flat_levels=2, first_filters=2))
    assert info.grid == (1, 4, 4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "grid", "expected"),
    [
        (DeepEM3DConfig(dims=2, slices=1, width=0.01), 16, DEEPEM3D_REACH),
        (EncoderUNetConfig(dims=2), 32, ENCODER_REACHES["resnet18"]),
    ],
)
def test_reaches_that_are_written_down_are_those_measured(config, grid, expected):
    reach = measure_reach(built(config), (grid, grid), 1)
    assert max(reach) + grid - 1 == expected


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dims", [2, 3])
def test_shortcuts_are_those_of_monai_and_let_gradients_pass(dims, stride):
    image = torch.rand(2, 3, *[8] * dims, requires_grad=True)
    found = PaddedShortcut(7, stride)(image)
    theirs = vars(ResNet)["_downsample_basic_block"]
    expected = theirs(None, image, 7, stride, dims)
    torch.testing.assert_close(found, expected)
    found.sum().backward()
    assert image.grad.sum() == 2 * 3 * (8 // stride) ** dims


def test_small_encoders_have_shortcuts_that_learn():
    network = built(EncoderUNetConfig(dims=2, encoder="resnet18"))
    kinds = [m for m in network.modules() if isinstance(m, PaddedShortcut)]
    assert [(m.planes, m.stride) for m in kinds] == [(128, 2), (256, 2), (512, 2)]
