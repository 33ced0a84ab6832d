"""Normalization of a stack whose slices differ in brightness, each by itself."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.data.voxel_samples import spread_boxes

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_segtrain.boxes import Box
    from napari_segtrain.data.intensity_map import IntensityMap
    from napari_segtrain.data.voxel_samples import Used
    from napari_segtrain.image import Item

MAX_STRETCH = 4.0
"""How much more than the whole image a slice is stretched at most, so that the noise of
an empty one stays low."""
JUMP = 0.1
"""How far the mean of a slice is from that of its neighbors, in standard deviations of
a slice, from which slices are measured one by one."""
_MAX_SLICES = 32
_MIN_SLICES = 4
_VOXELS = 1 << 18
"""That are wanted of a slice, per channel."""


class SliceIntensities:
    """Maps the intensities of each slice by what is measured of it.

    Parameters
    ----------
    item : Item
        The image; a slice is sampled as a whole when it is first needed, whichever box
        is asked for.
    whole : IntensityMap
        Of the image, for `MAX_STRETCH`.
    measure : callable
        Returns the map of voxels of shape (C, N).
    """

    def __init__(
        self,
        item: Item,
        whole: IntensityMap,
        measure: Callable[[npt.NDArray[Any]], IntensityMap],
    ) -> None:
        self._item = item
        self._whole = whole
        self._measure = measure
        self._maps: dict[int, IntensityMap] = {}
        self._lock = Lock()

    def apply(self, block: npt.NDArray[Any], box: Box, /) -> npt.NDArray[np.float32]:
        """Normalize a block of shape (C, Z, Y, X) that was read from ``box``.

        Raises
        ------
        DataError
            When a sampled voxel of a slice, or one of the block, is NaN or infinite.
        """
        result = np.empty(block.shape, np.float32)
        for index, z in enumerate(range(box[0].start, box[0].stop)):
            result[:, index] = self._map_of(z).apply(block[:, index])
        return result

    def _map_of(self, z: int) -> IntensityMap:
        with self._lock:
            found = self._maps.get(z)
        if found is None:
            found = self._measure(sample_slice(self._item, z)).limited(
                MAX_STRETCH, self._whole
            )
            with self._lock:
                self._maps[z] = found
        return found


def sample_slice(item: Item, z: int) -> npt.NDArray[Any]:
    """Return voxels that stand for a slice, shape (C, N)."""
    used = tuple(index == z for index in range(item.shape[0]))
    boxes = spread_boxes(item.shape, used, _VOXELS)
    parts = [item.read(box).reshape(item.n_channels, -1) for box in boxes]
    values = np.concatenate(parts, axis=1)
    return values[:, :: max(1, values.shape[1] // _VOXELS)]


def slices_jump(item: Item, used: Used) -> bool:
    """Whether brightness changes from slice to slice at random, as stains do.

    Parameters
    ----------
    item : Item
        A stack.
    used : tuple of bool
        For each slice along Z, whether it may be looked at; each is compared with the
        two beside it.

    Notes
    -----
    What changes with depth, such as the fading of light or the size of an object, does
    so little by little, and is left to be seen. In ISBI 2012 a slice is 0.17 from its
    neighbors, in confocal stacks less than 0.02.
    """
    inner = [z for z in range(1, len(used) - 1) if all(used[z - 1 : z + 2])]
    if len(inner) < _MIN_SLICES:
        return False
    chosen = np.linspace(0, len(inner) - 1, min(len(inner), _MAX_SLICES)).round()
    middles = [inner[int(index)] for index in chosen]
    needed = sorted({z + step for z in middles for step in (-1, 0, 1)})
    samples = [sample_slice(item, z).astype(np.float64) for z in needed]
    means = {z: values.mean(axis=1) for z, values in zip(needed, samples, strict=True)}
    deviation = np.median([values.std(axis=1) for values in samples], axis=0)
    jumps = [abs(means[z] - (means[z - 1] + means[z + 1]) / 2) for z in middles]
    return bool((np.median(jumps, axis=0) > JUMP * deviation).any())
