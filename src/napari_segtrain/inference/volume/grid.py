"""The blocks of a volume: their numbers, places and order."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.axes import ZYX
from napari_segtrain.boxes import Box, nearest_first

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Block:
    """A part of an item that is made and written as a whole.

    Parameters
    ----------
    number : int
        In its grid.
    position : tuple of int
        On the item axes.
    place : ZYX
        Row of the grid along Z, Y, X.
    box : Box
        ZYX voxels.
    """

    number: int
    position: tuple[int, ...]
    place: ZYX
    box: Box


@dataclass(frozen=True)
class BlockGrid:
    """How items are cut into blocks.

    Parameters
    ----------
    counts : tuple of int
        Size along the item axes.
    shape : ZYX
        Of an item, voxels.
    block : ZYX
        Of a block; the last along an axis may be shorter.
    """

    counts: tuple[int, ...]
    shape: ZYX
    block: ZYX

    @property
    def sides(self) -> ZYX:
        """Blocks along Z, Y, X."""
        z, y, x = (-(-n // b) for n, b in zip(self.shape, self.block, strict=True))
        return z, y, x

    @property
    def n_blocks(self) -> int:
        """Blocks of all items."""
        return math.prod(self.counts) * math.prod(self.sides)

    def __getitem__(self, number: int) -> Block:
        """Block of a number, item by item and along Z, Y, X in each."""
        *position, z, y, x = map(
            int, np.unravel_index(number, (*self.counts, *self.sides))
        )
        return Block(number, tuple(position), (z, y, x), self.box((z, y, x)))

    def number(self, position: tuple[int, ...], place: ZYX) -> int:
        """Undo `__getitem__`."""
        return int(
            np.ravel_multi_index((*position, *place), (*self.counts, *self.sides))
        )

    def box(self, place: ZYX) -> Box:
        """Voxels of a block."""
        z, y, x = (
            slice(row * length, min((row + 1) * length, size))
            for row, length, size in zip(place, self.block, self.shape, strict=True)
        )
        return z, y, x

    def touching(self, box: Box) -> Iterator[int]:
        """Numbers of the blocks, of all items, that have voxels of a box."""
        rows = [
            range(part.start // length, -(-part.stop // length))
            for part, length in zip(box, self.block, strict=True)
        ]
        for position in np.ndindex(*self.counts):
            for z, y, x in itertools.product(*rows):
                yield self.number(position, (z, y, x))


def part_of(numbers: Sequence[int], part: int, n_parts: int) -> list[int]:
    """Numbers of one of several equal parts, which lie side by side.

    Parameters
    ----------
    numbers : sequence of int
        Of all blocks.
    part : int
        From 1.
    n_parts : int
        How many there are.
    """
    n = len(numbers)
    return list(numbers[(part - 1) * n // n_parts : part * n // n_parts])


def view_first(grid: BlockGrid, numbers: Sequence[int], view: Box) -> list[int]:
    """Put the blocks of a view first, and the others by their distance from it."""
    order = nearest_first((grid[number].box for number in numbers), view)
    return [numbers[place] for place in order]
