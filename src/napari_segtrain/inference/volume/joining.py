"""Objects across blocks: found again in neighboring blocks, and numbered as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.boxes import grown_box, relative, shared_box
from napari_segtrain.inference.volume.events import BlockWritten, StageProgress
from napari_segtrain.objects.joining import join, neighbors, same_objects

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_segtrain.control import Event, RunControl
    from napari_segtrain.inference.volume.block_work import BlockWork
    from napari_segtrain.inference.volume.opening import OpenVolume
    from napari_segtrain.objects.joining import JoinedObjects, Pairs, Sizes

_STAGE = "join"
_TOUCH_STEPS = 16


def iter_joining(
    volume: OpenVolume, work: BlockWork, control: RunControl
) -> Generator[Event, None, bool]:
    """Number the objects of each item as a whole, and write them.

    Yields
    ------
    StageProgress, BlockWritten

    Returns
    -------
    bool
        False when stopped.
    """
    joining = _Joining(volume, work, control)
    items = list(np.ndindex(*volume.plan.grid.counts))
    found = []
    for n_before, position in enumerate(items):
        joined = yield from joining.match(position, n_before / len(items))
        if joined is None:
            return False
        found.append(joined)
    n_ids = max(len(joined.sizes) for joined in found)
    return (yield from joining.write(dict(zip(items, found, strict=True)), n_ids))


class _Joining:
    def __init__(
        self, volume: OpenVolume, work: BlockWork, control: RunControl
    ) -> None:
        self._volume = volume
        self._work = work
        self._control = control
        self._grid = volume.plan.grid
        self._margin = volume.plan.margin
        self._is_parted = volume.is_parted
        self._wanted = set(volume.wanted)

    def match(
        self, position: tuple[int, ...], share: float
    ) -> Generator[StageProgress, None, JoinedObjects | None]:
        """Compare the blocks of an item with their neighbors."""
        n_blocks = int(np.prod(self._grid.sides))
        first = self._grid.number(position, (0, 0, 0))
        sizes = [self._sizes(first + place) for place in range(n_blocks)]
        matches: list[tuple[int, int, Pairs]] = []
        pairs = neighbors(self._grid.sides)
        for step, (a, b) in enumerate(pairs):
            if self._is_stopped():
                return None
            if len(sizes[a]) and len(sizes[b]):
                matches.append((a, b, self._same(first + int(a), first + int(b))))
            if not step % _TOUCH_STEPS:
                self._volume.folder.touch()
            yield StageProgress(_STAGE, share + step / len(pairs) / 2, 0.0)
        least = self._volume.min_voxels
        return join(sizes, matches, min_voxels=least)

    def write(
        self, joined: dict[tuple[int, ...], JoinedObjects], n_ids: int
    ) -> Generator[Event, None, bool]:
        """Write the labels of all blocks."""
        volume, grid = self._volume, self._grid
        plan = volume.stores.labels(n_ids)
        plan.create()
        store = plan.open()
        done = volume.folder.marked(_STAGE)
        for number in volume.wanted:
            if number in done:
                continue
            if self._is_stopped():
                return False
            block = grid[number]
            place = number - grid.number(block.position, (0, 0, 0))
            table = joined[block.position].tables[place]
            ids = self._work.read_piece(number, block.box)
            values = table[ids].astype(plan.content.dtype)
            store.write(block.position, block.box, values)
            volume.folder.mark(_STAGE, number)
            volume.folder.touch()
            done.add(number)
            n_done, n_total = len(done), len(volume.wanted)
            yield BlockWritten(_STAGE, block.position, block.box, n_done, n_total)
            yield StageProgress(_STAGE, 0.5 + n_done / n_total / 2, 0.0)
        return True

    def _is_stopped(self) -> bool:
        self._control.wait_while_paused()
        return self._control.is_stopping

    def _sizes(self, number: int) -> Sizes:
        if number not in self._wanted:
            return np.zeros(0, np.int64)
        facts = self._volume.folder.facts("finish", number)
        return np.array(facts["sizes"], np.int64)

    def _same(self, a: int, b: int) -> Pairs:
        boxes = [self._grid[number].box for number in (a, b)]
        first, second = (
            grown_box(box, self._margin, self._grid.shape) for box in boxes
        )
        shared = shared_box(first, second)
        cores = relative(boxes[0], shared), relative(boxes[1], shared)
        ids = self._work.read_piece(a, shared), self._work.read_piece(b, shared)
        return same_objects(*ids, cores, is_parted=self._is_parted)
