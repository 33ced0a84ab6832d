"""Memory is given back when a run ends, or has to do with less."""

from __future__ import annotations

import gc
import traceback

import torch


def give_back(device: torch.device) -> None:
    """Return a GPU's memory that nothing refers to any more to the system.

    Other programs, and other parts of this one, can use it then. On a processor the
    system has it back already.
    """
    if device.type == "cpu":
        return
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def forget_frames(error: BaseException) -> None:
    """Drop what the functions that an error passed through held.

    An error that is kept, as notebooks and reports do, would keep network, optimizer
    and batch alive through its traceback.
    """
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        link = todo.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        traceback.clear_frames(link.__traceback__)
        todo += [link.__cause__, link.__context__]
