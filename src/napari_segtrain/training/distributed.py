"""Several processes train one network together, as torchrun starts them.

Each process draws patches of its own; gradients are averaged before each step, so that
all hold the same weights. The first process decides when to validate and to end, and it
alone validates and writes.

Every exchange begins with a word from each process whether it can go on. So memory that
ran out in one is healed in all, and an error in one ends all, while a process that
waits for another cannot wait for ever. This is why gradients are averaged here, after
the way back, and not by torch's ``DistributedDataParallel`` during it.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar, cast

import torch
import torch.distributed as dist

from napari_segtrain.control import is_in_team
from napari_segtrain.errors import OtherProcessFailed, is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from torch import nn

Value = TypeVar("Value")

_TOLD = "_is_told_to_other_processes"
_PATIENCE = timedelta(days=1)
"""How long processes wait for one that is alive, for instance because it is paused."""


class OtherProcessOutOfMemory(MemoryError):
    """Memory ran out in another process of the training."""


class Team:
    """The processes that train one network; here it is one alone.

    Attributes
    ----------
    rank, size : int
        Number of this process, from 0, and how many there are.
    """

    rank = 0
    size = 1

    @property
    def is_first(self) -> bool:
        """Whether this process decides and writes."""
        return self.rank == 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """Do something by oneself; the others are told when it fails."""
        yield

    def agree(self, value: Value) -> Value:
        """Return what the first process thinks."""
        return value

    def made_by_first(self, make: Callable[[], Value]) -> Value:
        """Return what the first process makes; the others wait for it."""
        with self.together():
            value = make() if self.is_first else None
        return cast("Value", self.agree(value))

    def any(self, *, is_so: bool) -> bool:
        """Whether it is so in any process."""
        return is_so

    def mean(self, value: float) -> float:
        """Mean over the processes."""
        return value

    def average_gradients(self, network: nn.Module) -> None:
        """Give the mean gradient to all."""

    def spread(self, tensors: Iterable[torch.Tensor]) -> None:
        """Give the first process's tensors to all, in place."""


class ProcessTeam(Team):
    """Processes that torchrun has started; see `joined`."""

    def __init__(self) -> None:
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Do something by oneself; the others are told when it fails."""
        try:
            yield
        except (OtherProcessFailed, OtherProcessOutOfMemory):
            raise
        except Exception as error:
            if not hasattr(error, _TOLD):
                setattr(error, _TOLD, True)
                self._report(error)
            raise

    def agree(self, value: Value) -> Value:
        """Return what the first process thinks."""
        self._meet()
        values = [value]
        dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        return values[0]

    def any(self, *, is_so: bool) -> bool:
        """Whether it is so in any process."""
        return self._sum(float(is_so)) > 0

    def mean(self, value: float) -> float:
        """Mean over the processes."""
        return self._sum(value) / self.size

    def average_gradients(self, network: nn.Module) -> None:
        """Give the mean gradient to all, in one exchange."""
        self._meet()
        weights = [w for w in network.parameters() if w.grad is not None]
        gradients = [w.grad for w in weights if w.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        parts = flat.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def spread(self, tensors: Iterable[torch.Tensor]) -> None:
        """Give the first process's tensors to all, in place."""
        self._meet()
        for tensor in tensors:
            whole = tensor.detach().contiguous()
            dist.broadcast(whole, src=0)
            tensor.detach().copy_(whole)

    def _sum(self, value: float) -> float:
        self._meet()
        total = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(total)
        return float(total)

    def _meet(self, *, lacks_memory: bool = False, has_failed: bool = False) -> None:
        """Hear from each process whether it can go on."""
        words = torch.tensor([float(lacks_memory), float(has_failed)])
        dist.all_reduce(words)
        n_lacking, n_failed = words.tolist()
        if n_failed and not has_failed:
            self._hear("")
        if n_lacking and not lacks_memory and not n_failed:
            raise OtherProcessOutOfMemory("memory ran out in another process")

    def _report(self, error: Exception) -> None:
        lacks_memory = is_out_of_memory(error)
        self._meet(lacks_memory=lacks_memory, has_failed=not lacks_memory)
        if not lacks_memory:
            self._hear(str(error) or type(error).__name__)

    def _hear(self, own: str) -> None:
        """Tell and hear why processes failed; raise when this is not one of them."""
        sentences: list[str] = [""] * self.size
        dist.all_gather_object(sentences, own)
        if not own:
            rank, text = next((r, text) for r, text in enumerate(sentences) if text)
            raise OtherProcessFailed(f"Process {rank} of {self.size}: {text}")


@contextmanager
def joined() -> Iterator[Team]:
    """Join the processes that torchrun has started, if it has, until the end.

    Processors talk by gloo, CUDA devices by NCCL; each process of a computer takes the
    GPU of its number.
    """
    if not is_in_team() or dist.is_initialized():
        yield current_team()
        return
    backend = "gloo"
    if torch.cuda.is_available():
        local = int(os.environ.get("LOCAL_RANK", "0"))
        torch.cuda.set_device(local % torch.cuda.device_count())
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield current_team()
    finally:
        dist.destroy_process_group()


def current_team() -> Team:
    """Processes that this one has joined."""
    return ProcessTeam() if dist.is_available() and dist.is_initialized() else Team()
