"""How training patches are varied, as a person sets it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_segtrain.config.base import Auto, Config

Preset = Literal["none", "light", "deepmib", "cdeep3m", "strong"]
Interpolation = Literal["linear", "cubic"]

Probability = Annotated[float, Field(ge=0, le=1)]
_Angle = Annotated[float, Field(ge=0, le=180)]
_Shear = Annotated[float, Field(ge=0, le=45)]
_Factor = Annotated[float, Field(ge=1, le=2)]
_Gamma = Annotated[float, Field(ge=1, le=4)]
_Reduction = Annotated[float, Field(ge=1, le=8)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Strength = Annotated[float, Field(ge=0, le=2)]
_Sigma = Annotated[float, Field(ge=0, le=4)]
_Voxels = Annotated[float, Field(ge=0, le=64)]
_Spacing = Annotated[float, Field(ge=4, le=256)]


class GeometryConfig(Config):
    """Reflections, turns and warps; auto is the preset's."""

    flip_probability: Probability | Auto = "auto"
    """Probability of a reflection, for each axis."""

    turn_probability: Probability | Auto = "auto"
    """Probability of a turn by 0, 90, 180 or 270 degrees in the plane; with reflections
    of all axes these are the 16 orientations of CDeep3M."""

    rotation_probability: Probability | Auto = "auto"
    """Share of the patches of a warped batch that are rotated freely."""

    scale_probability: Probability | Auto = "auto"
    """Share of the patches of a warped batch that are enlarged or shrunk."""

    axis_scale_probability: Probability | Auto = "auto"
    """Share of the patches of a warped batch that are stretched along each axis."""

    max_axis_scale: _Factor | Auto = "auto"
    """Greatest factor by which an axis is stretched or compressed."""

    shear_probability: Probability | Auto = "auto"
    """Share of the patches of a warped batch that are sheared."""

    max_shear: _Shear | Auto = "auto"
    """Greatest angle of shear, in degrees."""

    elastic_probability: Probability | Auto = "auto"
    """Share of the patches of a warped batch that are bent."""

    max_displacement: _Voxels | Auto = "auto"
    """Greatest displacement of a bent patch, in voxels; a third of the spacing or more
    folds the image."""

    elastic_spacing: _Spacing | Auto = "auto"
    """Distance of the points that are displaced, in voxels; a smooth field lies
    between them."""

    interpolation: Interpolation | Auto = "auto"
    """Of warped images; cubic is sharper and slower, and of warps in depth it is
    linear. Labels take the nearest voxel."""

    in_depth: bool | Auto = "auto"
    """Rotate, scale, shear and bend volumes in depth, too, where voxels are known to be
    about as long in z as in the plane."""


class IntensityConfig(Config):
    """Changes of the intensities; auto is the preset's."""

    brightness_probability: Probability | Auto = "auto"
    """Share of the patches whose brightness is changed."""

    contrast_probability: Probability | Auto = "auto"
    """Share of the patches whose contrast is changed."""

    gamma_probability: Probability | Auto = "auto"
    """Share of the patches with a power law between their darkest and brightest
    voxel."""

    max_gamma: _Gamma | Auto = "auto"
    """Greatest exponent, and one over the smallest."""

    noise_probability: Probability | Auto = "auto"
    """Share of the patches with Gaussian noise."""

    poisson_probability: Probability | Auto = "auto"
    """Share of the patches with noise that grows with the square root of the
    intensity."""

    poisson: _Strength | Auto = "auto"
    """Greatest standard deviation of that noise at the brightest voxel, in normalized
    units."""

    blur_probability: Probability | Auto = "auto"
    """Share of the patches that are blurred in the plane."""

    max_blur: _Sigma | Auto = "auto"
    """Greatest standard deviation of the blur, in voxels."""

    sharpen_probability: Probability | Auto = "auto"
    """Share of the patches that are sharpened in the plane."""

    sharpening: _Strength | Auto = "auto"
    """Greatest factor by which fine detail is added."""

    low_resolution_probability: Probability | Auto = "auto"
    """Share of the patches that are shown as if pixels were larger."""

    max_reduction: _Reduction | Auto = "auto"
    """Greatest factor by which pixels are larger."""

    cutout_probability: Probability | Auto = "auto"
    """Share of the patches with a box of one grey value; its labels stay."""

    cutout: _Share | Auto = "auto"
    """Greatest length of the box, as a share of the patch along each axis."""


class ColorConfig(Config):
    """Changes of color, for images of three channels only; auto is the preset's."""

    hue_probability: Probability | Auto = "auto"
    """Share of the patches whose hues are turned."""

    max_hue: _Angle | Auto = "auto"
    """Greatest turn of the hues, in degrees."""

    saturation_probability: Probability | Auto = "auto"
    """Share of the patches whose saturation is changed."""

    saturation: _Share | Auto = "auto"
    """Saturation is multiplied by up to 1 + this or divided by it."""


class StackConfig(Config):
    """Faults of serial sections, for volumes only; auto is the preset's."""

    shift_probability: Probability | Auto = "auto"
    """Share of the patches whose slices, or all from one slice on, are shifted against
    each other, labels included."""

    max_shift: _Voxels | Auto = "auto"
    """Greatest shift of a slice along Y and X, in voxels."""

    missing_probability: Probability | Auto = "auto"
    """Share of the patches in which one slice is a single grey; its labels stay."""

    jump_probability: Probability | Auto = "auto"
    """Share of the patches whose slices differ in brightness."""

    jump: _Strength | Auto = "auto"
    """Greatest difference in brightness, in units of the normalized intensity."""


class AugmentationConfig(Config):
    """Random changes of the training patches, made batch-wise on the device."""

    preset: Preset | Auto = "auto"
    """What auto means below: none, light, after DeepMIB, after CDeep3M, or
    strong. Itself, auto is strong for up to three flat images with labels, else
    deepmib. What is given here comes before the preset."""

    flips: bool | Auto = "auto"
    """Mirror along each axis."""

    rotations: bool | Auto = "auto"
    """Turn in the plane by multiples of 90 degrees (square patches)."""

    affine_probability: Probability | Auto = "auto"
    """Share of the batches that are warped: rotated, scaled, stretched, sheared or
    bent."""

    max_rotation: _Angle | Auto = "auto"
    """Greatest angle of free rotation, in degrees."""

    max_scale: _Factor | Auto = "auto"
    """Greatest factor of enlargement or shrinking."""

    brightness: _Strength | Auto = "auto"
    """Greatest shift, in units of the normalized intensity."""

    contrast: _Share | Auto = "auto"
    """Intensities are multiplied by up to 1 + contrast or divided by it."""

    noise: _Share | Auto = "auto"
    """Greatest standard deviation of Gaussian noise, in normalized units."""

    geometry: GeometryConfig = GeometryConfig()
    """Reflections, turns and warps."""

    intensity: IntensityConfig = IntensityConfig()
    """Gamma, noise, blur, sharpening, low resolution, cutout."""

    color: ColorConfig = ColorConfig()
    """Hue and saturation of images with three channels."""

    stack: StackConfig = StackConfig()
    """Shifted, missing and uneven slices of volumes."""
