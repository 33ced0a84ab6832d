"""Lengths in an image: in micrometers, or in voxels while their size is not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_segtrain.config.evaluation import LengthUnit
from napari_segtrain.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.evaluation.pairs import LabelPair


@dataclass(frozen=True)
class Ruler:
    """Lengths of one image.

    Parameters
    ----------
    spacing : tuple of float
        Of a voxel along Z, Y, X, in the unit.
    unit : "um" or "voxels"
        Micrometers, or shortest edges of a voxel.
    """

    spacing: tuple[float, float, float]
    unit: LengthUnit

    def length(self, value: float, unit: LengthUnit) -> float:
        """Turn a length into the unit.

        Parameters
        ----------
        value : float
        unit : "um" or "voxels"
            Its own.

        Raises
        ------
        DataError
            When it is in micrometers and the voxel size is not known.
        """
        if unit == self.unit:
            return value
        if unit == "um":
            raise DataError(
                f"A length of {value:g} micrometers was asked for, but the voxel size "
                "of a ground truth is not known; give the length in voxels."
            )
        return value * min(self.spacing)


def rulers_of(pairs: Sequence[LabelPair]) -> list[Ruler]:
    """Rulers with the same unit: micrometers when all voxel sizes are known.

    Parameters
    ----------
    pairs : sequence of LabelPair
        A voxel size that one side lacks is that of the other; flat images are one
        shortest edge thick.
    """
    sizes = [pair.truth.voxel_size or pair.prediction.voxel_size for pair in pairs]
    if all(sizes):
        return [Ruler(_spacing(size), "um") for size in sizes if size]
    return [Ruler(_in_voxels(size), "voxels") for size in sizes]


def _spacing(size: tuple[float, ...]) -> tuple[float, float, float]:
    z, y, x = (min(size), *size) if len(size) == 2 else size  # noqa: PLR2004
    return z, y, x


def _in_voxels(size: tuple[float, ...] | None) -> tuple[float, float, float]:
    if size is None:
        return 1.0, 1.0, 1.0
    z, y, x = _spacing(size)
    edge = min(z, y, x)
    return z / edge, y / edge, x / edge
