"""Voxels along the boundaries of the ground truth that are left out of scores.

Nobody draws a boundary to the voxel; Lucchi et al. (2014) leave out a band along it, as
the authors of CDeep3M do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from napari_segtrain.boxes import grown_box, relative
from napari_segtrain.evaluation.class_matching import ClassItem
from napari_segtrain.image import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_segtrain.axes import ZYX
    from napari_segtrain.boxes import Box
    from napari_segtrain.config.evaluation import EvaluationConfig
    from napari_segtrain.evaluation.rulers import Ruler
    from napari_segtrain.image import ClassTable

Side = Literal["both", "inside", "outside"]


@dataclass(frozen=True)
class Band:
    """Voxels near a voxel of another class.

    Parameters
    ----------
    width : float
        Greatest distance between the centers of both, in shortest edges of a voxel.
    spacing : tuple of float
        Length of a voxel along Z, Y, X, in any unit.
    background : frozenset of int
        Class indices that are no foreground.
    side : "both", "inside" or "outside"
        Voxels of foreground classes, of the background, or all.
    """

    width: float
    spacing: tuple[float, float, float]
    background: frozenset[int]
    side: Side = "both"

    @property
    def reach(self) -> ZYX:
        """Voxels along Z, Y, X that it looks around."""
        edge = min(self.spacing)
        z, y, x = (math.floor(self.width * edge / s + 1e-9) for s in self.spacing)
        return z, y, x

    def mask(self, labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Say which voxels it covers; unlabelled ones neither belong to it nor make it.

        Parameters
        ----------
        labels : ndarray of uint8, shape (Z, Y, X)
            Class indices.

        Returns
        -------
        ndarray of bool, same shape
        """
        band = np.zeros(labels.shape, bool)
        is_known = labels != IGNORE_INDEX
        for offset in self._offsets():
            here, there = _shifted(offset)
            differs = labels[here] != labels[there]
            differs &= is_known[here]
            differs &= is_known[there]
            band[here] |= differs
            band[there] |= differs
        if self.side != "both":
            lookup = np.zeros(IGNORE_INDEX + 1, bool)
            lookup[list(self.background)] = True
            band &= lookup[labels] == (self.side == "outside")
        return band

    def _offsets(self) -> Iterator[tuple[int, int, int]]:
        """Steps to half of the voxels within the width; the others are opposite."""
        edge = min(self.spacing)
        z, y, x = (range(-n, n + 1) for n in self.reach)
        for offset in product(z, y, x):
            length = math.hypot(
                *(n * s for n, s in zip(offset, self.spacing, strict=True))
            )
            if offset > (0, 0, 0) and length <= self.width * edge * (1 + 1e-9):
                yield offset


@dataclass(frozen=True)
class BandedItem:
    """Ground truth without the voxels of a band, read box by box.

    Parameters
    ----------
    item : ClassItem
    band : Band
    """

    item: ClassItem
    band: Band

    @property
    def shape(self) -> ZYX:
        """Size in voxels, ZYX."""
        return self.item.shape

    def read(self, box: Box) -> npt.NDArray[np.uint8]:
        """Read class indices, (Z, Y, X); `IGNORE_INDEX` where they do not count."""
        around = grown_box(box, self.band.reach, self.shape)
        inner = relative(box, around)
        labels = self.item.read(around)
        mask = self.band.mask(labels)[inner]
        labels = labels[inner]
        labels[mask] = IGNORE_INDEX
        return labels


def band_of(config: EvaluationConfig, classes: ClassTable, ruler: Ruler) -> Band | None:
    """Band that a config leaves out; ``None`` without one."""
    if not config.exclusion_width:
        return None
    rows = enumerate(classes.classes)
    background = frozenset(index for index, row in rows if row.role == "background")
    width = float(config.exclusion_width)
    return Band(width, ruler.spacing, background, config.exclusion_side)


def _shifted(
    offset: tuple[int, int, int],
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Voxels that have a neighbor at an offset, and these neighbors."""
    here = tuple(slice(max(-n, 0), -n if n > 0 else None) for n in offset)
    there = tuple(slice(max(n, 0), n if n < 0 else None) for n in offset)
    return here, there
