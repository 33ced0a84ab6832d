"""Sizes that a network can take."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_segtrain.axes import ZYX
    from napari_segtrain.networks.spec import NetworkInfo


def round_up_to_grid(size: ZYX, grid: ZYX) -> ZYX:
    """Smallest multiple of ``grid`` that is at least ``size``, ZYX voxels."""
    z, y, x = (-(-n // step) * step for n, step in zip(size, grid, strict=True))
    return z, y, x


def fit_patch(wanted: ZYX, item_shape: ZYX, info: NetworkInfo) -> ZYX:
    """Nearest patch that the network can be trained on.

    Parameters
    ----------
    wanted : ZYX
        Size asked for, voxels.
    item_shape : ZYX
        Size of the image; the patch is at most this, rounded up to the grid, unless
        the network needs more.
    info : NetworkInfo
        Grid and smallest size of the network.

    Returns
    -------
    ZYX
        A multiple of the grid, at least ``info.min_size``.
    """
    wanted = round_up_to_grid(wanted, info.grid)
    limit = round_up_to_grid(item_shape, info.grid)
    least = round_up_to_grid(info.min_size, info.grid)
    z, y, x = map(max, map(min, wanted, limit), least)
    return z, y, x
