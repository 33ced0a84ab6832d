"""Which network, and how large."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Discriminator, Field, Tag, model_validator

from napari_segtrain.config.base import UNKNOWN_NAME, Auto, Config
from napari_segtrain.config.kinds import short_form

VOLUMES = 3
"""Dimensions of a network that takes volumes."""

Norm = Literal["batch", "instance", "group", "none"]
Activation = Literal["relu", "leaky-relu", "elu", "silu"]
Dims = Literal[2, 3] | Auto
Depth = Annotated[int, Field(ge=1, le=8)] | Auto
Filters = Annotated[int, Field(ge=1, le=512)] | Auto
Padding = Literal["same", "valid"]
FlatLevels = Annotated[int, Field(ge=0, le=8)] | Auto


class _UNetSettings(Config):
    """What U-Nets of slices, volumes and neighboring slices have in common."""

    name: str

    dims: Dims = "auto"
    """2 segments slice by slice, 3 in volumes; auto chooses from voxel size, slices and
    labels, and takes unet-2.5d where slices are much thicker than pixels are wide."""

    depth: Depth = "auto"
    """Number of down-sampling steps, 1 to 8."""

    stem: Literal[1, 2] | Auto = "auto"
    """2 turns blocks of 2 voxels per axis into channels first, which makes training and
    prediction about four times faster; 1 works at full resolution."""

    first_filters: Filters = "auto"
    """Filters of the first level, 1 to 512; they double at each step down."""

    kernel_size: Literal[3, 5] = 3
    """Width of the convolutions in voxels."""

    padding: Padding = "same"
    """valid uses true voxels only, none made up beyond the border of a patch; patches
    have to be larger and take longer. same keeps the size."""

    norm: Norm = "batch"
    """batch keeps tiled prediction exact; instance and group do not."""

    activation: Activation = "relu"
    """Function after each convolution."""

    residual: bool = False
    """Add the input of each level to the output of its convolutions."""

    downsampling: Literal["max-pool", "strided"] = "max-pool"
    """strided lets a convolution learn how to halve the resolution."""

    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the channels dropped in the deepest level while training."""

    deep_supervision: bool = False
    """Judge the coarser levels as well while training, each half as much as the one
    above; the model is the same without it. Needs a depth of 2 or more."""


class UNetConfig(_UNetSettings):
    """U-Net (Ronneberger 2015; Çiçek 2016 in 3D)."""

    name: Literal["unet"] = "unet"

    flat_levels: FlatLevels = "auto"
    """Levels, from the finest, that work in the plane only, for volumes whose voxels
    are longer in z; auto takes as many as make the voxels about cubic."""


class UNet25DConfig(_UNetSettings):
    """U-Net 2.5D: neighboring slices in, the slice in the middle out."""

    name: Literal["unet-2.5d"] = "unet-2.5d"

    dims: Literal[3] | Auto = "auto"
    """Always 3: it takes volumes."""

    slices: Literal[3, 5, 7, 9] = 3
    """Slices that are looked at for each slice."""


class UNet3DConfig(Config):
    """3D U-Net with f and 2f filters per level (DeepMIB, after Çiçek 2016)."""

    name: Literal["unet-3d"] = "unet-3d"

    dims: Literal[3] | Auto = "auto"
    """Always 3: it takes volumes."""

    depth: Depth = "auto"
    """Number of down-sampling steps, 1 to 8."""

    flat_levels: FlatLevels = "auto"
    """Levels, from the finest, that work in the plane only; 1 is DeepMIB's anisotropic
    U-Net. auto takes as many as make the voxels about cubic."""

    first_filters: Filters = "auto"
    """Filters of the first convolution, 1 to 512."""

    kernel_size: Literal[3, 5] = 3
    """Width of the convolutions in voxels."""

    padding: Padding = "same"
    """valid uses true voxels only, none made up beyond the border of a patch; patches
    have to be larger and take longer. same keeps the size."""

    activation: Activation = "relu"
    """Function after each convolution."""

    deep_supervision: bool = False
    """Judge the coarser levels as well while training, each half as much as the one
    above; the model is the same without it. Needs a depth of 2 or more."""


class SegNetConfig(Config):
    """SegNet (Badrinarayanan 2017): up-sampling by the places of the maxima."""

    name: Literal["segnet"] = "segnet"

    dims: Dims = "auto"
    """2 segments slice by slice, 3 in volumes."""

    depth: Depth = "auto"
    """Number of down-sampling steps, 1 to 8."""

    first_filters: Filters = "auto"
    """Filters of all levels, 1 to 512."""

    kernel_size: Literal[3, 5] = 3
    """Width of the convolutions in voxels."""


class DeepEM3DConfig(Config):
    """DeepEM3D (Zeng 2017; CDeep3M): inception-residual, 2D-3D hybrid."""

    name: Literal["deepem3d"] = "deepem3d"

    dims: Dims = "auto"
    """2 for one slice, 3 for several."""

    slices: Literal[1, 3, 5] | Auto = "auto"
    """Slices that are looked at for each slice: CDeep3M's 1fm, 3fm and 5fm; auto is 3
    for volumes."""

    width: float = Field(1.0, gt=0, le=2)
    """Filters, relative to those of CDeep3M."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        is_known = "auto" not in {self.dims, self.slices}
        if is_known and (self.slices == 1) != (self.dims != VOLUMES):
            raise ValueError(
                "one slice goes with dims 2, and several slices with dims 3"
            )
        return self


class ResidualUNetConfig(Config):
    """Residual U-Net of MONAI (Kerfoot 2018)."""

    name: Literal["residual-unet"] = "residual-unet"

    dims: Dims = "auto"
    """2 segments slice by slice, 3 in volumes."""

    depth: Depth = "auto"
    """Number of down-sampling steps, 1 to 8."""

    first_filters: Filters = "auto"
    """Filters of the first level, 1 to 512; they double at each step down."""

    norm: Literal["batch", "instance"] = "batch"
    """batch keeps tiled prediction exact; instance does not."""

    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the channels dropped while training."""


class DynUNetConfig(Config):
    """nnU-Net's network (Isensee 2021), planned from patch and voxel size."""

    name: Literal["dynunet"] = "dynunet"

    dims: Dims = "auto"
    """2 segments slice by slice, 3 in volumes."""

    depth: Annotated[int, Field(ge=2, le=8)] | Auto = "auto"
    """Number of down-sampling steps, 2 to 8."""

    flat_levels: FlatLevels = "auto"
    """Levels, from the finest, that work in the plane only; auto takes as many as make
    the voxels about cubic."""

    first_filters: Filters = "auto"
    """Filters of the first level, 1 to 512; they double at each step down, up to 320 in
    3D and 512 in 2D."""

    norm: Literal["batch", "instance"] = "batch"
    """batch keeps tiled prediction exact; instance, nnU-Net's own, does not."""

    residual: bool = False
    """Residual blocks."""

    deep_supervision: bool = False
    """Judge the coarser levels as well while training, each half as much as the one
    above; the model is the same without it."""


class SegResNetConfig(Config):
    """SegResNet (Myronenko 2018)."""

    name: Literal["segresnet"] = "segresnet"

    dims: Dims = "auto"
    """2 segments slice by slice, 3 in volumes."""

    first_filters: Filters = "auto"
    """Filters of the first level, 1 to 512; they double at each step down."""

    norm: Literal["batch", "instance", "group"] = "batch"
    """batch keeps tiled prediction exact; instance and group do not."""

    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the channels dropped while training."""


class AttentionUNetConfig(Config):
    """U-Net with attention gates (Oktay 2018)."""

    name: Literal["attention-unet"] = "attention-unet"

    dims: Dims = "auto"
    """2 segments slice by slice, 3 in volumes."""

    depth: Depth = "auto"
    """Number of down-sampling steps, 1 to 8."""

    first_filters: Filters = "auto"
    """Filters of the first level, 1 to 512; they double at each step down."""

    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the channels dropped while training."""


class UNetPlusPlusConfig(Config):
    """U-Net++ (Zhou 2018) with four down-sampling steps."""

    name: Literal["unet++"] = "unet++"

    dims: Dims = "auto"
    """2 segments slice by slice, 3 in volumes."""

    first_filters: Filters = "auto"
    """Filters of the first two levels, 1 to 512; they double from there."""

    norm: Literal["batch", "instance"] = "batch"
    """batch keeps tiled prediction exact; instance does not."""

    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the channels dropped while training."""


class SwinUNETRConfig(Config):
    """Swin UNETR (Hatamizadeh 2022): a transformer as encoder."""

    name: Literal["swin-unetr"] = "swin-unetr"

    dims: Dims = "auto"
    """2 segments slice by slice, 3 in volumes."""

    first_filters: Literal[12, 24, 36, 48] | Auto = "auto"
    """Size of the first features; they double at each step down."""


class EncoderUNetConfig(Config):
    """U-Net with a residual or efficient encoder (MONAI's FlexibleUNet)."""

    name: Literal["encoder-unet"] = "encoder-unet"

    dims: Dims = "auto"
    """2 segments slice by slice, 3 in volumes."""

    encoder: Literal["resnet18", "resnet34", "resnet50", "efficientnet-b0"] = "resnet18"
    """Encoder."""

    weights: str = ""
    """File with weights of the encoder, .safetensors with the names of torchvision;
    empty for none."""


def _name_of(value: Any) -> Any:
    """Name of a network; files need not say that it is a U-Net."""
    if isinstance(value, dict):
        return value.get("name", "unet")
    return getattr(value, "name", None)


NetworkConfig = Annotated[
    Annotated[UNetConfig, Tag("unet")]
    | Annotated[UNet25DConfig, Tag("unet-2.5d")]
    | Annotated[UNet3DConfig, Tag("unet-3d")]
    | Annotated[SegNetConfig, Tag("segnet")]
    | Annotated[DeepEM3DConfig, Tag("deepem3d")]
    | Annotated[ResidualUNetConfig, Tag("residual-unet")]
    | Annotated[DynUNetConfig, Tag("dynunet")]
    | Annotated[SegResNetConfig, Tag("segresnet")]
    | Annotated[AttentionUNetConfig, Tag("attention-unet")]
    | Annotated[UNetPlusPlusConfig, Tag("unet++")]
    | Annotated[SwinUNETRConfig, Tag("swin-unetr")]
    | Annotated[EncoderUNetConfig, Tag("encoder-unet")],
    Discriminator(
        _name_of,
        custom_error_type=UNKNOWN_NAME,
        custom_error_message=(
            "there is no such network; choose unet, unet-2.5d, unet-3d, segnet, "
            "deepem3d, residual-unet, dynunet, segresnet, attention-unet, unet++, "
            "swin-unetr or encoder-unet"
        ),
    ),
    short_form("name"),
]

DIMS_OF: dict[str, tuple[int, ...]] = {
    get_args(model.model_fields["name"].annotation)[0]: tuple(
        number
        for part in get_args(model.model_fields["dims"].annotation)
        for number in get_args(part) or (part,)
        if number != "auto"
    )
    for model in (
        UNetConfig,
        UNet25DConfig,
        UNet3DConfig,
        SegNetConfig,
        DeepEM3DConfig,
        ResidualUNetConfig,
        DynUNetConfig,
        SegResNetConfig,
        AttentionUNetConfig,
        UNetPlusPlusConfig,
        SwinUNETRConfig,
        EncoderUNetConfig,
    )
}
"""Dimensions that the networks can have, by name."""


def asked_dims(config: NetworkConfig) -> int | None:
    """Dimensions that a config leaves no choice about; ``None`` where it does."""
    if config.dims != "auto":
        return config.dims
    if len(DIMS_OF[config.name]) == 1:
        return DIMS_OF[config.name][0]
    if getattr(config, "flat_levels", "auto") not in {"auto", 0}:
        return VOLUMES
    slices = getattr(config, "slices", "auto")
    if slices == "auto":
        return None
    return 2 if slices == 1 else VOLUMES


def wants_volumes(config: NetworkConfig) -> bool:
    """Whether a network is asked for that takes volumes."""
    return asked_dims(config) == VOLUMES


def view_words(config: NetworkConfig) -> str:
    """2D, 2.5D (a slice and its neighbors) or 3D."""
    has_neighbors = getattr(config, "slices", 1) not in {1, "auto"}
    return "2.5D" if has_neighbors else f"{config.dims}D"


def network_words(config: NetworkConfig) -> str:
    """Name and sizes of a network, for people."""
    values = config.model_dump()
    words = {
        "slices": "{} slices",
        "depth": "depth {}",
        "flat_levels": "{} flat levels",
        "first_filters": "{} first filters",
        "encoder": "{}",
    }
    view = view_words(config)
    named = config.name.endswith(view.lower())
    parts = [config.name if named else f"{config.name} {view}"]
    parts += [
        text.format(values[name]) for name, text in words.items() if values.get(name)
    ]
    return ", ".join(parts)
