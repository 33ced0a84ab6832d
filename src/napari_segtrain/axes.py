"""Axis letters: spatial axes, the channel axis and item axes.

``Z``, ``Y`` and ``X`` are spatial, ``C`` is the channel axis, and every other letter
(``T`` time, ``S`` scene, ...) is an *item axis*: each index on it is an image of its
own. Inside the core a read block has the axes ``CZYX``, with one slice in ``Z`` for
two-dimensional images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_segtrain.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SPATIAL_AXES = "ZYX"
CHANNEL_AXIS = "C"
ANISOTROPY_RATIO = 3.0
"""z over xy voxel size above which a volume counts as anisotropic (nnU-Net's rule)."""

_RGB_SIZES = (3, 4)

VoxelSize = tuple[float, ...]
"""Micrometers per voxel, one number per spatial axis, in the order of the axes."""

ZYX = tuple[int, int, int]
"""A size or position in voxels along Z, Y and X."""


def spatial_axes(axes: str) -> str:
    """Spatial letters of ``axes`` in the order Z, Y, X."""
    return "".join(axis for axis in SPATIAL_AXES if axis in axes)


def item_axes(axes: str) -> str:
    """Letters of ``axes`` that are neither spatial nor the channel axis."""
    return "".join(axis for axis in axes if axis not in SPATIAL_AXES + CHANNEL_AXIS)


def check_axes(axes: str, shape: Sequence[int], *, name: str = "the image") -> str:
    """Return ``axes`` in upper case when it describes an array of ``shape``.

    Raises
    ------
    DataError
        When letters repeat, are not letters, miss Y or X, or do not match the number
        of dimensions, or when a dimension is empty.
    """
    axes = axes.upper()
    if 0 in shape:
        raise DataError(
            f"There is no voxel in {name} (axes {axes}, shape {tuple(shape)}); check "
            "the file, or the part of the array that was taken."
        )
    if len(axes) != len(shape):
        raise DataError(
            f"The axes '{axes}' name {len(axes)} dimensions, but {name} has "
            f"{len(shape)} (shape {tuple(shape)}); give one letter per dimension."
        )
    is_letters = axes.isalpha() and axes.isascii()
    if not is_letters or len(set(axes)) != len(axes):
        raise DataError(
            f"The axes '{axes}' of {name} must be different letters, such as 'ZYX', "
            "'CYX' or 'TCZYX'."
        )
    if "Y" not in axes or "X" not in axes:
        raise DataError(
            f"The axes '{axes}' of {name} lack Y or X; a segmentation needs both."
        )
    return axes


def guess_axes(shape: Sequence[int]) -> str:
    """Guess axis letters for an array without metadata.

    Two dimensions are ``YX``; three are ``YXC`` when the last has 3 or 4 entries and
    the others are larger, else ``ZYX``; four are ``ZYXC`` by the same rule, else
    ``CZYX``; five are ``TZYXC`` by the same rule, else ``TCZYX``.

    Raises
    ------
    DataError
        For fewer than two or more than five dimensions.
    """
    n_dims = len(shape)
    plain = {2: "YX", 3: "ZYX", 4: "CZYX", 5: "TCZYX"}
    if n_dims not in plain:
        raise DataError(
            f"An array of shape {tuple(shape)} has {n_dims} dimensions, so its axes "
            "cannot be guessed; name them, for instance with --axes TZCYX."
        )
    has_rgb_size = n_dims > len("YX") and shape[-1] in _RGB_SIZES
    if has_rgb_size and min(shape[-3:-1]) > shape[-1]:
        return "TZYX"[-n_dims + 1 :] + "C"
    return plain[n_dims]


def anisotropy(voxel_size: VoxelSize | None) -> float | None:
    """Return z over xy voxel size, or ``None`` when it is unknown or there is no z."""
    if voxel_size is None or len(voxel_size) != len(SPATIAL_AXES):
        return None
    z, y, x = voxel_size
    return z / ((y + x) / 2)


def size_text(size: Iterable[int]) -> str:
    """Voxels along axes as text for a person, such as ``32 × 64 × 64``."""
    return " × ".join(map(str, size))


def format_voxel_size(voxel_size: VoxelSize | None) -> str:
    """Voxel size as text for a person, ``unknown`` when it is ``None``."""
    if voxel_size is None:
        return "unknown"
    return " × ".join(f"{size:g}" for size in voxel_size) + " µm"
