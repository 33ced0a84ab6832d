"""A prediction into stores: block by block, and on from where it was stopped."""

from __future__ import annotations

import math
import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segtrain.boxes import Box, box_shape
from napari_segtrain.control import Event, LinkedControl, RunControl
from napari_segtrain.inference.volume.events import (
    BlockWritten,
    StageProgress,
    VolumeOpened,
)
from napari_segtrain.inference.volume.grid import part_of, view_first
from napari_segtrain.inference.volume.joining import iter_joining
from napari_segtrain.inference.volume.predicting import iter_on_devices, iter_predicted
from napari_segtrain.networks import choose_device, choose_devices, on_device

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import torch

    from napari_segtrain.inference.events import EngineChosen
    from napari_segtrain.inference.volume.block_work import BlockWork
    from napari_segtrain.inference.volume.opening import OpenVolume
    from napari_segtrain.inference.volume.predicting import BlockStep, BlockSteps


_POLL_SECONDS, _MOST_WAITS = 0.2, 300
"""For blocks of processes that died; longer than it takes until these are given up."""


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
    was_complete : bool
        Whether there was nothing to do.
    """

    path: Path
    maps: tuple[Path, ...] = ()
    is_complete: bool = True
    seconds: float = 0.0
    n_blocks: int = 0
    finisher: str = ""
    was_complete: bool = False


@dataclass
class _Meter:
    """Voxels per second of a stage."""

    stage: str
    n_total: int
    n_voxels: float = 0.0
    start: float = field(default_factory=time.perf_counter)
    n_done: int = 0
    shares: dict[int, float] = field(default_factory=dict)

    def progress(self, n_done: float) -> StageProgress:
        seconds = max(time.perf_counter() - self.start, 1e-9)
        share = n_done / max(1, self.n_total)
        return StageProgress(self.stage, share, self.n_voxels / seconds)

    def of_step(self, step: BlockStep) -> StageProgress:
        """Progress with the blocks that are under way."""
        self.shares[step.number] = step.share
        if step.kind == "predicted":
            self.n_done += 1
            del self.shares[step.number]
        return self.progress(self.n_done + sum(self.shares.values()))


def iter_volume_prediction(
    volume: OpenVolume,
    *,
    part: tuple[int, int] = (1, 1),
    view: Box | None = None,
    control: RunControl | None = None,
    devices: Sequence[torch.device] = (),
) -> Generator[Event, None, VolumeResult]:
    """Predict what is not predicted yet, and finish when nothing is left.

    While a block is predicted the next one is read and the last one written. Several
    GPUs take blocks in turn, each with its own copy of the network; when one of them
    fails all end.

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
    devices : sequence of torch.device
        Where networks compute; those of the setting without, which are all GPUs for
        ``cuda``.

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
    run = _Run(volume, control or RunControl(), devices)
    return (yield from run.all_stages(part, view))


class _Run:
    def __init__(
        self,
        volume: OpenVolume,
        control: RunControl,
        devices: Sequence[torch.device],
    ) -> None:
        self._volume = volume
        self._control = control
        self._devices = devices
        self._work: BlockWork = volume.block_work(control)
        self._start = time.perf_counter()
        self._n_predicted = 0
        self._n_done = 0
        self._finisher = ""

    def all_stages(
        self, part: tuple[int, int], view: Box | None
    ) -> Generator[Event, None, VolumeResult]:
        volume = self._volume
        if volume.is_complete or volume.was_completed():
            return replace(self._result(is_complete=True), was_complete=True)
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
        meter = _Meter("predict", len(todo))
        engines, steps = self._steps(todo)
        with closing(steps):
            yield from engines
            meter.start = time.perf_counter()
            while True:
                try:
                    step = next(steps)
                except StopIteration as end:
                    return bool(end.value)
                yield self._event(step, meter)

    def _steps(
        self, todo: Sequence[int]
    ) -> tuple[tuple[EngineChosen, ...], BlockSteps]:
        """Make what predicts on each device, and say what runs the networks."""
        n_voxels = sum(map(self._n_voxels, todo))
        setting = self._volume.plan.config.device
        devices = list(self._devices or choose_devices(setting))[: len(todo)]
        if devices == [choose_device(setting)]:
            engines = self._work.engines(n_voxels)
            return engines, iter_predicted(self._work, deque(todo))
        control = LinkedControl(self._control)
        works = []
        found: list[EngineChosen] = []
        for device in devices:
            work = self._volume.block_work(control)
            with on_device(device):
                found += work.engines(n_voxels)
            works.append((device, work))
        return tuple(dict.fromkeys(found)), iter_on_devices(works, todo, control)

    def _event(self, step: BlockStep, meter: _Meter) -> Event:
        if step.kind == "written":
            self._n_predicted += 1
            return self._written("predict", step.number)
        if step.kind == "predicted":
            meter.n_voxels += self._n_voxels(step.number)
        return meter.of_step(step)

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
            return volume.was_completed()
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
        """Do what no process has done or is doing, beginning with the own part.

        Returns
        -------
        bool
            Whether all blocks are done; else stopped, or others are at work on the
            last ones and the one that ends last goes on.
        """
        volume = self._volume
        done = volume.folder.marked("finish")
        own = part_of(volume.wanted, *part)
        ordered = dict.fromkeys((*own, *volume.wanted))  # each once
        todo = [number for number in ordered if number not in done]
        self._n_done = len(done)
        meter = _Meter("finish", len(todo))
        waiting, n_waits = deque(todo), _MOST_WAITS
        while waiting:
            self._control.wait_while_paused()
            if self._control.is_stopping or not volume.folder.is_current():
                return False
            number = waiting.popleft()
            if self._finish_one(number):
                meter.n_voxels += self._n_voxels(number)
                yield self._written("finish", number)
            elif n_waits and volume.folder.is_abandoned("finish", number):
                waiting.append(number)  # until the claim of the dead process is old
                n_waits -= 1
                time.sleep(_POLL_SECONDS)
            yield meter.progress(len(todo) - len(waiting))
        left = set(volume.wanted) - volume.folder.marked("finish")
        self._finisher = volume.folder.claimant("finish", sorted(left))
        return not left

    def _finish_one(self, number: int) -> bool:
        """Do a block that no other process has; return whether it was done here."""
        folder = self._volume.folder
        if folder.is_marked("finish", number) or not folder.claim("finish", number):
            return False
        try:
            if folder.is_marked("finish", number):  # just now, and given back
                return False
            self._work.finish(number)
        finally:
            folder.release("finish", number)
        return True

    def _join(self) -> Generator[Event, None, bool]:
        return (yield from iter_joining(self._volume, self._work, self._control))
