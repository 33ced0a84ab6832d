"""A prediction into stores: block by block, and on from where it was stopped."""

from __future__ import annotations

import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segtrain.boxes import Box, box_shape
from napari_segtrain.control import Event, RunControl
from napari_segtrain.inference.volume.events import (
    BlockWritten,
    StageProgress,
    VolumeOpened,
)
from napari_segtrain.inference.volume.grid import part_of, view_first
from napari_segtrain.inference.volume.joining import iter_joining

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_segtrain.inference.volume.block_work import BlockWork, Painted
    from napari_segtrain.inference.volume.opening import OpenVolume


@dataclass(frozen=True)
class VolumeResult:
    """Result of `iter_volume_prediction`.

    Parameters
    ----------
    path : Path
        Store of the labels.
    maps : tuple of Path
        Stores of maps.
    is_complete : bool
        Whether nothing is left to do, for other parts neither.
    seconds : float
        Duration.
    n_blocks : int
        That this process has predicted.
    finisher : str
        Computer and process that does the last steps instead, if one does.
    """

    path: Path
    maps: tuple[Path, ...] = ()
    is_complete: bool = True
    seconds: float = 0.0
    n_blocks: int = 0
    finisher: str = ""


@dataclass
class _Meter:
    """Voxels per second of a stage."""

    stage: str
    n_total: int
    n_voxels: float = 0.0
    start: float = field(default_factory=time.perf_counter)

    def progress(self, n_done: float) -> StageProgress:
        seconds = max(time.perf_counter() - self.start, 1e-9)
        share = n_done / max(1, self.n_total)
        return StageProgress(self.stage, share, self.n_voxels / seconds)


def iter_volume_prediction(
    volume: OpenVolume,
    *,
    part: tuple[int, int] = (1, 1),
    view: Box | None = None,
    control: RunControl | None = None,
) -> Generator[Event, None, VolumeResult]:
    """Predict what is not predicted yet, and finish when nothing is left.

    While a block is predicted the next one is read and the last one written.

    Parameters
    ----------
    volume : OpenVolume
        From `open_volume`.
    part : (int, int)
        This process does part i of n of the blocks. The one that ends last does what
        follows the prediction.
    view : Box, optional
        Blocks of this region come first, then those around it.
    control : RunControl, optional
        Stop and pause; effective between two batches of tiles, and between two blocks
        of the later stages. What is written stays, and another run goes on with it.

    Yields
    ------
    VolumeOpened, EngineChosen, StageProgress, BlockWritten

    Returns
    -------
    VolumeResult

    Raises
    ------
    SegtrainError
        As of `iter_prediction`; `OutputError` when a store cannot be written.
    """
    run = _Run(volume, control or RunControl())
    return (yield from run.all_stages(part, view))


class _Run:
    def __init__(self, volume: OpenVolume, control: RunControl) -> None:
        self._volume = volume
        self._control = control
        self._work: BlockWork = volume.block_work(control)
        self._start = time.perf_counter()
        self._n_predicted = 0
        self._n_done = 0
        self._finisher = ""

    def all_stages(
        self, part: tuple[int, int], view: Box | None
    ) -> Generator[Event, None, VolumeResult]:
        volume = self._volume
        if volume.is_complete:
            return self._result(is_complete=True)
        done = volume.folder.marked("predict")
        wanted = volume.wanted
        self._n_done = len(done & set(wanted))
        yield VolumeOpened(
            volume.path,
            volume.plan.grid.n_blocks,
            len(volume.plan.empty),
            self._n_done,
        )
        todo = [number for number in part_of(wanted, *part) if number not in done]
        if view is not None:
            todo = view_first(volume.plan.grid, todo, view)
        if todo and not (yield from self._predict(todo)):
            return self._result(is_complete=False)
        is_complete = yield from self._end(part)
        return self._result(is_complete=is_complete)

    def _result(self, *, is_complete: bool) -> VolumeResult:
        path, *maps = self._volume.stores.results
        seconds = time.perf_counter() - self._start
        return VolumeResult(
            path,
            tuple(maps),
            is_complete,
            seconds,
            self._n_predicted,
            self._finisher,
        )

    def _predict(self, todo: Sequence[int]) -> Generator[Event, None, bool]:
        n_voxels = sum(map(self._n_voxels, todo))
        yield from self._work.engines(n_voxels)
        meter = _Meter("predict", len(todo))
        with (
            ThreadPoolExecutor(1, "read ahead") as reader,
            ThreadPoolExecutor(1, "write behind") as writer,
        ):
            loaded = reader.submit(self._work.load, todo[0])
            written: tuple[int, Future[None]] | None = None
            for place, number in enumerate(todo):
                loaded.result()
                if place + 1 < len(todo):
                    loaded = reader.submit(self._work.load, todo[place + 1])
                painted = yield from self._block(number, place, meter)
                if written is not None:
                    yield from self._end_of_writing(*written)
                    written = None
                if painted is None:
                    return False
                meter.n_voxels += self._n_voxels(number)
                written = number, writer.submit(self._work.write, number, painted)
            if written is not None:
                yield from self._end_of_writing(*written)
        return True

    def _block(
        self, number: int, place: int, meter: _Meter
    ) -> Generator[Event, None, Painted | None]:
        events = self._work.predict(number)
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                painted: Painted | None = end.value
                return painted
            yield meter.progress(place + event.n_done / event.n_total)

    def _end_of_writing(self, number: int, written: Future[None]) -> Iterator[Event]:
        written.result()
        self._n_predicted += 1
        yield self._written("predict", number)

    def _written(self, stage: str, number: int) -> BlockWritten:
        volume = self._volume
        block = volume.plan.grid[number]
        self._n_done += 1
        return BlockWritten(
            stage, block.position, block.box, self._n_done, len(volume.wanted)
        )

    def _n_voxels(self, number: int) -> int:
        return math.prod(box_shape(self._volume.plan.grid[number].box))

    def _end(self, part: tuple[int, int]) -> Generator[Event, None, bool]:
        """Do what follows when all blocks are predicted; return whether that is so."""
        volume = self._volume
        if not volume.folder.exists:
            return volume.was_completed()
        if not set(volume.wanted) <= volume.folder.marked("predict"):
            return volume.was_completed()
        if "finish" in volume.plan.stages and not (yield from self._finish(part)):
            return False
        if not volume.folder.lock():
            self._finisher = volume.folder.finisher
            return volume.was_completed()
        try:
            if "join" in volume.plan.stages and not (yield from self._join()):
                return False
            volume.complete()
        finally:
            volume.folder.unlock()
        return True

    def _finish(self, part: tuple[int, int]) -> Generator[Event, None, bool]:
        """Do what is not done yet, beginning with the own part: others may help."""
        volume = self._volume
        done = volume.folder.marked("finish")
        own = part_of(volume.wanted, *part)
        others = [number for number in volume.wanted if number not in set(own)]
        todo = [number for number in (*own, *others) if number not in done]
        self._n_done = len(done)
        meter = _Meter("finish", len(todo))
        for place, number in enumerate(todo):
            self._control.wait_while_paused()
            if self._control.is_stopping:
                return False
            if not volume.folder.is_marked("finish", number):
                self._work.finish(number)
                meter.n_voxels += self._n_voxels(number)
                yield self._written("finish", number)
            yield meter.progress(place + 1)
        return True

    def _join(self) -> Generator[Event, None, bool]:
        return (yield from iter_joining(self._volume, self._work, self._control))
