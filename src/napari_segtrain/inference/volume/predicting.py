"""Blocks through the network, one after another: on one device, or on several."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_segtrain.networks import on_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from napari_segtrain.control import RunControl
    from napari_segtrain.inference.volume.block_work import BlockWork, Painted

_POLL_SECONDS = 0.5
"""Longest that a signal waits for an answer where a wait cannot be interrupted."""


@dataclass(frozen=True)
class BlockStep:
    """Work on a block went on.

    Parameters
    ----------
    number : int
        Of the block.
    kind : {"tiles", "predicted", "written"}
        What was done.
    share : float
        Of its tiles, 0 to 1.
    """

    number: int
    kind: Literal["tiles", "predicted", "written"]
    share: float = 1.0


BlockSteps = Generator[BlockStep, None, bool]


def iter_predicted(work: BlockWork, todo: deque[int]) -> BlockSteps:
    """Predict blocks, which are taken from a queue, until it is empty.

    While a block is predicted the next one is read and the last one written.

    Parameters
    ----------
    work : BlockWork
        Whose engines were made.
    todo : deque of int
        Numbers of blocks; other threads may take some as well.

    Yields
    ------
    BlockStep

    Returns
    -------
    bool
        False when stopped.
    """
    with (
        ThreadPoolExecutor(1, "read ahead") as reader,
        ThreadPoolExecutor(1, "write behind") as writer,
    ):
        ahead = _load_next(work, todo, reader)
        written: tuple[int, Future[None]] | None = None
        while ahead is not None:
            number, loaded = ahead
            loaded.result()
            ahead = _load_next(work, todo, reader)
            painted = yield from _tiles(work, number)
            if written is not None:
                yield _end_of_writing(*written)
                written = None
            if painted is None:
                return False
            yield BlockStep(number, "predicted")
            written = number, writer.submit(work.write, number, painted)
        if written is not None:
            yield _end_of_writing(*written)
    return True


def iter_on_devices(
    works: Sequence[tuple[torch.device, BlockWork]],
    todo: Sequence[int],
    control: RunControl,
) -> BlockSteps:
    """Predict blocks on several devices at once, each with a thread of its own.

    Parameters
    ----------
    works : sequence of (torch.device, BlockWork)
        One for each device, whose engines were made there.
    todo : sequence of int
        Numbers of blocks; each device takes the first that none has taken.
    control : RunControl
        Of all ``works``; is stopped when one of them fails, and at the end.

    Yields
    ------
    BlockStep

    Returns
    -------
    bool
        False when stopped.

    Raises
    ------
    SegtrainError
        Of the first device that failed, when all have ended; what they have written
        by then stays.
    """
    numbers = deque(todo)
    steps: queue.SimpleQueue[BlockStep | None] = queue.SimpleQueue()
    errors: list[BaseException] = []

    def on_end(ended: Future[bool]) -> None:
        error = ended.exception()
        if error is not None:
            errors.append(error)
            control.stop()
        steps.put(None)

    with ThreadPoolExecutor(len(works), "device") as pool:
        try:
            running = []
            for device, work in works:
                running.append(pool.submit(_run, device, work, numbers, steps))
                running[-1].add_done_callback(on_end)
            n_running = len(running)
            while n_running:
                step = _next(steps)
                if step is None:
                    n_running -= 1
                else:
                    yield step
        finally:
            control.stop()
    if errors:
        raise errors[0]
    return all(ended.result() for ended in running)


def _run(
    device: torch.device,
    work: BlockWork,
    numbers: deque[int],
    steps: queue.SimpleQueue[BlockStep | None],
) -> bool:
    """Work of the thread of a device."""
    with on_device(device), closing(iter_predicted(work, numbers)) as found:
        while True:
            try:
                steps.put(next(found))
            except StopIteration as end:
                return bool(end.value)


def _next(steps: queue.SimpleQueue[BlockStep | None]) -> BlockStep | None:
    while True:
        try:
            return steps.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            continue


def _load_next(
    work: BlockWork, todo: deque[int], reader: ThreadPoolExecutor
) -> tuple[int, Future[None]] | None:
    try:
        number = todo.popleft()
    except IndexError:
        return None
    return number, reader.submit(work.load, number)


def _tiles(work: BlockWork, number: int) -> Generator[BlockStep, None, Painted | None]:
    events = work.predict(number)
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            painted: Painted | None = end.value
            return painted
        yield BlockStep(number, "tiles", event.n_done / event.n_total)


def _end_of_writing(number: int, written: Future[None]) -> BlockStep:
    written.result()
    return BlockStep(number, "written")
