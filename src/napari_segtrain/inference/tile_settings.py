"""Size of the tiles, their halo and how many pass the network together."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_segtrain.axes import SPATIAL_AXES, ZYX
from napari_segtrain.errors import ConfigError
from napari_segtrain.inference.tiling import AxisTiling, read_span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_segtrain.boxes import Box
    from napari_segtrain.config import InferenceConfig
    from napari_segtrain.networks import NetworkInfo

MAX_HALO = {2: 128, 3: 32}
"""Longest automatic halo by dimensions, in voxels."""

_VOLUME_HALO_SHARE = 0.5
"""Automatic halo of a three-dimensional network, as a share of its reach: on the embryo
nuclei it changed 0.002 % of the labels of a whole-image prediction, a third of the
reach 0.016 %, the whole reach none at two to four times the cost."""

_HALO_SHARE = 4
"""An automatic halo is at most this part of the tile."""

_HALO_SHARES = (1, 0.5, 0)
"""Shares of the automatic halo, given up one after the other to fit in memory."""

_HALO_SHARE_NOT_LOCAL = 8
_OVERLAP_SHARE_NOT_LOCAL = 4

_LENGTHS = (32, 48, 64, 96, 128, 160, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072)
_MAX_BATCH = 4
"""Larger ones were no faster, and Stop would wait for them."""


@dataclass(frozen=True)
class TileSettings:
    """What `plan_tiles` needs, and the batch; ZYX voxels.

    Parameters
    ----------
    tile, halo, overlap : ZYX
        As in `AxisTiling`; around a tile the network's margin is read as well.
    batch_size : int
        Tiles that pass the network together.
    keeps_halo : bool
        Whether smaller tiles have the same halo, since it was asked for.
    is_measured : bool
        Whether the halo is what was measured to suffice: it stays as long as there is
        a tile that has room for it.
    """

    tile: ZYX
    halo: ZYX
    overlap: ZYX
    batch_size: int
    keeps_halo: bool = False
    is_measured: bool = False

    def smaller(self, info: NetworkInfo) -> TileSettings | None:
        """Halve the longest side; ``None`` when the tile is as small as it can be.

        A halo that was asked for or measured stays: the side is then no shorter than
        it needs, and the next longest is taken where nothing of it can be given up.
        Only when nothing at all can be given up does a measured one get shorter, and
        tiles overlap by a step of the grid.
        """
        if not (self.keeps_halo or self.is_measured):
            return self._smaller(info, keeps_halo=False)
        found = self._smaller(info, keeps_halo=True)
        if found is None and not self.keeps_halo:
            return self._smaller(info, keeps_halo=False)
        return found

    def _smaller(self, info: NetworkInfo, *, keeps_halo: bool) -> TileSettings | None:
        sizes = list(zip(self.tile, info.grid, info.min_result, self.halo, strict=True))
        steps = [tile // grid for tile, grid, _, _ in sizes]
        for axis in sorted(range(len(steps)), key=steps.__getitem__, reverse=True):
            tile, grid, least, halo = sizes[axis]
            shorter = steps[axis] // 2 * grid
            if keeps_halo and halo:
                shorter = max(shorter, _ceil(2 * halo + grid, grid))
            if least <= shorter < tile:
                return self._with_side(axis, shorter, info, keeps_halo=keeps_halo)
            if not keeps_halo:
                return None
        return None

    def _with_side(
        self, axis: int, tile: int, info: NetworkInfo, *, keeps_halo: bool
    ) -> TileSettings:
        grid, halo, overlap = info.grid[axis], self.halo[axis], self.overlap[axis]
        if not keeps_halo:
            halo = min(halo, tile // _HALO_SHARE, (tile - grid) // 2)
            if halo < self.halo[axis]:
                overlap = max(overlap, grid)
        overlap = min(overlap, max(0, tile - 2 * halo - grid))
        return replace(
            self,
            tile=_with(self.tile, axis, tile),
            halo=_with(self.halo, axis, halo),
            overlap=_with(self.overlap, axis, overlap),
            batch_size=1,
        )


def choose_tiles(
    shape: ZYX,
    box: Box,
    info: NetworkInfo,
    config: InferenceConfig,
    *,
    max_voxels: int,
) -> TileSettings:
    """Choose what the config leaves open.

    An automatic halo is what was measured to suffice, wherever a tile has room for it.
    Without a measurement it is the reach of the receptive field in two dimensions and
    half of it in three, at most `MAX_HALO`; where memory is short it is a quarter of
    the tile at most, and of networks that are not local an eighth of the tile. A
    network with a margin needs none; a tile size that is asked for holds the margin. An
    automatic overlap is none where the halo was measured or asked for, or holds all
    that a local network sees, since there is nothing to blend, else one step of the
    grid; of networks that are not local it is a quarter of the tile without its halo.
    An automatic tile is the one that computes the fewest voxels, halos and margins
    included, of those with at most ``max_voxels``.

    Parameters
    ----------
    shape, box
        Size of the image, and the region to predict; ZYX voxels.
    info : NetworkInfo
        Grid and receptive field.
    config : InferenceConfig
        Settings.
    max_voxels : int
        Voxels in one forward pass.

    Raises
    ------
    ConfigError
        When a tile that was asked for has no room for the halo asked for, or for the
        network's margin, or when a halo is asked for beside a margin, or an exact one
        of a network that is not local.
    """
    check_halo(info, config)
    axes = [_Axis(axis, shape[axis], box[axis], info, config) for axis in range(3)]
    if config.tile_size == "auto":
        sizes = _best_sizes(axes, max_voxels)
    else:
        sizes = [
            axis.asked_for(n) for axis, n in zip(axes, config.tile_size, strict=True)
        ]
    z, y, x = (axis.tiling(size) for axis, size in zip(axes, sizes, strict=True))
    n_voxels = math.prod(map(_Axis.read, axes, sizes))
    batch = max(1, min(_MAX_BATCH, max_voxels // n_voxels))
    return TileSettings(
        tile=(z.tile, y.tile, x.tile),
        halo=(z.halo, y.halo, x.halo),
        overlap=(z.overlap, y.overlap, x.overlap),
        batch_size=batch if config.batch_size == "auto" else config.batch_size,
        keeps_halo=config.halo != "auto",
        is_measured=config.halo == "auto" and info.halo is not None,
    )


def check_halo(info: NetworkInfo, config: InferenceConfig) -> None:
    """Compare a halo that is asked for with the network.

    Raises
    ------
    ConfigError
        When an exact one is asked for and all voxels depend on all others.
    """
    if config.halo == "exact" and not info.is_local:
        raise ConfigError(
            "There is no exact halo for this network, whose norm or attention looks at "
            "the whole tile; set halo to auto, or train with batch norm."
        )


class _Axis:
    """One axis of the region, and what a tile on it would mean."""

    def __init__(
        self,
        axis: int,
        size: int,
        region: slice,
        info: NetworkInfo,
        config: InferenceConfig,
    ) -> None:
        self._letter = SPATIAL_AXES[axis]
        self._is_sliced = axis == 0 and info.dims < len(SPATIAL_AXES)
        self._grid = info.grid[axis]
        self._least = info.min_result[axis]
        self._margin = info.prediction_margin[axis]
        self._radius = 0 if self._margin else info.radius[axis]
        self._is_local = info.is_local
        self._share = config.overlap
        self._fixed = 0 if self._is_sliced else self._fixed_halo(config, axis)
        self._is_measured = info.halo is not None
        self._reach = _automatic_halo(self._radius, self._grid, info.dims)
        if info.halo is not None and not self._margin:
            self._reach = info.halo[axis]
        longest = self._reach if self._fixed is None else self._fixed
        span = read_span(size, region, AxisTiling(self._grid, longest, 0, self._grid))
        self._length = 1 if self._is_sliced else span.stop - span.start
        self._n_slices = span.stop - span.start

    def _fixed_halo(self, config: InferenceConfig, axis: int) -> int | None:
        if config.halo == "auto":
            return None
        if config.halo == "exact":
            return _ceil(self._radius, self._grid)
        if self._margin and config.halo[axis]:
            raise ConfigError(
                f"The network reads {self._margin} voxels around each tile along "
                f"{self._letter} by itself, so a halo of {config.halo[axis]} has no "
                "use; set halo to auto."
            )
        return config.halo[axis]

    def read(self, tile: int) -> int:
        """Voxels that are read for a tile."""
        return tile + 2 * self._margin

    def asked_for(self, size: int) -> int:
        """Nearest tile of those for which about ``size`` voxels are read.

        Raises
        ------
        ConfigError
            When the network's margin leaves nothing of them.
        """
        if self._margin and size <= 2 * self._margin:
            raise ConfigError(
                f"A tile of {size} voxels along {self._letter} has no room for the "
                f"network's margin of {self._margin} on both sides; set tile_size to "
                f"at least {self.read(self._least)} there, or to auto."
            )
        return self.rounded(size - 2 * self._margin)

    def rounded(self, tile: int) -> int:
        """Nearest tile that the network takes and the region can fill."""
        return min(self._length, _ceil(max(tile, self._least), self._grid))

    def tiling(self, tile: int) -> AxisTiling:
        """Halo and overlap for a tile.

        Raises
        ------
        ConfigError
            When the halo leaves nothing of it.
        """
        is_whole = tile >= self._length
        halo = self._halo(tile, is_whole=is_whole)
        if self._fixed is None and not is_whole:
            halo = min(halo, max(0, tile - self._grid) // 2)
        room = tile - 2 * halo
        if room < self._grid and not is_whole:
            raise ConfigError(
                f"A tile of {tile} voxels along {self._letter} has no room for a halo "
                f"of {halo} on both sides; set a larger tile_size, a smaller halo, or "
                "either to auto."
            )
        blended = 0 if is_whole else self._overlap(room, halo)
        return AxisTiling(
            tile, halo, max(0, min(blended, room - self._grid)), self._grid
        )

    def _halo(self, tile: int, *, is_whole: bool) -> int:
        if self._fixed is not None:
            return self._fixed
        has_room = tile - 2 * self._reach >= self._grid
        if is_whole or (self._is_measured and has_room):
            return self._reach
        share = _HALO_SHARE if self._is_local else _HALO_SHARE_NOT_LOCAL
        return min(self._reach, tile // share)

    def _overlap(self, room: int, halo: int) -> int:
        if self._share != "auto":
            return round(self._share * room)
        if self._is_local:
            suffices = halo >= (self._reach if self._is_measured else self._radius)
            return 0 if suffices else self._grid
        return room // _OVERLAP_SHARE_NOT_LOCAL

    def options(self, halo_share: float) -> Iterator[tuple[int, int]]:
        """Tiles worth a thought, with how many of them cover the region.

        Where the axis is cut, they keep this share of the automatic halo.
        """
        yield self._length, self._n_slices if self._is_sliced else 1
        for tile in map(self.rounded, _LENGTHS):
            if tile == self._length:
                return
            halo = self._halo(tile, is_whole=False)
            is_short = self._is_local and halo < self._reach * halo_share
            if tile - 2 * halo < self._grid or (is_short and self._fixed is None):
                continue
            tiling = self.tiling(tile)
            n_tiles = 1 - (tile - self._length) // tiling.step
            yield self._shrunk(tiling, n_tiles), n_tiles

    def _shrunk(self, tiling: AxisTiling, n_tiles: int) -> int:
        """Smallest tile of which as many cover the region with the same halo."""
        shared = tiling.tile - tiling.step
        least = -(-(self._length + (n_tiles - 1) * shared) // n_tiles)
        return min(tiling.tile, _ceil(least, self._grid))


def _best_sizes(axes: list[_Axis], max_voxels: int) -> list[int]:
    for halo_share in _HALO_SHARES:
        options = [list(axis.options(halo_share)) for axis in axes]
        choices = []
        for choice in itertools.product(*options):
            sizes = [tile for tile, _ in choice]
            n_read = math.prod(map(_Axis.read, axes, sizes))
            if n_read <= max_voxels:
                choices.append((n_read * math.prod(n for _, n in choice), sizes))
        if choices:
            return min(choices)[1]
    return [min(tile for tile, _ in option) for option in options]


def _automatic_halo(radius: int, grid: int, dims: int) -> int:
    if dims < len(SPATIAL_AXES):
        return min(_ceil(radius, grid), MAX_HALO[dims])
    half = max(1, round(radius * _VOLUME_HALO_SHARE / grid)) * grid
    return min(_ceil(radius, grid), half, MAX_HALO[dims])


def _ceil(size: int, grid: int) -> int:
    return -(-size // grid) * grid


def _with(size: ZYX, axis: int, value: int) -> ZYX:
    z, y, x = (value if place == axis else n for place, n in enumerate(size))
    return z, y, x
