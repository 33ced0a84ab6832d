"""What a reader finds in a file, and how it becomes an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from napari_segtrain.axes import check_axes, guess_axes
from napari_segtrain.errors import DataError
from napari_segtrain.image import ClassTable, LazyArray
from napari_segtrain.io.lazy import pick

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


UNKNOWN_AXIS = "?"
SAMPLES_AXIS = "S"
"""Letter of RGB samples in tifffile and bioio."""

_MAX_GUESSED = 5
_FREE_LETTERS = "ZCT"


@dataclass(frozen=True)
class Source:
    """An array of a file with what its metadata say.

    Parameters
    ----------
    array : LazyArray
        All dimensions, those of size 1 included.
    axes : str
        One letter per dimension, ``?`` where the file does not say; empty when it
        says nothing at all.
    sizes : mapping
        Micrometers per voxel of the axes Z, Y, X where known.
    channel_names : tuple of str
        One per channel or empty.
    classes : ClassTable, optional
        Class table that this package wrote.
    level : str
        Path of the array inside a store.
    """

    array: LazyArray
    axes: str = ""
    sizes: Mapping[str, float | None] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    classes: ClassTable | None = None
    level: str = ""


def settle_axes(source: Source, axes: str | None, name: str) -> Source:
    """Name every axis and drop those of size 1.

    Parameters
    ----------
    source : Source
    axes : str, optional
        Letters from the user: for the dimensions of more than one entry (and Y, X),
        or for all. They win over the metadata.
    name : str
        For messages.

    Raises
    ------
    DataError
        When the letters do not fit the array.
    """
    if axes and len(axes) == len(source.array.shape):
        return replace(source, axes=check_axes(axes, source.array.shape, name=name))
    named = replace(source, axes=_complete(source))
    dropped = drop_singletons(named)
    if not axes:
        return dropped
    return replace(dropped, axes=check_axes(axes, dropped.array.shape, name=name))


def name_samples(axes: str, shape: tuple[int, ...], path: Path) -> str:
    """Call RGB samples channels.

    Raises
    ------
    DataError
        When there are several channels as well.
    """
    if SAMPLES_AXIS not in axes:
        return axes
    if "C" not in axes:
        return axes.replace(SAMPLES_AXIS, "C")
    if shape[axes.index("C")] == 1:
        return axes.replace("C", UNKNOWN_AXIS).replace(SAMPLES_AXIS, "C")
    raise DataError(
        f"{path} has both channels and RGB samples (axes {axes}, shape {shape}); save "
        "it with one channel axis, for instance split into gray channels."
    )


def drop_singletons(source: Source) -> Source:
    """Drop every dimension of size 1 but Y and X."""
    shape = source.array.shape
    kept = [n > 1 or a in "YX" for a, n in zip(source.axes, shape, strict=True)]
    if all(kept):
        return source
    picks = tuple(slice(None) if keep else 0 for keep in kept)
    letters = "".join(a for a, keep in zip(source.axes, kept, strict=True) if keep)
    return replace(source, array=pick(source.array, picks), axes=letters)


def _complete(source: Source) -> str:
    shape = source.array.shape
    if not source.axes:
        return _guess(shape)
    free = _free_letters(source.axes)
    letters = [
        (next(free) if size > 1 else "1") if axis == UNKNOWN_AXIS else axis
        for axis, size in zip(reversed(source.axes), reversed(shape), strict=True)
    ]
    return "".join(reversed(letters))


def _guess(shape: tuple[int, ...]) -> str:
    if len(shape) <= _MAX_GUESSED:
        return guess_axes(shape)
    large = iter(guess_axes([size for size in shape if size > 1]))
    return "".join(next(large) if size > 1 else "1" for size in shape)


def _free_letters(axes: str) -> Iterator[str]:
    yield from (letter for letter in _FREE_LETTERS if letter not in axes)
    yield from (letter for letter in "SPQRMABDEFGHIJKLNOUVW" if letter not in axes)
