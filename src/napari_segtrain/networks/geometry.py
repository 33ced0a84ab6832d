"""Geometry of each network, without building it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from napari_segtrain.networks import monai_networks as monai
from napari_segtrain.networks.blocks import VOLUME
from napari_segtrain.networks.deepem3d import GRID as DEEPEM3D_GRID
from napari_segtrain.networks.levels import (
    Level,
    receptive_field,
    total_stride,
    valid_border,
)
from napari_segtrain.networks.neighbors import slice_config
from napari_segtrain.networks.reach import measure_reach
from napari_segtrain.networks.segnet import segnet_levels
from napari_segtrain.networks.sizes import depth_of, dims_of, flat_levels_of
from napari_segtrain.networks.spec import Geometry
from napari_segtrain.networks.unet import unet_levels
from napari_segtrain.networks.unet3d import unet3d_levels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from napari_segtrain.axes import ZYX
    from napari_segtrain.config import (
        AttentionUNetConfig,
        Config,
        DeepEM3DConfig,
        DynUNetConfig,
        EncoderUNetConfig,
        ResidualUNetConfig,
        SegNetConfig,
        SegResNetConfig,
        SwinUNETRConfig,
        UNet3DConfig,
        UNet25DConfig,
        UNetConfig,
        UNetPlusPlusConfig,
    )

_LOCAL_NORMS = ("batch", "none")
DEEPEM3D_REACH = 241
ENCODER_REACHES = {
    "resnet18": 318, "resnet34": 608, "resnet50": 318, "efficientnet-b0": 800
}  # fmt: skip
"""What `measure_reach` finds, and the grid less one. It takes 4 s of DeepEM3D and 17 s
of a resnet18, whose widths are fixed, too long to do before each plan; a test compares.
An efficientnet's squeeze-and-excitation looks at the whole image, so its reach is that
of the convolutions."""

_LEAST_DYNUNET_DEPTH = 2
"""MONAI builds no shallower one; z may have fewer steps, and then reaches less far."""

_SEGRESNET_GRID = 8
_UNET_PLUS_PLUS_GRID = 16
_ENCODER_GRID = 32
_SWIN_GRID = 32
_UNBOUNDED = 512
"""Stands for a reach that has no bound, where a number is needed: farther than any
halo."""


def unet_geometry(config: UNetConfig) -> Geometry:
    """Geometry of `UNet`."""
    return _of_levels(
        unet_levels(config),
        dims_of(config),
        is_local=config.norm in _LOCAL_NORMS,
        is_padded=config.padding == "same",
    )


def unet25d_geometry(config: UNet25DConfig) -> Geometry:
    """Geometry of a U-Net of neighboring slices."""
    return _of_slices(unet_geometry(slice_config(config)), config.slices)


def unet3d_geometry(config: UNet3DConfig) -> Geometry:
    """Geometry of `UNet3D`."""
    return _of_levels(
        unet3d_levels(config),
        VOLUME,
        is_local=True,
        is_padded=config.padding == "same",
    )


def segnet_geometry(config: SegNetConfig) -> Geometry:
    """Geometry of `SegNet`."""
    return _of_levels(segnet_levels(config), dims_of(config), is_local=True)


def deepem3d_geometry(config: DeepEM3DConfig) -> Geometry:
    """Geometry of `DeepEM3D`."""
    single = _even(2, DEEPEM3D_GRID, DEEPEM3D_REACH, is_local=True)
    return single if config.slices == 1 else _of_slices(single, int(config.slices))


def residual_unet_geometry(config: ResidualUNetConfig) -> Geometry:
    """Geometry of MONAI's UNet."""
    return _measured(config, monai.build_residual_unet, 1 << depth_of(config))


def dynunet_geometry(config: DynUNetConfig) -> Geometry:
    """Geometry of nnU-Net's network; z is measured as an axis of a plane."""
    depth = depth_of(config)
    dims = dims_of(config)
    n_flat = min(flat_levels_of(config), depth)
    tiny = config.model_copy(update={"dims": 2, "first_filters": 1})
    reach = _reach(tiny, monai.build_dynunet, 1 << depth)
    steps = 1 << depth if dims == VOLUME else 1
    grid: ZYX = (max(1, steps >> n_flat), 1 << depth, 1 << depth)
    z_reach = 0
    if dims == VOLUME:
        steps_in_z = max(_LEAST_DYNUNET_DEPTH, depth - n_flat)
        deep = tiny.model_copy(update={"depth": steps_in_z, "flat_levels": 0})
        z_reach = _reach(deep, monai.build_dynunet, 1 << steps_in_z)
    return Geometry(
        dims=dims,
        grid=grid,
        receptive_field=(2 * z_reach + 1, 2 * reach + 1, 2 * reach + 1),
        min_size=_least(grid),
        is_local=config.norm in _LOCAL_NORMS,
    )


def segresnet_geometry(config: SegResNetConfig) -> Geometry:
    """Geometry of SegResNet."""
    return _measured(config, monai.build_segresnet, _SEGRESNET_GRID)


def attention_unet_geometry(config: AttentionUNetConfig) -> Geometry:
    """Geometry of MONAI's AttentionUnet."""
    return _measured(
        config,
        monai.build_attention_unet,
        1 << depth_of(config),
        first_filters=2,
    )


def unet_plus_plus_geometry(config: UNetPlusPlusConfig) -> Geometry:
    """Geometry of MONAI's BasicUNetPlusPlus."""
    return _measured(config, monai.build_unet_plus_plus, _UNET_PLUS_PLUS_GRID)


def swin_unetr_geometry(config: SwinUNETRConfig) -> Geometry:
    """Geometry of SwinUNETR, which is not local.

    Its instance norms look at all of a tile, and its windows of seven tokens lie where
    the tile begins, not on a grid of the image.
    """
    return _even(dims_of(config), _SWIN_GRID, _UNBOUNDED, is_local=False)


def encoder_unet_geometry(config: EncoderUNetConfig) -> Geometry:
    """Geometry of MONAI's FlexibleUNet."""
    return _even(
        dims_of(config),
        _ENCODER_GRID,
        ENCODER_REACHES[config.encoder],
        is_local=config.encoder.startswith("resnet"),
    )


def _of_levels(
    levels: Sequence[Level], dims: int, *, is_local: bool, is_padded: bool = True
) -> Geometry:
    grid = total_stride(levels)
    margin = (0, 0, 0) if is_padded else valid_border(levels).margin
    return Geometry(
        dims=dims,
        grid=grid,
        receptive_field=receptive_field(levels),
        min_size=_least(grid) if is_padded else _around(grid, margin),
        is_local=is_local,
        margin=margin,
        prediction_margin=margin,
    )


def _of_slices(single: Geometry, slices: int) -> Geometry:
    """Geometry of a network for volumes that sees a slice with its neighbors."""
    _, height, width = single.receptive_field
    return Geometry(
        dims=VOLUME,
        grid=single.grid,
        receptive_field=(slices, height, width),
        min_size=(slices, *single.min_size[1:]),
        is_local=single.is_local,
        margin=(slices // 2, *single.margin[1:]),
        prediction_margin=single.margin,
    )


def _measured(
    config: Config,
    build: Callable[..., nn.Module],
    grid: int,
    *,
    first_filters: int = 1,
) -> Geometry:
    """Geometry of a network that treats all axes alike, from a tiny one in a plane."""
    tiny = config.model_copy(update={"dims": 2, "first_filters": first_filters})
    reach = _reach(tiny, build, grid)
    norm = getattr(config, "norm", "batch")
    dims = dims_of(config)
    return _even(dims, grid, reach, is_local=norm in _LOCAL_NORMS)


@functools.lru_cache(maxsize=64)
def _reach(config: Any, build: Callable[..., nn.Module], grid: int) -> int:
    network = build(config, in_channels=1, n_classes=2)
    return measure_reach(network, (grid, grid), 1)[1] + grid - 1


def _even(dims: int, grid: int, reach: int, *, is_local: bool) -> Geometry:
    """Geometry that is the same along all axes of the input."""
    is_volume = dims == VOLUME
    field = 2 * reach + 1
    steps: ZYX = (grid if is_volume else 1, grid, grid)
    return Geometry(
        dims=dims,
        grid=steps,
        receptive_field=(field if is_volume else 1, field, field),
        min_size=_least(steps),
        is_local=is_local,
    )


def _least(grid: ZYX) -> ZYX:
    # Two by two voxels in the deepest level: norms cannot be trained on a single one.
    return grid[0], 2 * grid[1], 2 * grid[2]


def _around(size: ZYX, margin: ZYX) -> ZYX:
    z, y, x = (n + 2 * width for n, width in zip(size, margin, strict=True))
    return z, y, x
