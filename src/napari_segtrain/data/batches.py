"""Batches of patches, made ahead by threads, each from its iteration's own seed.

Since batch number i depends on the seed and on i alone, a resumed run sees the same
batches as one that was never interrupted, however many threads prepare them.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_segtrain.data.augment import augment, orient

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_segtrain.config import AugmentationConfig
    from napari_segtrain.data.sampling import PatchReader, PatchSampler

_AHEAD = 3


@dataclass(frozen=True)
class Batch:
    """Training patches.

    Parameters
    ----------
    iteration : int
        Number of the batch.
    images : Tensor of float32, shape (N, C, [Z], Y, X)
        Normalized intensities.
    targets : Tensor of uint8, shape (N, [Z], Y, X)
        Class indices.
    """

    iteration: int
    images: torch.Tensor
    targets: torch.Tensor


class BatchSource:
    """Makes the batch of any iteration.

    Parameters
    ----------
    sampler, reader
        Where patches lie, and what they hold.
    augmentation : AugmentationConfig
        Random changes.
    batch_size : int
        Patches per batch; may be lowered between two batches.
    is_2d : bool
        Drop the Z axis.
    seed : int
        Together with the iteration, the only source of chance.
    """

    def __init__(
        self,
        sampler: PatchSampler,
        reader: PatchReader,
        augmentation: AugmentationConfig,
        *,
        batch_size: int,
        is_2d: bool,
        seed: int,
    ) -> None:
        self._sampler = sampler
        self._reader = reader
        self._augmentation = augmentation
        self.batch_size = batch_size
        self._is_2d = is_2d
        self._seed = seed

    def make(self, iteration: int) -> Batch:
        """Read and orient the patches of an iteration."""
        rng = np.random.default_rng([self._seed, iteration])
        patches = [self._patch(rng) for _ in range(self.batch_size)]
        images = torch.from_numpy(np.stack([image for image, _ in patches]))
        targets = torch.from_numpy(np.stack([target for _, target in patches]))
        if self._is_2d:
            images, targets = images.squeeze(2), targets.squeeze(1)
        return Batch(iteration, images, targets)

    def augment(self, batch: Batch, device: torch.device) -> Batch:
        """Move a batch to the device and change it at random there."""
        generator = torch.Generator().manual_seed(
            self._seed * 1_000_003 + batch.iteration
        )
        images, targets = augment(
            batch.images.to(device, non_blocking=True),
            batch.targets.to(device, non_blocking=True),
            self._augmentation,
            generator,
        )
        return Batch(batch.iteration, images, targets)

    def _patch(
        self, rng: np.random.Generator
    ) -> tuple[
        np.ndarray[tuple[int, ...], np.dtype[np.float32]],
        np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    ]:
        image, target = self._reader.read(self._sampler.draw(rng))
        return orient(image, target, self._augmentation, rng)


def iter_batches(
    source: BatchSource, first: int, *, n_threads: int
) -> Generator[Batch, None, None]:
    """Yield the batches of iterations ``first``, ``first + 1``, ... without end.

    Parameters
    ----------
    source : BatchSource
        Makes them.
    first : int
        Iteration of the first one.
    n_threads : int
        Threads that work ahead; with 0 each batch is made when it is asked for.
    """
    if n_threads == 0:
        while True:
            yield source.make(first)
            first += 1
    waiting: deque[Future[Batch]] = deque()
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="segtrain-batches")
    try:
        while True:
            while len(waiting) < n_threads + _AHEAD:
                waiting.append(pool.submit(source.make, first))
                first += 1
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
