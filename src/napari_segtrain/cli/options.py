"""Options that several commands share, and their way into the config."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_segtrain.errors import ConfigError


class Zero(StrEnum):
    """What 0 means."""

    auto = "auto"
    dense = "dense"
    painted_slices = "painted-slices"
    unlabelled = "unlabelled"


class Target(StrEnum):
    """What label values are."""

    auto = "auto"
    semantic = "semantic"
    instances = "instances"


class Dims(StrEnum):
    """Slices or volumes."""

    two = "2"
    three = "3"


class Device(StrEnum):
    """Where the network computes."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


ClassesOption = Annotated[
    str | None,
    typer.Option(
        "--classes",
        help="Names of label values, as 1=myelin,2=axon.",
        metavar="VALUE=NAME,...",
    ),
]
ZeroOption = Annotated[
    Zero | None, typer.Option("--zero", help="What 0 means; found from the labels.")
]
BackgroundOption = Annotated[
    str | None,
    typer.Option(
        "--background",
        help="Label values that are the background, as 1 or 0,3; or none.",
        metavar="VALUE",
    ),
]
IgnoreOption = Annotated[
    str | None,
    typer.Option(
        "--ignore",
        help="Label values that count nowhere, as 255 or 254,255; or none.",
        metavar="VALUE",
    ),
]
TargetOption = Annotated[
    Target | None,
    typer.Option("--target", help="Whether values are classes or ids of objects."),
]
StackOption = Annotated[
    bool, typer.Option("--stack", help="Read a folder as one volume of slices.")
]
AxesOption = Annotated[
    str | None,
    typer.Option("--axes", help="Axes of the images when files do not say, as TZCYX."),
]
DeviceOption = Annotated[
    Device | None, typer.Option("--device", help="Where the network computes.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Any setting of the config, as training.seed=3; may be repeated.",
        metavar="A.B=C",
    ),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace outputs that exist.")
]

OPTIONS_OF_SETTINGS = {
    "data.classes": "--classes VALUE=NAME,...",
    "data.target": "--target semantic",
    "data.voxel_size": "--voxel-size Z,Y,X",
    "data.zero": "--zero dense|painted-slices|unlabelled, --background, --ignore",
    "sampling.patch_size": "--set",
}
"""How settings that a plan remarks on are changed on the command line."""

_RANGE = re.compile(r"(\d+):(\d+)")
_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Read ``90``, ``60s``, ``5m``, ``5min`` or ``1.5h`` as seconds.

    Raises
    ------
    ConfigError
        For anything else.
    """
    number = text.strip().rstrip("smhin")
    unit = text.strip()[len(number) :] or "s"
    try:
        seconds = float(number) * _UNITS[unit]
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"'{text}' is no duration; write it as 60s, 5m or 1.5h."
        ) from error
    if seconds <= 0:
        raise ConfigError(f"The duration '{text}' must be longer than 0.")
    return seconds


def parse_classes(text: str | None) -> dict[int, str] | None:
    """Read ``1=myelin,2=axon``.

    Raises
    ------
    ConfigError
        For anything else.
    """
    if text is None:
        return None
    classes = {}
    for part in text.split(","):
        value, sign, name = part.partition("=")
        if not sign or not name.strip() or not value.strip().lstrip("-").isdigit():
            raise ConfigError(
                f"'{part}' names no class; write --classes 1=myelin,2=axon."
            )
        classes[int(value)] = name.strip()
    return classes


def parse_values(text: str | None, option: str) -> tuple[int, ...] | None:
    """Read label values: ``255``, ``254,255`` or ``none``.

    Raises
    ------
    ConfigError
        For anything else.
    """
    if text is None:
        return None
    if text == "none":
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(
            f"'{text}' is no label value; write {option} 255, or {option} none."
        ) from error


def parse_region(text: str | None) -> tuple[slice, ...] | None:
    """Read ``z0:z1,y0:y1,x0:x1``, or two ranges, which a flat image may have.

    Raises
    ------
    ConfigError
        For anything else.
    """
    if text is None:
        return None
    found = [_RANGE.fullmatch(part.strip()) for part in text.split(",")]
    ranges = [slice(int(m[1]), int(m[2])) for m in found if m]
    if len(ranges) != len(found) or len(ranges) not in (2, 3):
        raise ConfigError(
            f"'{text}' is no region; write --region 0:64,512:1024,512:1024 (voxels "
            "along Z, Y, X), or two ranges for a flat image."
        )
    return tuple(ranges)


def parse_numbers(text: str | None, option: str) -> tuple[float, ...] | None:
    """Read ``0.05,0.004,0.004``.

    Raises
    ------
    ConfigError
        For anything else.
    """
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(
            f"'{text}' is no list of numbers; write {option} 0.05,0.004,0.004."
        ) from error


def parse_validation(text: str | None) -> dict[str, Any] | None:
    """Read ``auto``, ``none``, a share such as ``0.2``, ``5-fold``, or names."""
    if text is None:
        return None
    if text in {"auto", "none"}:
        return {"kind": text}
    k, fold, rest = text.partition("-fold")
    if fold and not rest and k.isdigit():
        return {"kind": "k-fold", "k": int(k)}
    try:
        return {"kind": "fraction", "fraction": float(text)}
    except ValueError:
        return {"kind": "by-hand", "names": text.split(",")}


def absolute(path: Path) -> Path:
    """Path that does not depend on the working folder."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - links are kept as they are
