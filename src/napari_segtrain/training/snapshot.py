"""The data that a run trains on, frozen in its folder when it starts.

Labels are always copied, compressed. An image is referenced by path and fingerprint
when it is a file; one that is only in memory is copied as well, slices that are not
used left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.data.dataset import Dataset
from napari_segtrain.data.storage import Slices, read_samples, write_samples

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write_snapshot(
    folder: Path, dataset: Dataset, used: Sequence[Slices], margin: int
) -> None:
    """Write what a run needs of its data.

    Parameters
    ----------
    folder : Path
        Made here.
    dataset : Dataset
        Samples.
    used : sequence of tuple of bool
        For each item and slice, whether its labels count.
    margin : int
        Slices around used ones that patches may reach into.

    Raises
    ------
    OutputError
        When the disk is full.
    """
    measured = Dataset(tuple(replace(s, wholes=()) for s in dataset.samples))
    shown = [_widened(slices, margin) for slices in used]
    write_samples(folder, measured, labelled=used, shown=shown)


def read_snapshot(folder: Path) -> Dataset:
    """Open the data of a run.

    Parameters
    ----------
    folder : Path
        As written by `write_snapshot`.

    Raises
    ------
    DataError
        When the snapshot is damaged, or an image file is missing or was changed.
    """
    return read_samples(folder)


def _widened(used: Slices, margin: int) -> Slices:
    mask = np.array(used, bool)
    if margin and mask.any():
        mask = np.convolve(mask, np.ones(2 * margin + 1), "same") > 0
    return tuple(mask.tolist())
