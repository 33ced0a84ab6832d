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

from napari_segtrain.axes import ZYX
from napari_segtrain.data.augment import NO_MARGIN, warp_or_crop
from napari_segtrain.data.chance import Chance
from napari_segtrain.data.intensity import change_intensities
from napari_segtrain.data.orientation import orient
from napari_segtrain.data.warp import Warp, crop, draw_warp

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_segtrain.config.presets import Augmentation
    from napari_segtrain.data.sampling import PatchReader, PatchSampler

_AHEAD = 3
_WARP = 1
"""Stream of chance of the warps, besides that of the patches."""


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
    warp : Warp, optional
        How the patches are to be warped.
    margin : ZYX
        Voxels around the patches, on each side, that the tensors hold for that.
    context : ZYX
        Voxels around the patches, on each side, that the targets hold for the loss.
    """

    iteration: int
    images: torch.Tensor
    targets: torch.Tensor
    warp: Warp | None = None
    margin: ZYX = NO_MARGIN
    context: ZYX = NO_MARGIN

    def plain(self) -> torch.Tensor:
        """Images without their surroundings, not warped."""
        return crop(crop(self.images, self.margin), self.context)


class BatchSource:
    """Makes the batch of any iteration.

    Parameters
    ----------
    sampler, reader
        Where patches lie, and what they hold.
    augmentation : Augmentation
        Random changes.
    batch_size : int
        Patches per batch; may be lowered between two batches.
    is_2d : bool
        Drop the Z axis.
    seed : int
        Together with the iteration, the only source of chance.
    in_plane : bool
        Warp volumes slice by slice.
    """

    def __init__(
        self,
        sampler: PatchSampler,
        reader: PatchReader,
        augmentation: Augmentation,
        *,
        batch_size: int,
        is_2d: bool,
        seed: int,
        in_plane: bool = True,
    ) -> None:
        self._sampler = sampler
        self._reader = reader
        self._augmentation = augmentation
        self.batch_size = batch_size
        self._is_2d = is_2d
        self._seed = seed
        self._in_plane = in_plane

    @property
    def patch_size(self) -> ZYX:
        """Voxels of a patch; may be lowered between two batches."""
        return self._sampler.patch_size

    @patch_size.setter
    def patch_size(self, size: ZYX) -> None:
        self._sampler.patch_size = size

    def make(self, iteration: int) -> Batch:
        """Read and orient the patches of an iteration, with what warps look at."""
        rng = np.random.default_rng([self._seed, iteration])
        n_patches = self.batch_size
        warp = self._draw_warp(iteration, n_patches)
        margin = NO_MARGIN if warp is None else warp.margin()
        context = self._reader.context
        z, y, x = (sum(widths) for widths in zip(margin, context, strict=True))
        patches = [self._patch(rng, (z, y, x)) for _ in range(n_patches)]
        images = torch.from_numpy(np.stack([image for image, _ in patches]))
        targets = torch.from_numpy(np.stack([target for _, target in patches]))
        if self._is_2d:
            images, targets = images.squeeze(2), targets.squeeze(1)
        return Batch(iteration, images, targets, warp, margin, context)

    def augment(self, batch: Batch, device: torch.device) -> Batch:
        """Move a batch to the device and change it at random there."""
        generator = torch.Generator().manual_seed(
            self._seed * 1_000_003 + batch.iteration
        )
        images, targets = warp_or_crop(
            batch.images.to(device, non_blocking=True),
            batch.targets.to(device, non_blocking=True),
            batch.warp,
            batch.margin,
        )
        chance = Chance(generator, len(images))
        images = crop(images, batch.context)
        images = change_intensities(images, self._augmentation, chance)
        return Batch(batch.iteration, images, targets, context=batch.context)

    def _draw_warp(self, iteration: int, n_patches: int) -> Warp | None:
        seeds = np.random.SeedSequence([self._seed, iteration, _WARP])
        generator = torch.Generator()
        generator.manual_seed(int(seeds.generate_state(1, np.uint64)[0] >> 1))
        sides = zip(self._sampler.patch_size, self._reader.context, strict=True)
        size = tuple(side + 2 * width for side, width in sides)[self._is_2d :]
        chance = Chance(generator, n_patches)
        return draw_warp(self._augmentation, size, chance, in_plane=self._in_plane)

    def _patch(
        self, rng: np.random.Generator, margin: ZYX
    ) -> tuple[
        np.ndarray[tuple[int, ...], np.dtype[np.float32]],
        np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    ]:
        patch = self._sampler.draw(rng)
        if margin != NO_MARGIN:
            patch = patch.grown(margin)
        image, target = self._reader.read(patch)
        return orient(image, target, self._augmentation, rng)


def iter_batches(
    source: BatchSource, first: int, *, n_threads: int, step: int = 1
) -> Generator[Batch, None, None]:
    """Yield the batches ``first``, ``first + step``, ... without end.

    Parameters
    ----------
    source : BatchSource
        Makes them.
    first : int
        Number of the first one.
    n_threads : int
        Threads that work ahead; with 0 each batch is made when it is asked for.
    step : int
        From one number to the next, so that several processes share the batches.
    """
    if n_threads == 0:
        while True:
            yield source.make(first)
            first += step
    waiting: deque[Future[Batch]] = deque()
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="segtrain-batches")
    try:
        while True:
            while len(waiting) < n_batches_ahead(n_threads):
                waiting.append(pool.submit(source.make, first))
                first += step
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def n_batches_ahead(n_threads: int) -> int:
    """Batches that are made ahead by so many threads."""
    return n_threads + _AHEAD if n_threads else 0
