"""Draws for the samples of a batch, which remember what was drawn for whom."""

from __future__ import annotations

import torch


class Chance:
    """One source of chance for a batch.

    Parameters
    ----------
    generator : torch.Generator
        On the CPU; the only source.
    n : int
        Samples of the batch.
    """

    def __init__(self, generator: torch.Generator, n: int) -> None:
        self._generator = generator
        self._on_device: torch.Generator | None = None
        self.n = n
        self.names: list[list[str]] = [[] for _ in range(n)]

    def choose(self, name: str, probability: float) -> list[int]:
        """Draw the samples that are changed, and note it under their names."""
        if probability <= 0:
            return []
        drawn = self.uniform(self.n) < probability
        chosen = [index for index, is_drawn in enumerate(drawn.tolist()) if is_drawn]
        for index in chosen:
            self.names[index].append(name)
        return chosen

    def uniform(self, *shape: int) -> torch.Tensor:
        """Numbers between 0 and 1, on the CPU."""
        return torch.rand(shape, generator=self._generator)

    def signed(self, *shape: int) -> torch.Tensor:
        """Numbers between -1 and 1, on the CPU."""
        return self.uniform(*shape) * 2 - 1

    def factor(self, largest: float, *shape: int) -> torch.Tensor:
        """Numbers from 1 / largest to largest, evenly on a logarithmic scale."""
        return largest ** self.signed(*shape)

    def integer(self, low: int, high: int) -> int:
        """One of ``low``, ..., ``high - 1``."""
        return int(torch.randint(low, high, (1,), generator=self._generator))

    def normal(self, like: torch.Tensor) -> torch.Tensor:
        """Standard normal noise of the shape and on the device of a tensor."""
        noise = torch.empty_like(like, memory_format=torch.contiguous_format)
        if like.device.type == "cpu":
            return noise.normal_(generator=self._generator)
        if self._on_device is None:
            self._on_device = torch.Generator(like.device)
            self._on_device.manual_seed(self.integer(0, 1 << 62))
        return noise.normal_(generator=self._on_device)
