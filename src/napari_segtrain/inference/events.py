"""What a prediction reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from napari_segtrain.boxes import Box
from napari_segtrain.control import Event

ENGINES = {"torch": "torch", "openvino": "OpenVINO", "onnx": "ONNX Runtime"}
"""Names for people."""


@dataclass(frozen=True)
class TileDone(Event):
    """Tiles went through the network.

    Parameters
    ----------
    n_done, n_total : int
        Tiles of the whole task; the total grows when memory asks for smaller tiles.
    voxels_per_second : float
        Voxels of the result since the start.
    """

    is_frequent: ClassVar[bool] = True

    n_done: int
    n_total: int
    voxels_per_second: float


@dataclass(frozen=True, eq=False)
class BlockPredicted(Event):
    """A part of an item that no later tile changes.

    Parameters
    ----------
    box : Box
        Where it is in the item, ZYX voxels.
    probabilities : ndarray of float32, shape (K, Z, Y, X)
        One channel per class, 0 to 1, adding up to 1.
    spread : ndarray of float32, shape (Z, Y, X), optional
        How far several views or networks differ, where that was asked for.
    """

    box: Box
    probabilities: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class ItemPredicted(Event):
    """One item (an index on the item axes) is ready.

    Parameters
    ----------
    index : dict of str to int
        Position on each item axis; empty without item axes.
    n_done, n_total : int
        Items.
    """

    index: dict[str, int]
    n_done: int
    n_total: int


@dataclass(frozen=True)
class EngineChosen(Event):
    """What runs the network.

    Parameters
    ----------
    engine : {"torch", "openvino", "onnx"}
        The engine.
    reason : str
        Why, for people; empty where there was no choice.
    voxels_per_second : float, optional
        Speed in the trial; absent without one.
    """

    engine: str
    reason: str = ""
    voxels_per_second: float | None = None

    @property
    def words(self) -> str:
        """Say it, as in "OpenVINO (1.4 times as fast as torch)"."""
        return f"{ENGINES[self.engine]}{f' ({self.reason})' if self.reason else ''}"
