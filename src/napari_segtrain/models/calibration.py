"""How much context a model needs around a tile, measured on images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_segtrain.axes import ZYX, size_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_HALO = 4096


@dataclass(frozen=True)
class TileCalibration:
    """What predicting in tiles changes, compared with whole images.

    Parameters
    ----------
    error : float
        Greatest difference of a probability, 0 to 1.
    n_voxels : int
        Voxels that were compared.
    halo : ZYX, optional
        Context in voxels that was read around the tiles; absent for networks that are
        not local, whose tiles are those of the training and are blended.
    """

    error: float
    n_voxels: int
    halo: ZYX | None = None

    def problems(self) -> Iterator[str]:
        """What no measurement gives."""
        if not (math.isfinite(self.error) and 0 <= self.error <= 1):
            yield f"the error of its tiles is {self.error}"
        if self.n_voxels < 0:
            yield f"its tiles were compared on {self.n_voxels} voxels"
        if self.halo is not None and not all(0 <= n <= MAX_HALO for n in self.halo):
            yield f"its tiles read {self.halo} voxels around them"

    def words(self) -> str:
        """Say it, as in "a halo of 24 × 24 (Y, X), error at most 0.003"."""
        error = f"error at most {self.error:.2g}"
        if self.halo is None:
            return f"blended, {error}"
        return f"a halo of {size_text(self.halo)}, {error}"


def joined_calibration(
    members: Sequence[TileCalibration | None],
) -> TileCalibration | None:
    """Bound for the mean of several networks; ``None`` unless all were measured."""
    known = [member for member in members if member is not None]
    halos = [member.halo for member in known if member.halo is not None]
    if len(known) < len(members) or len(halos) not in {0, len(known)}:
        return None
    widest = None
    if halos:
        z, y, x = map(max, zip(*halos, strict=True))
        widest = (z, y, x)
    return TileCalibration(
        max(member.error for member in known),
        min(member.n_voxels for member in known),
        widest,
    )
