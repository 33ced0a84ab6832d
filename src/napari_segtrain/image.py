"""Images and label images: arrays with axes, voxel size and classes.

Nothing here reads a whole array. ``items()`` splits an image along its item axes, and
an item is read box by box.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import (
    SPATIAL_AXES,
    ZYX,
    VoxelSize,
    check_axes,
    guess_axes,
    item_axes,
    spatial_axes,
)
from napari_segtrain.boxes import full_box
from napari_segtrain.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_segtrain.boxes import Box

IGNORE_INDEX = 255
"""Class index of unlabelled voxels in a map of class indices."""

MAX_CLASSES = 254

OUTSIDE = -32_768
"""Label value of voxels that the ground truth does not cover; counts nowhere."""

Role = Literal["background", "class", "unlabelled"]
ZeroPolicy = Literal["dense", "painted-slices", "unlabelled"]
ZeroSetting = Literal["auto", "dense", "painted-slices", "unlabelled"]
"""A policy, or ``auto`` where it is found from the labels."""

_MAX_LOOKED_UP = 2
"""Bytes of a label up to which class indices are looked up in a table."""
_LABEL_KINDS = "BbHhIiQq"
"""Integer types of labels, the smallest first and unsigned before signed."""

_PALETTE = (
    "#4363d8", "#e6194b", "#3cb44b", "#ffe119", "#f58231", "#911eb4", "#42d4f4",
    "#f032e6", "#bfef45", "#fabed4", "#469990", "#dcbeff", "#9a6324", "#800000",
)  # fmt: skip


class LazyArray(Protocol):
    """What is asked of an array: NumPy, memory map, Zarr and Dask all have it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along each dimension."""
        ...

    @property
    def dtype(self) -> Any:
        """Element type."""
        ...

    def __getitem__(self, key: Any, /) -> Any:
        """Return a part, by integers and slices, that ``np.asarray`` understands."""
        ...


@dataclass(frozen=True)
class Item:
    """One image of an `Image` or `LabelImage`: a fixed index on every item axis.

    Parameters
    ----------
    array, axes
        The whole array and its letters.
    index : dict of str to int
        The position on each item axis.
    """

    array: LazyArray
    axes: str
    index: dict[str, int] = field(default_factory=dict)

    @property
    def shape(self) -> ZYX:
        """Size in voxels, ZYX, with one slice in Z for a two-dimensional image."""
        sizes = dict(zip(self.axes, self.array.shape, strict=True))
        z, y, x = (int(sizes.get(axis, 1)) for axis in SPATIAL_AXES)
        return z, y, x

    @property
    def n_channels(self) -> int:
        """Number of channels; 1 without a channel axis."""
        return int(self.array.shape[self.axes.index("C")]) if "C" in self.axes else 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of what is read."""
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return dtype

    def read(self, box: Box | None = None) -> npt.NDArray[Any]:
        """Read a box of the item with its own dtype.

        Parameters
        ----------
        box : Box, optional
            Region inside the item, ZYX voxels; the whole item without it.

        Returns
        -------
        ndarray of shape (C, Z, Y, X)
        """
        spatial = dict(zip(SPATIAL_AXES, box or full_box(self.shape), strict=True))
        whole = slice(None)
        key = tuple(self.index.get(a, spatial.get(a, whole)) for a in self.axes)
        kept = "".join(axis for axis in self.axes if axis not in self.index)
        block = np.asarray(self.array[key])
        order = [axis for axis in "CZYX" if axis in kept]
        block = block.transpose([kept.index(axis) for axis in order])
        missing = tuple(i for i, axis in enumerate("CZYX") if axis not in kept)
        return np.expand_dims(block, missing)


def _items(array: LazyArray, axes: str) -> Iterator[Item]:
    letters = item_axes(axes)
    sizes = [int(array.shape[axes.index(letter)]) for letter in letters]
    for position in itertools.product(*(range(size) for size in sizes)):
        yield Item(array, axes, dict(zip(letters, position, strict=True)))


def _check_voxel_size(voxel_size: VoxelSize | None, axes: str) -> VoxelSize | None:
    letters = spatial_axes(axes)
    if voxel_size is None:
        return None
    if len(voxel_size) > len(letters):
        voxel_size = voxel_size[-len(letters) :]
    if len(voxel_size) != len(letters) or not all(
        np.isfinite(size) and size > 0 for size in voxel_size
    ):
        raise DataError(
            f"The voxel size {voxel_size} does not fit the axes {letters}; give one "
            "positive number of micrometers per axis, or leave it out when unknown."
        )
    return tuple(float(size) for size in voxel_size)


@dataclass(frozen=True)
class Image:
    """An intensity image with its meaning.

    Parameters
    ----------
    array : LazyArray
        Voxels in any order of axes; never read as a whole.
    axes : str, optional
        One letter per dimension; guessed from the shape when empty.
    voxel_size : tuple of float, optional
        Micrometers along the spatial axes in the order ZYX; ``None`` is unknown.
    channel_names : tuple of str
        One per channel; may be empty.
    name : str
        For messages and file names.
    source : Path, optional
        File, folder or store that the array came from.
    level : str
        Part of the source (a path inside a store) that the array is.

    Raises
    ------
    DataError
        When axes, voxel size or channel names do not fit the array, or its voxels are
        no real numbers.
    """

    array: LazyArray
    axes: str = ""
    voxel_size: VoxelSize | None = None
    channel_names: tuple[str, ...] = ()
    name: str = "image"
    source: Path | None = None
    level: str = ""

    def __post_init__(self) -> None:
        axes = self.axes or guess_axes(self.array.shape)
        axes = check_axes(axes, self.array.shape, name=self.name)
        object.__setattr__(self, "axes", axes)
        size = _check_voxel_size(self.voxel_size, axes)
        object.__setattr__(self, "voxel_size", size)
        if np.dtype(self.array.dtype).kind not in "biuf":
            raise DataError(
                f"The voxels of {self.name} are of type {self.array.dtype}; save the "
                "image as integers or real numbers."
            )
        if self.channel_names and len(self.channel_names) != self.n_channels:
            raise DataError(
                f"{self.name} has {self.n_channels} channels but "
                f"{len(self.channel_names)} channel names: {self.channel_names}."
            )

    @property
    def n_channels(self) -> int:
        """Number of channels; 1 without a channel axis."""
        return int(self.array.shape[self.axes.index("C")]) if "C" in self.axes else 1

    def items(self) -> list[Item]:
        """Split along the item axes, in C order."""
        return list(_items(self.array, self.axes))


@dataclass(frozen=True)
class ClassInfo:
    """One row of a class table: what a label value means.

    Parameters
    ----------
    value : int
        The label value; the one that is written for this class.
    name, color
        For people; the color as ``#rrggbb``.
    role : Role
        What the value counts as.
    n_voxels : int
        Voxels with this value or an alias.
    aliases : tuple of int
        Other label values that mean the same.
    """

    value: int
    name: str
    color: str
    role: Role = "class"
    n_voxels: int = 0
    aliases: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "aliases", tuple(self.aliases))

    @property
    def all_values(self) -> tuple[int, ...]:
        """The value and its aliases."""
        return (self.value, *self.aliases)


@dataclass(frozen=True)
class ClassTable:
    """Which label values exist, what each means, and how they become class indices.

    The background, where there is one, is class index 0; the others follow in the
    order of the rows. Unlabelled rows have no index (`IGNORE_INDEX`).

    Parameters
    ----------
    rows : tuple of ClassInfo
        Sorted by value, background first.
    is_objects : bool
        Label values are object ids: every value that has no row of its own is the
        (single) class of role ``class``.
    zero : ZeroSetting
        What the value 0 means; ``auto`` only in tables that people fill in.
    """

    rows: tuple[ClassInfo, ...]
    is_objects: bool = False
    zero: ZeroSetting = "dense"

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """Rows that are predicted, in the order of their class index."""
        return tuple(row for row in self.rows if row.role != "unlabelled")

    @property
    def n_classes(self) -> int:
        """Number of classes, background included."""
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in the order of their class index."""
        return tuple(row.name for row in self.classes)

    @property
    def values(self) -> tuple[int, ...]:
        """Label values, without aliases, in the order of their class index."""
        return tuple(row.value for row in self.classes)

    @property
    def unlabelled_values(self) -> tuple[int, ...]:
        """Values that count nowhere."""
        rows = (row for row in self.rows if row.role == "unlabelled")
        return tuple(value for row in rows for value in row.all_values)

    @property
    def foreground(self) -> tuple[int, ...]:
        """Class indices that are not background."""
        rows = enumerate(self.classes)
        return tuple(index for index, row in rows if row.role == "class")

    def to_index(self, labels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Turn label values into class indices.

        Parameters
        ----------
        labels : ndarray
            Label values of any numeric dtype and shape.

        Returns
        -------
        ndarray of uint8, same shape
            Class indices, `IGNORE_INDEX` where unlabelled or `OUTSIDE` (and, for
            semantic labels, where the value has no row).
        """
        other = self.foreground[0] if self.is_objects else IGNORE_INDEX
        if labels.dtype.kind in "biu" and labels.dtype.itemsize <= _MAX_LOOKED_UP:
            native = labels.astype(labels.dtype.newbyteorder("="), copy=False)
            unsigned = native.view(f"u{native.dtype.itemsize}")
            found: npt.NDArray[np.uint8] = self._lookup(native.dtype, other)[unsigned]
            return found
        indices = np.full(labels.shape, other, np.uint8)
        for index, value in self._index_of_value():
            indices[labels == value] = index
        return indices

    def _lookup(self, dtype: np.dtype[Any], other: int) -> npt.NDArray[np.uint8]:
        """Class index of each value of a small integer type, by its bits."""
        n_values = 1 << 8 * dtype.itemsize
        lookup = np.full(n_values, other, np.uint8)
        low = -n_values // 2 if dtype.kind == "i" else 0
        for index, value in self._index_of_value():
            if low <= value < low + n_values:
                lookup[value % n_values] = index
        return lookup

    def to_values(self, indices: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Turn class indices, none of them unlabelled, into the original label values.

        Returns
        -------
        ndarray, same shape
            The smallest integer dtype that holds every value.
        """
        low, high = min(self.values), max(self.values)
        limits = [np.iinfo(kind) for kind in _LABEL_KINDS]
        dtype = next(n.dtype for n in limits if n.min <= low and high <= n.max)
        return np.array(self.values, dtype)[indices]

    def _index_of_value(self) -> list[tuple[int, int]]:
        ids = self.foreground if self.is_objects else ()
        pairs = [
            (index, value)
            for index, row in enumerate(self.classes)
            if index not in ids
            for value in row.all_values
        ]
        unlabelled = (*self.unlabelled_values, OUTSIDE)
        return pairs + [(IGNORE_INDEX, value) for value in unlabelled]


def default_color(index: int) -> str:
    """Color of the class with this index, as ``#rrggbb``."""
    return _PALETTE[index % len(_PALETTE)]


@dataclass(frozen=True)
class LabelImage:
    """An integer per voxel that says what it is; ground truth or a segmentation.

    Parameters
    ----------
    array : LazyArray
        Integers of any width, booleans, or floats with whole values.
    axes, voxel_size, name, source, level
        As in `Image`; there is no channel axis.
    classes : ClassTable, optional
        What the values mean, where it is known.
    """

    array: LazyArray
    axes: str = ""
    voxel_size: VoxelSize | None = None
    name: str = "labels"
    source: Path | None = None
    level: str = ""
    classes: ClassTable | None = None

    def __post_init__(self) -> None:
        axes = self.axes or guess_axes(self.array.shape)
        axes = check_axes(axes, self.array.shape, name=self.name)
        if "C" in axes:
            raise DataError(
                f"The label image {self.name} has a channel axis (axes {axes}, shape "
                f"{tuple(self.array.shape)}); labels have one value per voxel, so save "
                "them without channels (RGB color pictures of labels do not work)."
            )
        object.__setattr__(self, "axes", axes)
        size = _check_voxel_size(self.voxel_size, axes)
        object.__setattr__(self, "voxel_size", size)

    def items(self) -> list[Item]:
        """Split along the item axes, in C order."""
        return list(_items(self.array, self.axes))

    def with_classes(self, classes: ClassTable) -> LabelImage:
        """Return the same labels with another class table."""
        return replace(self, classes=classes)
