"""Sizes that a network can take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_segtrain.axes import size_text
from napari_segtrain.errors import ConfigError

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
        Size of the image; the patch is at most this and the network's margin, rounded
        up to the grid, unless the network needs more.
    info : NetworkInfo
        Grid and smallest size of the network.

    Returns
    -------
    ZYX
        A multiple of the grid, at least ``info.min_size``.
    """
    wanted = round_up_to_grid(wanted, info.grid)
    z, y, x = (
        n + 2 * m for n, m in zip(item_shape, info.prediction_margin, strict=True)
    )
    limit = round_up_to_grid((z, y, x), info.grid)
    least = round_up_to_grid(info.min_size, info.grid)
    z, y, x = map(max, map(min, wanted, limit), least)
    return z, y, x


def check_patch(wanted: ZYX, info: NetworkInfo) -> None:
    """Refuse a patch that is too small to train the network on.

    Parameters
    ----------
    wanted : ZYX
        Size asked for, voxels; it is rounded up to the grid.
    info : NetworkInfo
        Smallest size and margin of the network.

    Raises
    ------
    ConfigError
        With the smallest patch, and the reason.
    """
    least = info.min_size
    rounded = round_up_to_grid(wanted, info.grid)
    if all(size >= n for size, n in zip(rounded, least, strict=True)):
        return
    reasons = [f"sizes are multiples of {size_text(info.grid)}"]
    if any(info.margin):
        reasons.append(
            f"{size_text(info.margin)} voxels on each side give context and no result"
        )
    raise ConfigError(
        f"A patch of {size_text(wanted)} voxels (Z, Y, X) is too small for this "
        f"network; set sampling.patch_size to at least {size_text(least)} "
        f"({', '.join(reasons)}), or to auto."
    )


def check_slices(depth: int, info: NetworkInfo) -> None:
    """Refuse volumes that have fewer slices than a network needs.

    Parameters
    ----------
    depth : int
        Slices of the thinnest volume.
    info : NetworkInfo
        What the network takes.

    Raises
    ------
    ConfigError
        With both numbers, and what to change.
    """
    if info.is_of_slices:
        least = 2 * info.margin[0] + 1
        remedy = "set network.slices to fewer, or network.dims to 2 for another network"
    else:
        least = info.min_result[0]
        remedy = "set network.dims to 2, or network.depth to less where it has one"
    if depth < least:
        raise ConfigError(
            f"This network needs volumes of at least {least} slices, but the thinnest "
            f"has {depth}; {remedy}."
        )
