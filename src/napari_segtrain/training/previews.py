"""A few patches that are shown after each validation, always the same ones."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.evaluation.overlay import stretch_channels
from napari_segtrain.image import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_segtrain.data.split import Region

MAX_PATCHES = 4
MAX_SIDE = 256
MAX_CANDIDATES = 64
"""Patches of the first validation that are kept until it ends."""

Indices = npt.NDArray[np.uint8]
_Window = tuple[slice, slice]
_Key = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class PreviewPatch:
    """A part of a slice with its ground truth and its prediction.

    Parameters
    ----------
    name : str
        Of the image.
    z, y, x : int
        Slice, and first voxel in it.
    image : ndarray of uint8, shape (C, Y, X)
        Intensities, stretched for the eye channel by channel (colors of eight bits are
        as they are); at most `MAX_SIDE` voxels long and wide.
    truth : ndarray of uint8, shape (Y, X)
        Class indices, `IGNORE_INDEX` where unlabelled.
    prediction : ndarray of uint8, shape (Y, X)
        Class indices of the running mean of the weights.
    is_held_out : bool
        False for a patch that is trained on, as nothing is held out.
    """

    name: str
    z: int
    y: int
    x: int
    image: npt.NDArray[np.uint8] = field(repr=False)
    truth: Indices = field(repr=False)
    prediction: Indices = field(repr=False)
    is_held_out: bool = True


class PatchKeeper:
    """Picks patches out of the first validation, and the same of those that follow.

    Of each box the slice with most labelled voxels (of equals the one with most
    foreground) is cut into windows; up to `MAX_PATCHES` windows with labels, spread
    evenly over all of them, are kept. Nothing is read or predicted for it, and never
    more than `MAX_CANDIDATES` windows are held.

    Parameters
    ----------
    names : sequence of str
        Of the items.
    is_held_out : bool
        Whether the boxes are not trained on.
    """

    def __init__(self, names: Sequence[str], *, is_held_out: bool) -> None:
        self._names = names
        self._is_held_out = is_held_out
        self._patches: dict[_Key, PreviewPatch] = {}
        self._is_chosen = False
        self._n_seen = 0
        self._step = 1

    @property
    def n_held(self) -> int:
        """Windows that are held in memory."""
        return len(self._patches)

    def add(
        self, box: Region, image: npt.NDArray[Any], truth: Indices, prediction: Indices
    ) -> None:
        """See what a validation has read and predicted.

        Parameters
        ----------
        box : Region
            Where it is.
        image : ndarray, shape (C, Z, Y, X)
            Intensities as they are in the image.
        truth, prediction : ndarray of uint8, shape (Z, Y, X)
            Class indices.
        """
        if self._is_chosen and not any(key[0] == box.pair for key in self._patches):
            return
        z = _best_slice(truth)
        for y, x in _windows(truth.shape[1:]):
            if (truth[z, y, x] == IGNORE_INDEX).all():
                continue
            place = zip(box.start, (z, y.start, x.start), strict=True)
            key = (box.pair, *(a + b for a, b in place))
            shown = prediction[z, y, x].copy()
            if self._is_chosen:
                self._update(key, shown)
            elif self._is_candidate():
                part = image[:, z, y, x], truth[z, y, x], shown
                self._patches[key] = self._patch(key, *part)

    def take(self) -> tuple[PreviewPatch, ...]:
        """Patches of the validation that has ended."""
        if not self._is_chosen:
            self._choose()
        return tuple(self._patches.values())

    def _is_candidate(self) -> bool:
        """Whether to hold the next window: every one, every second one, ..."""
        number, self._n_seen = self._n_seen, self._n_seen + 1
        if number % self._step:
            return False
        if len(self._patches) == MAX_CANDIDATES:
            self._patches = dict(list(self._patches.items())[::2])
            self._step *= 2
        return number % self._step == 0

    def _choose(self) -> None:
        keys = list(self._patches)
        n_kept = min(MAX_PATCHES, len(keys))
        chosen = np.linspace(0, len(keys) - 1, n_kept).round().astype(int)
        self._patches = {keys[n]: self._patches[keys[n]] for n in chosen}
        self._is_chosen = True

    def _update(self, key: _Key, prediction: Indices) -> None:
        if key in self._patches:
            self._patches[key] = replace(self._patches[key], prediction=prediction)

    def _patch(
        self, key: _Key, image: npt.NDArray[Any], truth: Indices, prediction: Indices
    ) -> PreviewPatch:
        pair, z, y, x = key
        return PreviewPatch(
            name=self._names[pair],
            z=z,
            y=y,
            x=x,
            image=stretch_channels(image),
            truth=truth.copy(),
            prediction=prediction,
            is_held_out=self._is_held_out,
        )


def _best_slice(truth: Indices) -> int:
    n_labelled = (truth != IGNORE_INDEX).sum(axis=(1, 2))
    n_foreground = ((truth != IGNORE_INDEX) & (truth > 0)).sum(axis=(1, 2))
    return int(np.lexsort((-np.arange(len(truth)), n_foreground, n_labelled))[-1])


def _windows(shape: tuple[int, ...]) -> Iterator[_Window]:
    """Cut a plane into equal windows that are not longer than `MAX_SIDE`."""
    rows, columns = (_parts(size) for size in shape)
    for y in rows:
        for x in columns:
            yield y, x


def _parts(size: int) -> list[slice]:
    n_parts = -(-size // MAX_SIDE)
    edges = [round(part * size / n_parts) for part in range(n_parts + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]
