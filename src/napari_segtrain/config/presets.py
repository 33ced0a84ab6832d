"""Augmentation with nothing left to choose, and the presets behind ``auto``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from napari_segtrain.config.augmentation import (
    AugmentationConfig,
    Interpolation,
    Preset,
)
from napari_segtrain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Geometry:
    """Reflections, turns and warps; see `GeometryConfig`."""

    flip_probability: float = 0.5
    turn_probability: float = 1.0
    rotation_probability: float = 0.0
    scale_probability: float = 0.0
    axis_scale_probability: float = 0.0
    max_axis_scale: float = 1.1
    shear_probability: float = 0.0
    max_shear: float = 10.0
    elastic_probability: float = 0.0
    max_displacement: float = 8.0
    elastic_spacing: float = 32.0
    interpolation: Interpolation = "linear"
    in_depth: bool = False


@dataclass(frozen=True)
class Intensity:
    """Changes of the intensities; see `IntensityConfig`."""

    brightness_probability: float = 0.0
    contrast_probability: float = 0.0
    gamma_probability: float = 0.0
    max_gamma: float = 1.5
    noise_probability: float = 0.0
    poisson_probability: float = 0.0
    poisson: float = 0.3
    blur_probability: float = 0.0
    max_blur: float = 1.0
    sharpen_probability: float = 0.0
    sharpening: float = 0.5
    low_resolution_probability: float = 0.0
    max_reduction: float = 2.0
    cutout_probability: float = 0.0
    cutout: float = 0.25


@dataclass(frozen=True)
class Color:
    """Changes of color; see `ColorConfig`."""

    hue_probability: float = 0.0
    max_hue: float = 20.0
    saturation_probability: float = 0.0
    saturation: float = 0.3


@dataclass(frozen=True)
class StackFaults:
    """Faults of serial sections; see `StackConfig`."""

    shift_probability: float = 0.0
    max_shift: float = 5.0
    missing_probability: float = 0.0
    jump_probability: float = 0.0
    jump: float = 0.5


@dataclass(frozen=True)
class Augmentation:
    """Random changes without ``auto``; see `AugmentationConfig`."""

    flips: bool = False
    rotations: bool = False
    affine_probability: float = 0.0
    max_rotation: float = 15.0
    max_scale: float = 1.2
    brightness: float = 0.2
    contrast: float = 0.25
    noise: float = 0.05
    geometry: Geometry = field(default_factory=Geometry)
    intensity: Intensity = field(default_factory=Intensity)
    color: Color = field(default_factory=Color)
    stack: StackFaults = field(default_factory=StackFaults)


N_COLORS = 3
"""Channels of an image whose colors can be changed."""

_LIGHT = Augmentation(
    flips=True,
    rotations=True,
    affine_probability=0.2,
    geometry=Geometry(rotation_probability=1, scale_probability=1),
    intensity=Intensity(
        brightness_probability=1, contrast_probability=1, noise_probability=1
    ),
)
_DEEPMIB = Augmentation(
    flips=True,
    rotations=True,
    affine_probability=0.5,
    max_rotation=10,
    max_scale=1.1,
    brightness=0.5,
    contrast=0.1,
    noise=0.4,
    geometry=Geometry(
        flip_probability=0.2,
        turn_probability=0.5,
        rotation_probability=0.3,
        scale_probability=0.2,
        axis_scale_probability=0.4,
        shear_probability=0.4,
        interpolation="cubic",
    ),
    intensity=Intensity(
        brightness_probability=0.2,
        contrast_probability=0.2,
        noise_probability=0.2,
        poisson_probability=0.1,
        blur_probability=0.2,
        max_blur=0.5,
    ),
    color=Color(
        hue_probability=0.2, max_hue=11, saturation_probability=0.2, saturation=0.05
    ),
)
_CDEEP3M = Augmentation(
    flips=True,
    rotations=True,
    affine_probability=0.5,
    contrast=0.8,
    noise=0.6,
    geometry=Geometry(
        shear_probability=0.5,
        max_shear=5,
        elastic_probability=0.5,
        max_displacement=10,
        elastic_spacing=44,
    ),
    intensity=Intensity(
        contrast_probability=0.5,
        noise_probability=0.2,
        blur_probability=0.25,
        max_blur=2,
        sharpen_probability=0.25,
        sharpening=0.6,
    ),
)
_STRONG = Augmentation(
    flips=True,
    rotations=True,
    affine_probability=0.6,
    max_rotation=45,
    max_scale=1.4,
    brightness=0.5,
    contrast=0.5,
    noise=0.3,
    geometry=Geometry(
        rotation_probability=0.8,
        scale_probability=0.8,
        axis_scale_probability=0.3,
        max_axis_scale=1.2,
        shear_probability=0.3,
        elastic_probability=0.5,
        in_depth=True,
    ),
    intensity=Intensity(
        brightness_probability=0.5,
        contrast_probability=0.5,
        gamma_probability=0.3,
        max_gamma=1.7,
        noise_probability=0.3,
        poisson_probability=0.2,
        blur_probability=0.2,
        max_blur=1.5,
        sharpen_probability=0.2,
        sharpening=1,
        low_resolution_probability=0.2,
        max_reduction=2.5,
        cutout_probability=0.2,
    ),
    color=Color(hue_probability=0.3, saturation_probability=0.3),
    stack=StackFaults(
        shift_probability=0.15, missing_probability=0.15, jump_probability=0.2
    ),
)
PRESETS: Mapping[Preset, Augmentation] = MappingProxyType(
    {
        "none": Augmentation(),
        "light": _LIGHT,
        "deepmib": _DEEPMIB,
        "cdeep3m": _CDEEP3M,
        "strong": _STRONG,
    }
)
"""By name; deepmib and cdeep3m follow the operations and ranges of these programs,
converted to normalized units. Light and deepmib are compared in
``benchmarks/RESULTS.md``."""

USUAL_PRESET: Preset = "deepmib"
"""What auto is, where nothing speaks for another one."""

_WARPS = ("rotation", "scale", "axis_scale", "shear", "elastic")
_WARP_RANGES = {
    "rotation": ("max_rotation",),
    "scale": ("max_scale",),
    "axis_scale": ("geometry.max_axis_scale",),
    "shear": ("geometry.max_shear",),
    "elastic": ("geometry.max_displacement", "geometry.elastic_spacing"),
}
_SHARE = 0.2
_WAKES: dict[str, tuple[float, tuple[str, ...]]] = {
    "flips": (1, ("geometry.flip_probability",)),
    "rotations": (1, ("geometry.turn_probability",)),
    "affine_probability": (
        _SHARE,
        (
            *(f"geometry.{name}_probability" for name in _WARPS),
            *(name for names in _WARP_RANGES.values() for name in names),
        ),
    ),
    **{
        f"geometry.{name}_probability": (0.5, names)
        for name, names in _WARP_RANGES.items()
    },
    "intensity.brightness_probability": (_SHARE, ("brightness",)),
    "intensity.contrast_probability": (_SHARE, ("contrast",)),
    "intensity.noise_probability": (_SHARE, ("noise",)),
    "intensity.gamma_probability": (_SHARE, ("intensity.max_gamma",)),
    "intensity.poisson_probability": (_SHARE, ("intensity.poisson",)),
    "intensity.blur_probability": (_SHARE, ("intensity.max_blur",)),
    "intensity.sharpen_probability": (_SHARE, ("intensity.sharpening",)),
    "intensity.low_resolution_probability": (_SHARE, ("intensity.max_reduction",)),
    "intensity.cutout_probability": (_SHARE, ("intensity.cutout",)),
    "color.hue_probability": (_SHARE, ("color.max_hue",)),
    "color.saturation_probability": (_SHARE, ("color.saturation",)),
    "stack.shift_probability": (_SHARE, ("stack.max_shift",)),
    "stack.jump_probability": (_SHARE, ("stack.jump",)),
}
"""Probabilities that a preset may leave at 0, with what they become once one of the
settings behind them is given: a range without a probability would do nothing."""
_ADAPTER = TypeAdapter(Augmentation)


def complete_augmentation(
    config: AugmentationConfig, usual: Preset = USUAL_PRESET
) -> Augmentation:
    """Fill in what the config leaves to its preset.

    A range that is given while the preset never makes that change brings a probability
    of its own, so that no setting is without effect.

    Parameters
    ----------
    config : AugmentationConfig
        As a person gave it.
    usual : Preset
        What the preset ``auto`` is.
    """
    name = usual if config.preset == "auto" else config.preset
    preset = flat_values(asdict(PRESETS[name]))
    given = _given(config)
    woken = {
        path: share
        for path, (share, causes) in _WAKES.items()
        if not preset[path] and any(cause in given for cause in causes)
    }
    if given.get("affine_probability") and not any(_warps(preset | given | woken)):
        names = ("geometry.rotation_probability", "geometry.scale_probability")
        woken |= dict.fromkeys(names, 1.0)
    return _ADAPTER.validate_python(_nested(preset | woken | given))


def ineffective_settings(config: AugmentationConfig) -> dict[str, str]:
    """Settings that a person has given and switched off by another one.

    Returns
    -------
    dict of str to str
        Path of the setting, and of what is off.
    """
    given = _given(config)
    off = {path for path in _WAKES if path in given and not given[path]}
    return {
        cause: switch
        for switch in sorted(off)
        for cause in _WAKES[switch][1]
        if given.get(cause)
    }


def plan_augmentation(
    config: AugmentationConfig,
    *,
    channels: Sequence[str],
    is_2d: bool,
    usual: Preset = USUAL_PRESET,
) -> Augmentation:
    """Fill in what is left to the preset, and leave out what the data do not have.

    A preset changes colors only where there are three channels without names, or named
    red, green and blue.

    Parameters
    ----------
    config : AugmentationConfig
        As a person gave it.
    channels : sequence of str
        Name of each channel, empty where it has none.
    is_2d : bool
        Whether patches are slices.
    usual : Preset
        What the preset ``auto`` is.

    Raises
    ------
    ConfigError
        When a person asks for changes of color of images that have not three channels,
        or for faults of sections where patches are slices.
    """
    given = [path for path, value in _given(config).items() if value]
    color = [path for path in given if path.startswith("color.")]
    stack = [path for path in given if path.startswith("stack.")]
    if color and len(channels) != N_COLORS:
        raise ConfigError(
            f"augmentation.{color[0]} changes colors, but the images have "
            f"{len(channels)} channels, not 3; leave it at auto."
        )
    if stack and is_2d:
        raise ConfigError(
            f"augmentation.{stack[0]} makes faults of stacks, but the network sees one "
            "slice at a time; leave it at auto, or set network.dims to 3."
        )
    complete = complete_augmentation(config, usual)
    is_rgb = [name.lower()[:1] for name in channels] in (["", "", ""], ["r", "g", "b"])
    return complete if color or is_rgb else replace(complete, color=Color())


def _warps(values: Mapping[str, Any]) -> list[float]:
    return [values[f"geometry.{name}_probability"] for name in _WARPS]


def _given(config: AugmentationConfig) -> dict[str, Any]:
    """What a person has set, by path."""
    values = flat_values(config.model_dump(exclude={"preset"}))
    return {path: value for path, value in values.items() if value != "auto"}


def flat_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by path, such as ``geometry.max_shear``."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}": v for inner, v in value.items()}
        else:
            found[name] = value
    return found


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, value in values.items():
        section, _, name = path.rpartition(".")
        (found.setdefault(section, {}) if section else found)[name] = value
    return found
