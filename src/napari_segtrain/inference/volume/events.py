"""What a prediction into a store reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from napari_segtrain.boxes import Box
from napari_segtrain.control import Event


@dataclass(frozen=True)
class VolumeOpened(Event):
    """The store is there, and what is to be done is known.

    Parameters
    ----------
    path : Path
        Of the store of labels; that of objects comes with the last stage.
    n_blocks : int
        Of all items.
    n_empty : int
        Blocks that are left empty.
    n_done : int
        Blocks that an earlier run has predicted.
    """

    path: Path
    n_blocks: int
    n_empty: int
    n_done: int


@dataclass(frozen=True)
class StageProgress(Event):
    """Work on a stage went on.

    Parameters
    ----------
    stage : str
        What is done: ``predict``, ``finish`` (median, smallest parts, objects) or
        ``join`` (objects across blocks).
    share : float
        Of the blocks of the stage that this process does, 0 to 1.
    voxels_per_second : float
        Of the result, since the stage began.
    """

    is_frequent: ClassVar[bool] = True

    stage: str
    share: float
    voxels_per_second: float


@dataclass(frozen=True)
class BlockWritten(Event):
    """A block is on the disk.

    Parameters
    ----------
    stage : str
        As in `StageProgress`.
    position : tuple of int
        On the item axes.
    box : Box
        ZYX voxels.
    n_done, n_total : int
        Blocks of the stage, of all processes, as far as this one knows.
    """

    stage: str
    position: tuple[int, ...]
    box: Box
    n_done: int
    n_total: int
