"""Size, place, shape and intensity of objects, as a table with a row for each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from napari_segtrain.boxes import Box, iter_blocks
from napari_segtrain.objects.contacts import Contacts, measure_contacts
from napari_segtrain.objects.runs import Runs, locate_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Column = npt.NDArray[Any]
Columns = dict[str, Column]
Spacing = tuple[float, float, float]

_BLOCK_VOXELS = 1 << 22
_AXES = ("z", "y", "x")
_ELLIPSE = 4.0
"""Length of an axis of an ellipse, in standard deviations along it."""
_ELLIPSOID = 2 * math.sqrt(5)


@dataclass(frozen=True)
class ObjectTable:
    """Measurements, with a row for each object.

    Parameters
    ----------
    columns : dict of str to ndarray, each of shape (n,)
        ``label`` first. Lengths, areas and volumes are in the unit. Bounding boxes
        (``z_from`` to below ``z_to``) and ``voxels`` are in voxels. What an object
        does not have, such as a neighbor when it is alone, is NaN.
    unit : "um" or "voxels"
        Micrometers, or edges of a voxel.
    is_flat : bool
        Whether areas and perimeters were measured, instead of volumes and surfaces.
    """

    columns: Columns
    unit: str
    is_flat: bool

    def __len__(self) -> int:
        return len(self.columns["label"])

    @property
    def centers(self) -> npt.NDArray[np.float64]:
        """Centers, ZYX in the unit, shape (n, 3); Z is 0 in a flat image."""
        none = np.zeros(len(self))
        columns = [self.columns.get(f"center_{axis}", none) for axis in _AXES]
        return np.stack(columns, axis=1)

    def row(self, position: int) -> dict[str, Any]:
        """One row in plain values; ``None`` for what is absent."""
        return {name: _plain(column[position]) for name, column in self.columns.items()}

    def to_rows(self) -> Iterator[dict[str, Any]]:
        """All rows in plain values."""
        return map(self.row, range(len(self)))


def measure_objects(
    ids: npt.NDArray[Any],
    *,
    voxel_size: Spacing | None = None,
    channels: Mapping[str, npt.NDArray[Any]] | None = None,
    contacts: Contacts | None = None,
    block_voxels: int = _BLOCK_VOXELS,
) -> ObjectTable:
    """Measure every object.

    Parameters
    ----------
    ids : ndarray of int, shape (Z, Y, X)
        Object ids; 0 is background. With a single slice areas are measured.
    voxel_size : tuple of float, optional
        Micrometers along Z, Y, X; without it the unit is the voxel.
    channels : mapping of str to array-like of shape (Z, Y, X), optional
        Intensities by name; they are read block by block.
    contacts : Contacts, optional
        Surfaces, when they are measured already with the same voxel size.
    block_voxels : int
        Voxels that are looked at together.

    Returns
    -------
    ObjectTable
        Rows in rising order of the ids. Columns: ``label``; ``voxels``; ``volume`` or
        ``area``; ``center_z`` ... from the center of the first voxel; ``z_from``,
        ``z_to`` ... (in a flat image without Z); ``axis_1``, ``axis_2``(, ``axis_3``),
        lengths of the axes of the ellipse or ellipsoid with the same second moments;
        ``surface`` and ``sphericity``, or ``perimeter`` and ``circularity`` (1 for a
        ball or disk; a few voxels may give a little more; NaN where the edge of the
        image cuts, as the surface there is not known); ``on_border``, 1 for these;
        ``neighbor`` and ``neighbor_distance``, from center to nearest center;
        ``mean_NAME``, ``max_NAME``, ``sum_NAME`` of each channel.
    """
    spacing = voxel_size or (1.0, 1.0, 1.0)
    is_flat = ids.shape[0] == 1
    blocks = [(box, locate_runs(ids[box])) for box in _blocks(ids.shape, block_voxels)]
    labels = np.unique(np.concatenate([runs.ids for _, runs in blocks]))
    labels = labels[labels != 0]
    found = _Sums(labels)
    for box, runs in blocks:
        found.add(box, runs)
    if contacts is None:
        contacts = measure_contacts(ids, spacing)
    columns: Columns = {"label": labels, "voxels": found.voxels}
    edges = spacing[1:] if is_flat else spacing
    size = (found.voxels * math.prod(edges)).astype(np.float64)
    columns["area" if is_flat else "volume"] = size
    centers = found.centers() * np.array(spacing)
    axes = _AXES[is_flat:]
    columns |= {f"center_{axis}": centers[:, _AXES.index(axis)] for axis in axes}
    columns |= found.boxes(axes)
    columns |= _axis_lengths(found.covariances(), spacing, is_flat=is_flat)
    is_cut = found.on_border(ids.shape)
    columns |= _shapes(size, contacts.surfaces(labels), is_cut, is_flat=is_flat)
    columns["on_border"] = is_cut.astype(np.int64)
    columns |= _neighbors(labels, centers)
    for name, values in (channels or {}).items():
        columns |= _intensities(labels, blocks, name, values)
    unit = "voxels" if voxel_size is None else "um"
    return ObjectTable(columns, unit, is_flat)


class _Sums:
    """Voxels, sums of places and of their products, and boxes of objects."""

    def __init__(self, labels: Column) -> None:
        n = len(labels)
        self._labels = labels
        self.voxels = np.zeros(n, np.int64)
        self._sums = np.zeros((n, 3))
        self._products = np.zeros((n, 3, 3))
        self._first = np.full((n, 3), np.iinfo(np.int64).max)
        self._last = np.full((n, 3), -1)

    def add(self, box: Box, runs: Runs) -> None:
        """Add a block."""
        index, keep = _index_of(self._labels, runs)
        n, lengths = len(self._labels), runs.lengths[keep]
        first = np.stack(
            [
                at[keep] + part.start
                for at, part in zip((runs.z, runs.y, runs.x), box, strict=True)
            ]
        )
        last = first.copy()
        last[2] += lengths - 1
        middle = (first + last) / 2
        self.voxels += np.bincount(index, lengths, minlength=n).astype(np.int64)
        for i in range(3):
            self._sums[:, i] += np.bincount(index, lengths * middle[i], minlength=n)
            np.minimum.at(self._first[:, i], index, first[i])
            np.maximum.at(self._last[:, i], index, last[i])
            for j in range(3):
                products = lengths * middle[i] * middle[j]
                if i == j == 2:  # noqa: PLR2004 - along the run
                    products += lengths * (lengths.astype(float) ** 2 - 1) / 12
                self._products[:, i, j] += np.bincount(index, products, minlength=n)

    def centers(self) -> npt.NDArray[np.float64]:
        """Mean places in voxels, shape (n, 3)."""
        return self._sums / np.maximum(self.voxels, 1)[:, np.newaxis]

    def covariances(self) -> npt.NDArray[np.float64]:
        """Covariances of places in voxels, shape (n, 3, 3)."""
        means = self.centers()
        second = self._products / np.maximum(self.voxels, 1)[:, np.newaxis, np.newaxis]
        return second - means[:, :, np.newaxis] * means[:, np.newaxis, :]

    def boxes(self, axes: Sequence[str]) -> Columns:
        """Bounding boxes in voxels, along some axes."""
        columns: Columns = {}
        for axis in axes:
            i = _AXES.index(axis)
            columns[f"{axis}_from"] = self._first[:, i]
            columns[f"{axis}_to"] = self._last[:, i] + 1
        return columns

    def on_border(self, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """Whether an object touches the edge along an axis of several voxels."""
        wide = np.array(shape) > 1
        touches = (self._first == 0) | (self._last == np.array(shape) - 1)
        is_cut: npt.NDArray[np.bool_] = (touches & wide).any(axis=1)
        return is_cut


def _blocks(shape: tuple[int, ...], block_voxels: int) -> Iterator[Box]:
    z, y, x = shape
    return iter_blocks((z, y, x), block_voxels)


def _index_of(labels: Column, runs: Runs) -> tuple[Column, npt.NDArray[np.bool_]]:
    """Row of each run, and which runs are of objects."""
    keep = runs.ids != 0
    return np.searchsorted(labels, runs.ids[keep]), keep


def _axis_lengths(
    covariances: npt.NDArray[np.float64], spacing: Spacing, *, is_flat: bool
) -> Columns:
    scale = np.array(spacing)
    real = covariances * scale[:, np.newaxis] * scale
    if is_flat:
        real = real[:, 1:, 1:]
    widths = np.sqrt(np.linalg.eigvalsh(real).clip(0))[:, ::-1]
    factor = _ELLIPSE if is_flat else _ELLIPSOID
    return {f"axis_{i + 1}": factor * widths[:, i] for i in range(widths.shape[1])}


def _shapes(
    sizes: npt.NDArray[np.float64],
    surfaces: npt.NDArray[np.float64],
    is_cut: npt.NDArray[np.bool_],
    *,
    is_flat: bool,
) -> Columns:
    """Surface or outline, and how near to a ball or disk."""
    if is_flat:
        like = 4 * math.pi * sizes
        names, ratio = ("perimeter", "circularity"), _ratio(like, surfaces**2)
    else:
        like = math.pi ** (1 / 3) * (6 * sizes) ** (2 / 3)
        names, ratio = ("surface", "sphericity"), _ratio(like, surfaces)
    return {names[0]: surfaces, names[1]: np.where(is_cut, np.nan, ratio)}


def _ratio(
    above: npt.NDArray[np.float64], below: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    ratio = np.full(len(above), np.nan)
    np.divide(above, below, out=ratio, where=below > 0)
    return ratio


def _neighbors(labels: Column, centers: npt.NDArray[np.float64]) -> Columns:
    """Nearest other object by its center."""
    nearest = np.full(len(labels), np.nan)
    distances = np.full(len(labels), np.nan)
    if len(labels) > 1:
        far, index = KDTree(centers).query(centers, k=2)
        own = index[:, 0] == np.arange(len(labels))
        other = np.where(own, index[:, 1], index[:, 0])
        nearest = labels[other].astype(np.float64)
        distances = np.where(own, far[:, 1], far[:, 0])
    return {"neighbor": nearest, "neighbor_distance": distances}


def _intensities(
    labels: Column, blocks: list[tuple[Box, Runs]], name: str, values: Any
) -> Columns:
    total = np.zeros(len(labels))
    n_voxels = np.zeros(len(labels))
    highest = np.full(len(labels), -np.inf)
    for box, runs in blocks:
        index, keep = _index_of(labels, runs)
        part = np.asarray(values[box]).ravel()
        sums = np.add.reduceat(part, runs.starts, dtype=np.float64)[keep]
        total += np.bincount(index, sums, minlength=len(labels))
        n_voxels += np.bincount(index, runs.lengths[keep], minlength=len(labels))
        np.maximum.at(highest, index, np.maximum.reduceat(part, runs.starts)[keep])
    return {
        f"mean_{name}": total / np.maximum(n_voxels, 1),
        f"max_{name}": highest,
        f"sum_{name}": total,
    }


def _plain(value: Any) -> int | float | str | None:
    if isinstance(value, np.floating):
        return None if np.isnan(value) else float(value)
    return str(value) if isinstance(value, str) else int(value)
