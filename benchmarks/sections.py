"""Stacks of sections as files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tifffile

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


def write_sections(
    path: Path, stack: npt.NDArray[Any], *, pixel: float, thickness: float
) -> None:
    """Write a stack (Z, Y, X) as OME-TIFF; sizes in µm."""
    metadata = {
        "axes": "ZYX",
        "PhysicalSizeX": pixel,
        "PhysicalSizeY": pixel,
        "PhysicalSizeZ": thickness,
    }
    tifffile.imwrite(path, stack, ome=True, metadata=metadata)
