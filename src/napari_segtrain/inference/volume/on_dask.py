"""Blocks on the workers of a Dask cluster, of this computer or of many.

Workers open models, image and stores themselves, once; a task is the number of a block,
and what it returns is nothing. A worker that dies costs the block that it had: Dask
gives it to another one.
"""

from __future__ import annotations

import importlib.util
import math
import os
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_segtrain.boxes import box_shape
from napari_segtrain.control import RunControl
from napari_segtrain.errors import ConfigError, PredictionError
from napari_segtrain.inference.volume.events import (
    BlockWritten,
    StageProgress,
    VolumeOpened,
)
from napari_segtrain.inference.volume.run import VolumeResult, iter_volume_prediction

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from napari_segtrain.control import Event
    from napari_segtrain.inference.volume.block_work import BlockWork
    from napari_segtrain.inference.volume.opening import OpenVolume

    Opener = Callable[[], OpenVolume]

_opened: dict[str, BlockWork] = {}
"""In a worker: what works on the blocks of a run, by the token of the run."""

_one_at_a_time = threading.Lock()
"""In a worker, which may have been started with several threads."""

_POLL_SECONDS = 0.2
_TIMEOUT = "20s"


@dataclass(frozen=True)
class Cluster:
    """Where blocks are computed.

    Parameters
    ----------
    scheduler : str
        Address of a scheduler, such as ``tcp://node7:8786``; a cluster of this computer
        without.
    n_workers : int
        Of a cluster of this computer.
    """

    scheduler: str = ""
    n_workers: int = 1


def iter_on_dask(
    volume: OpenVolume,
    opener: Opener,
    cluster: Cluster,
    *,
    control: RunControl | None = None,
) -> Generator[Event, None, VolumeResult]:
    """Predict on a cluster what is not predicted yet, and finish here.

    Parameters
    ----------
    volume : OpenVolume
        Open in this process.
    opener : callable
        Opens the same in a worker; can be pickled.
    cluster : Cluster
        Where.
    control : RunControl, optional
        Stop; blocks under way are finished by workers of a scheduler, and given up by
        those of this computer.

    Yields
    ------
    VolumeOpened, BlockWritten, StageProgress

    Returns
    -------
    VolumeResult

    Raises
    ------
    ConfigError
        When Dask's scheduler is not installed or cannot be reached.
    PredictionError
        When a block fails on several workers.
    """
    control = control or RunControl()
    start = time.perf_counter()
    path, *maps = volume.stores.results
    n_predicted = 0
    if not volume.is_complete:
        done = volume.folder.marked("predict") & set(volume.wanted)
        n_blocks, n_empty = volume.plan.grid.n_blocks, len(volume.plan.empty)
        yield VolumeOpened(volume.path, n_blocks, n_empty, len(done))
        work = _Tasks(volume, opener, control)
        n_predicted = len(volume.wanted) - len(done)
        with _client(cluster) as client:
            for stage in volume.plan.stages[:2]:
                if not (yield from work.run(client, stage, cluster)):
                    seconds = time.perf_counter() - start
                    return VolumeResult(path, tuple(maps), False, seconds)  # noqa: FBT003
    rest = iter_volume_prediction(volume, control=control)
    result: VolumeResult = yield from _without_opening(rest)
    seconds = time.perf_counter() - start
    return replace(result, seconds=seconds, n_blocks=n_predicted)


def _without_opening(
    events: Generator[Event, None, VolumeResult],
) -> Generator[Event, None, VolumeResult]:
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            result: VolumeResult = end.value
            return result
        if not isinstance(event, VolumeOpened):
            yield event


class _Tasks:
    def __init__(self, volume: OpenVolume, opener: Opener, control: RunControl) -> None:
        self._volume = volume
        self._opener = opener
        self._control = control

    def run(
        self, client: Any, stage: str, cluster: Cluster
    ) -> Generator[Event, None, bool]:
        """Do a stage; return whether it was completed."""
        volume = self._volume
        done = volume.folder.marked(stage)
        todo = [number for number in volume.wanted if number not in done]
        threads = 0 if cluster.scheduler else _threads_each(cluster.n_workers)
        waiting = [
            client.submit(
                _do_block, self._opener, volume.folder.token, stage, number, threads,
                pure=False,
            )
            for number in todo
        ]  # fmt: skip
        numbers = {future.key: n for future, n in zip(waiting, todo, strict=True)}
        n_voxels, start = 0, time.perf_counter()
        while waiting:
            if self._control.is_stopping:
                client.cancel([f for f in waiting if f.status == "pending"])
                return False
            ended = [future for future in waiting if future.done()]
            if not ended:
                time.sleep(_POLL_SECONDS)
                continue
            waiting = [future for future in waiting if future not in ended]
            for future in ended:
                self._check(future)
                block = volume.plan.grid[numbers[future.key]]
                n_voxels += math.prod(box_shape(block.box))
                n_done = len(volume.wanted) - len(waiting)
                yield BlockWritten(
                    stage, block.position, block.box, n_done, len(volume.wanted)
                )
            speed = n_voxels / (time.perf_counter() - start)
            yield StageProgress(stage, 1 - len(waiting) / len(todo), speed)
        return True

    def _check(self, future: Any) -> None:
        if future.status not in {"finished", "error"}:  # cancelled or lost
            raise PredictionError(
                "The scheduler is gone, or has given up a block; start it again, and "
                "the same command goes on with the blocks that are left."
            )
        error = future.exception()
        if error is None:
            return
        if type(error).__name__ == "KilledWorker":
            raise PredictionError(
                "A block of the volume ended several workers, one after another; they "
                "may have too little memory: start fewer, or give them more."
            ) from error
        raise error


def _do_block(
    opener: Opener, key: str, stage: str, number: int, n_threads: int
) -> None:
    """Do a block, in a worker."""
    with _one_at_a_time:
        _do_own_block(opener, key, stage, number, n_threads)


def _do_own_block(
    opener: Opener, key: str, stage: str, number: int, n_threads: int
) -> None:
    if key not in _opened:
        import torch

        if n_threads:
            torch.set_num_threads(n_threads)
        _use_own_gpu()
        _opened.clear()
        _opened[key] = opener().block_work()
    work = _opened[key]
    if stage == "finish":
        work.finish(number)
        return
    work.load(number)
    events = work.predict(number)
    while True:
        try:
            next(events)
        except StopIteration as end:
            work.write(number, end.value)
            return


def _use_own_gpu() -> None:
    """Give the workers of one computer a GPU each, in turn."""
    import torch
    from distributed import get_worker

    name = str(get_worker().name)
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if n_gpus > 1 and name.isdigit() and "CUDA_VISIBLE_DEVICES" not in os.environ:
        torch.cuda.set_device(int(name) % n_gpus)


def _threads_each(n_workers: int) -> int:
    return max(1, (os.cpu_count() or 1) // n_workers)


@contextmanager
def _client(cluster: Cluster) -> Iterator[Any]:
    if importlib.util.find_spec("distributed") is None:
        raise ConfigError(
            "Dask's scheduler is not installed; run pip install "
            '"napari-segtrain[distributed]", or leave --workers and --scheduler out.'
        )
    import distributed

    with ExitStack() as stack:
        address: Any = cluster.scheduler
        if not address:
            address = stack.enter_context(
                distributed.LocalCluster(  # type: ignore[no-untyped-call]
                    n_workers=cluster.n_workers,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=None,
                    memory_limit=0,
                    silence_logs=50,
                )
            )
        try:
            client = distributed.Client(address, timeout=_TIMEOUT)  # type: ignore[no-untyped-call]
            stack.enter_context(client)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"The scheduler {cluster.scheduler} does not answer ({error}); check "
                "its address, and that this computer reaches it."
            ) from error
        yield client
