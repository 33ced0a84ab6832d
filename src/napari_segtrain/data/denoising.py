"""Total-variation denoising that does not depend on the box that is read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.boxes import absolute, box_shape, full_box, grown_box, relative
from napari_segtrain.data.voxel_samples import MAX_SAMPLED_VOXELS, Used, spread_boxes
from napari_segtrain.image import Item

if TYPE_CHECKING:
    from napari_segtrain.boxes import Box

N_STEPS = 20
"""Of the solver, which is then within a few percent of the noise of its end."""
REACH = N_STEPS + 1
"""Voxels in the plane that a denoised voxel depends on, on each side."""
_REACHES = (0, REACH, REACH)
_CELL = 256
_MAD_TO_STD = 0.6744897501960817

Plane = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class DenoisedItem(Item):
    """An item that is denoised slice by slice as it is read.

    A voxel depends on those within `REACH` in its slice, which are read with it, so it
    is the same, to the bit, in every box.

    Parameters
    ----------
    array, axes, index
        As in `Item`.
    weights : tuple of float
        Of `denoise`, per channel.
    """

    weights: tuple[float, ...] = ()

    @property
    def dtype(self) -> np.dtype[Any]:
        """A real type that holds the intensities."""
        is_small = np.can_cast(self.array.dtype, np.float32)
        return np.dtype(np.float32 if is_small else np.float64)

    def read(self, box: Box | None = None) -> npt.NDArray[Any]:
        """Read a box, see `Item.read`; voxels that are not finite are left alone."""
        box = box or full_box(self.shape)
        wide = grown_box(box, _REACHES, self.shape)
        block = super().read(wide).astype(self.dtype)
        _, y, x = relative(box, wide)
        if np.isfinite(block).all():
            for channel, weight in zip(block, self.weights, strict=True):
                for plane in channel:
                    plane[y, x] = _in_cells(plane, (slice(0, 1), y, x), weight)
        return block[:, :, y, x].copy()


def denoise(plane: Plane, weight: float) -> Plane:
    """Smooth a plane but not its edges.

    Approaches the plane ``u`` of least ``|u - plane|² / 2 + weight * TV(u)`` (Rudin,
    Osher & Fatemi 1992, Physica D 60) by `N_STEPS` of fast gradient projection on the
    dual problem (Beck & Teboulle 2009, IEEE Trans. Image Process. 18).

    Parameters
    ----------
    plane : ndarray of float, shape (Y, X)
        Intensities.
    weight : float
        In units of the intensity; at 0 the plane is as it was.
    """
    if weight <= 0:
        return plane
    ahead = np.zeros((2, *plane.shape), plane.dtype)
    field = np.zeros_like(ahead)
    momentum = 1.0
    for _ in range(N_STEPS):
        smooth = _smoothed(plane, ahead, weight)
        smooth *= 1 / (8 * weight)
        ahead[0, :-1] += smooth[1:] - smooth[:-1]
        ahead[1, :, :-1] += smooth[:, 1:] - smooth[:, :-1]
        ahead /= np.maximum(np.sqrt((ahead * ahead).sum(0)), 1)
        following = (1 + math.sqrt(1 + 4 * momentum * momentum)) / 2
        field, previous = ahead, field
        ahead = field + (field - previous) * ((momentum - 1) / following)
        momentum = following
    return _smoothed(plane, field, weight)


def _smoothed(plane: Plane, field: Plane, weight: float) -> Plane:
    """Add the divergence of the dual field to a plane."""
    field = field * weight
    result: Plane = plane + field[0]
    result += field[1]
    result[1:] -= field[0, :-1]
    result[:, 1:] -= field[1, :, :-1]
    return result


def measure_noise(
    item: Item, used: Used | None = None, *, per_channel: bool = True
) -> tuple[float, ...]:
    """Estimate the standard deviation of the noise of each channel.

    The median of the finest diagonal detail over 0.6745 (Donoho & Johnstone 1994,
    Biometrika 81), of Haar wavelets. Detail of exactly 0 is left out, as it is where
    an image was cut off or masked.

    Parameters
    ----------
    item : Item
        Some slices, or bands of them, are read.
    used : tuple of bool, optional
        Slices along Z to look at; all of them without it.
    per_channel : bool
        Whether channels differ in their noise.
    """
    used = used or (True,) * item.shape[0]
    boxes = spread_boxes(item.shape, used, MAX_SAMPLED_VOXELS)
    blocks = [_diagonal_detail(item.read(box)) for box in boxes]
    detail = np.concatenate([block.reshape(len(block), -1) for block in blocks], axis=1)
    rows = detail if per_channel else detail.reshape(1, -1)
    noise = tuple(_robust_deviation(row[row != 0]) for row in rows)
    return noise if per_channel else noise * len(detail)


def _diagonal_detail(block: npt.NDArray[Any]) -> Plane:
    """Haar detail of a block (C, Z, Y, X), of pairs of rows and of columns."""
    n_y, n_x = (size // 2 * 2 for size in block.shape[2:])
    voxels = block[:, :, :n_y, :n_x].astype(np.float64)
    rows = voxels[:, :, ::2] - voxels[:, :, 1::2]
    detail: Plane = (rows[..., ::2] - rows[..., 1::2]) / 2
    return detail


def _robust_deviation(values: Plane) -> float:
    return float(np.median(np.abs(values)) / _MAD_TO_STD) if values.size else 0.0


def _in_cells(plane: Plane, inner: Box, weight: float) -> Plane:
    """Denoise a part of a plane in cells, which bounds the memory that it takes.

    Boxes have one slice in Z here.
    """
    _, n_y, n_x = box_shape(inner)
    result = np.empty((n_y, n_x), plane.dtype)
    for y, x in product(range(0, n_y, _CELL), range(0, n_x, _CELL)):
        rows, columns = slice(y, min(y + _CELL, n_y)), slice(x, min(x + _CELL, n_x))
        cell = absolute((slice(0, 1), rows, columns), inner)
        wide = grown_box(cell, _REACHES, (1, *plane.shape))
        smooth = denoise(plane[wide[1:]], weight)
        result[rows, columns] = smooth[relative(cell, wide)[1:]]
    return result
