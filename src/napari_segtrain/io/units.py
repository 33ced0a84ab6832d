"""Lengths in micrometers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_segtrain.axes import VoxelSize, spatial_axes

if TYPE_CHECKING:
    from collections.abc import Mapping

_MICROMETERS = {
    "m": 1e6, "meter": 1e6, "metre": 1e6,
    "cm": 1e4, "centimeter": 1e4, "centimetre": 1e4,
    "mm": 1e3, "millimeter": 1e3, "millimetre": 1e3,
    "µm": 1.0, "um": 1.0, "micron": 1.0, "micrometer": 1.0, "micrometre": 1.0,
    "nm": 1e-3, "nanometer": 1e-3, "nanometre": 1e-3,
    "å": 1e-4, "angstrom": 1e-4,
    "pm": 1e-6, "picometer": 1e-6, "picometre": 1e-6,
}  # fmt: skip

_MICRO_SIGN, _GREEK_MU = "\u00b5", "\u03bc"


def to_micrometers(value: object, unit: object) -> float | None:
    """Convert a length; ``None`` when the unit is no metric length or value no size."""
    if not isinstance(value, int | float | str) or not isinstance(unit, str):
        return None
    factor = _MICROMETERS.get(_canonical(unit))
    try:
        size = float(value)
    except ValueError:
        return None
    if factor is None or not math.isfinite(size) or size <= 0:
        return None
    return size * factor


def calibrated(sizes: Mapping[str, float | None]) -> Mapping[str, float | None]:
    """Sizes in the unit of their file, none of them where all are exactly 1.

    One by one by one is what programs write for an image that nobody measured.
    """
    return {} if {size for size in sizes.values() if size} == {1.0} else sizes


def voxel_size_of(sizes: Mapping[str, float | None], axes: str) -> VoxelSize | None:
    """Voxel size in µm of the spatial ``axes``; ``None`` unless all are known."""
    known = [sizes.get(axis) for axis in spatial_axes(axes)]
    found = tuple(size for size in known if size is not None)
    return found if len(found) == len(known) else None


def _canonical(unit: str) -> str:
    name = unit.strip().replace("\\u00B5", _MICRO_SIGN).replace("\\u00b5", _MICRO_SIGN)
    name = name.replace(_GREEK_MU, _MICRO_SIGN).lower().replace(_GREEK_MU, _MICRO_SIGN)
    if name not in _MICROMETERS and name.endswith("s"):
        return name[:-1]
    return name
