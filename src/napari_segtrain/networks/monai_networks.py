"""Networks of MONAI."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from monai.networks.nets.attentionunet import AttentionUnet
from monai.networks.nets.basic_unetplusplus import BasicUNetPlusPlus
from monai.networks.nets.dynunet import DynUNet
from monai.networks.nets.flexible_unet import FlexibleUNet
from monai.networks.nets.segresnet import SegResNet
from monai.networks.nets.swin_unetr import SwinUNETR
from monai.networks.nets.unet import UNet
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from napari_segtrain.errors import ConfigError
from napari_segtrain.networks.deep_supervision import Decoder
from napari_segtrain.networks.sizes import (
    depth_of,
    dims_of,
    filters_of,
    flat_levels_of,
)
from napari_segtrain.networks.unet import level_shapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.axes import ZYX
    from napari_segtrain.config import (
        AttentionUNetConfig,
        DynUNetConfig,
        EncoderUNetConfig,
        ResidualUNetConfig,
        SegResNetConfig,
        SwinUNETRConfig,
        UNetPlusPlusConfig,
    )

_MOST_FILTERS = {2: 512, 3: 320}
_NORMS: dict[str, Any] = {
    "batch": "batch",
    "instance": ("instance", {"affine": True}),
    "group": ("group", {"num_groups": 8}),
}
_BATCH_NORMS = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_FIRST_CONV = "conv1.weight"
_CLASSIFIER = {"fc.weight", "fc.bias", "_fc.weight", "_fc.bias"}


class MonaiNetwork(nn.Module):
    """A network of MONAI that gives the logits alone.

    Parameters
    ----------
    network : nn.Module
        From (N, C, [Z], Y, X) to logits, or to a list with the logits at its end.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Compute logits, (N, C, [Z], Y, X) to (N, K, [Z], Y, X)."""
        result = self.network(image)
        logits: torch.Tensor = result[-1] if isinstance(result, list) else result
        return logits


def build_residual_unet(
    config: ResidualUNetConfig, *, in_channels: int, n_classes: int
) -> nn.Module:
    """Build MONAI's UNet with residual units."""
    depth, first = depth_of(config), filters_of(config)
    return MonaiNetwork(
        UNet(
            spatial_dims=dims_of(config),
            in_channels=in_channels,
            out_channels=n_classes,
            channels=[first << n for n in range(depth + 1)],
            strides=[2] * depth,
            num_res_units=2,
            norm=config.norm,
            dropout=config.dropout,
        )
    )


def build_dynunet(
    config: DynUNetConfig, *, in_channels: int, n_classes: int
) -> nn.Module:
    """Build nnU-Net's network."""
    dims = dims_of(config)
    depth, first = depth_of(config), filters_of(config)
    kernels, strides = _dynunet_shapes(config, depth, dims)
    network = DynUNet(
        spatial_dims=dims,
        in_channels=in_channels,
        out_channels=n_classes,
        kernel_size=kernels,
        strides=strides,
        upsample_kernel_size=strides[1:],
        filters=[min(first << n, _MOST_FILTERS[dims]) for n in range(depth + 1)],
        norm_name=_NORMS[config.norm],
        res_block=config.residual,
    )
    # it holds its levels twice, here and in ``skip_layers``, which computes
    for name in ("input_block", "downsamples", "bottleneck", "upsamples"):
        delattr(network, name)
    return DynUNetwork(network, strides)


class DynUNetwork(MonaiNetwork):
    """MONAI's DynUNet, which knows its levels.

    Parameters
    ----------
    network : nn.Module
        The DynUNet.
    strides : sequence of tuple of int
        That lead to its levels, as MONAI takes them.
    """

    def __init__(self, network: nn.Module, strides: Sequence[tuple[int, ...]]) -> None:
        super().__init__(network)
        self._strides = strides

    def coarse_decoders(self) -> list[Decoder]:
        """Levels on the way up but the finest, the finer ones first."""
        network: Any = self.network
        layer, found = network.skip_layers, []
        total: ZYX = (1, 1, 1)
        for stride in self._strides[:-1]:
            steps = (1,) * (len(total) - len(stride)) + stride
            z, y, x = (a * b for a, b in zip(total, steps, strict=True))
            total = (z, y, x)
            found.append(Decoder(layer.upsample, total))
            layer = layer.next_layer
        return found[1:]


def _dynunet_shapes(
    config: DynUNetConfig, depth: int, dims: int
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    shapes = level_shapes(depth, flat_levels_of(config), 3)
    kernels = [kernel[-dims:] for kernel, _ in shapes]
    # in MONAI, a stride belongs to the level that it leads to
    strides = [stride[-dims:] for _, stride in [shapes[-1], *shapes[:-1]]]
    return kernels, strides


def build_segresnet(
    config: SegResNetConfig, *, in_channels: int, n_classes: int
) -> nn.Module:
    """Build SegResNet."""
    return MonaiNetwork(
        SegResNet(
            spatial_dims=dims_of(config),
            init_filters=filters_of(config),
            in_channels=in_channels,
            out_channels=n_classes,
            norm=_NORMS[config.norm],
            dropout_prob=config.dropout or None,
        )
    )


def build_attention_unet(
    config: AttentionUNetConfig, *, in_channels: int, n_classes: int
) -> nn.Module:
    """Build MONAI's AttentionUnet, with batch norm where it mixes instance norm in."""
    depth, first = depth_of(config), filters_of(config)
    dims = dims_of(config)
    network = AttentionUnet(
        spatial_dims=dims,
        in_channels=in_channels,
        out_channels=n_classes,
        channels=[first << n for n in range(depth + 1)],
        strides=[2] * depth,
        dropout=config.dropout,
    )
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.InstanceNorm2d | nn.InstanceNorm3d):
                setattr(parent, name, _BATCH_NORMS[dims](child.num_features))
    return MonaiNetwork(network)


def build_unet_plus_plus(
    config: UNetPlusPlusConfig, *, in_channels: int, n_classes: int
) -> nn.Module:
    """Build MONAI's BasicUNetPlusPlus."""
    first = filters_of(config)
    return MonaiNetwork(
        BasicUNetPlusPlus(
            spatial_dims=dims_of(config),
            in_channels=in_channels,
            out_channels=n_classes,
            features=(first, first, 2 * first, 4 * first, 8 * first, first),
            norm=_NORMS[config.norm],
            dropout=config.dropout,
        )
    )


def build_swin_unetr(
    config: SwinUNETRConfig, *, in_channels: int, n_classes: int
) -> nn.Module:
    """Build SwinUNETR; it computes its drop rates with real numbers, on the CPU."""
    device = torch.get_default_device()
    with torch.device("cpu"):
        network = SwinUNETR(
            spatial_dims=dims_of(config),
            in_channels=in_channels,
            out_channels=n_classes,
            feature_size=filters_of(config),
        )
    return MonaiNetwork(network).to(device)


def build_encoder_unet(
    config: EncoderUNetConfig, *, in_channels: int, n_classes: int
) -> nn.Module:
    """Build MONAI's FlexibleUNet, with weights of the encoder from a file."""
    network = FlexibleUNet(
        in_channels=in_channels,
        out_channels=n_classes,
        backbone=config.encoder,
        pretrained=False,
        spatial_dims=dims_of(config),
    )
    _learn_shortcuts(network.encoder)
    if config.weights and torch.get_default_device().type != "meta":
        load_encoder(network.encoder, Path(config.weights))
    return MonaiNetwork(network)


class PaddedShortcut(nn.Module):
    """Every n-th voxel, with channels of zeros at the end (He 2016, option A).

    MONAI's own cuts the gradient off here, and cannot be exported.

    Parameters
    ----------
    planes : int
        Channels of the result.
    stride : int
        Step along each spatial axis.
    """

    def __init__(self, planes: int, stride: int) -> None:
        super().__init__()
        self.planes = planes
        self.stride = stride

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Turn (N, C, [Z], Y, X) into (N, planes, [Z], Y, X)."""
        steps = (slice(None, None, self.stride),) * (image.dim() - 2)
        fewer = image[(slice(None), slice(None), *steps)]
        n_missing = self.planes - image.shape[1]
        return functional.pad(fewer, (0, 0) * len(steps) + (0, n_missing))


def _learn_shortcuts(encoder: nn.Module) -> None:
    """Let gradients pass the shortcuts of small ResNets."""
    for block in encoder.modules():
        shortcut = getattr(block, "downsample", None)
        if isinstance(shortcut, partial):
            block.downsample = PaddedShortcut(
                shortcut.keywords["planes"], shortcut.keywords["stride"]
            )


def load_encoder(encoder: nn.Module, path: Path) -> None:
    """Take weights from a file; those of the image's channels are adapted.

    Parameters
    ----------
    encoder : nn.Module
        Changed in place.
    path : Path
        ``.safetensors``; names are those of torchvision, the classifier is left out.

    Raises
    ------
    ConfigError
        When the file cannot be read, or its weights are of another network.
    """
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"The weights {path} cannot be read ({error}); set network.weights to a "
            ".safetensors file."
        ) from error
    wanted = encoder.state_dict()
    taken = {name: value for name, value in found.items() if name in wanted}
    first, found_first = wanted.get(_FIRST_CONV), taken.get(_FIRST_CONV)
    if first is not None and found_first is not None:
        taken[_FIRST_CONV] = _adapted(found_first, like=first)
    wrong = [name for name, value in taken.items() if value.shape != wanted[name].shape]
    learned = {name for name, _ in encoder.named_parameters()} - {
        "fc.weight",
        "fc.bias",
    }
    missing = sorted(learned - set(taken))
    if wrong or missing:
        raise ConfigError(
            f"The weights {path} are not those of this encoder: "
            f"{(wrong or missing)[0]} has another shape or is missing; choose the "
            "encoder that they were trained with."
        )
    encoder.load_state_dict(taken, strict=False)


def _adapted(weight: torch.Tensor, *, like: torch.Tensor) -> torch.Tensor:
    """Weights for another number of channels, with the same response to gray."""
    n_channels = like.shape[1]
    if weight.dim() != like.dim() or weight.shape[1] == n_channels:
        return weight
    gray = weight.sum(dim=1, keepdim=True) / n_channels
    return gray.expand(-1, n_channels, *weight.shape[2:]).contiguous()
