"""Random changes of training batches, drawn anew for every iteration.

Reflections and right-angle turns are views of single patches (`orientation`). The rest
is made batch-wise in torch, on the device of the batch: one resampling (`warp`), then
changes of intensity (`intensity`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from napari_segtrain.data.chance import Chance
from napari_segtrain.data.intensity import change_intensities
from napari_segtrain.data.orientation import orient
from napari_segtrain.data.warp import Warp, crop, draw_warp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_segtrain.axes import ZYX
    from napari_segtrain.config.presets import Augmentation

    Read = Callable[[ZYX], "ImageAndTarget"]

NO_MARGIN = (0, 0, 0)
ImageAndTarget = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]


def augment(
    images: torch.Tensor,
    targets: torch.Tensor,
    settings: Augmentation,
    generator: torch.Generator,
    *,
    in_plane: bool = True,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Warp a batch whose surroundings are not known, and change its intensities.

    Parameters
    ----------
    images : Tensor, shape (N, C, [Z], Y, X)
        Normalized intensities.
    targets : Tensor of uint8, shape (N, [Z], Y, X)
        Class indices; voxels that come from outside the patch become unlabelled.
    settings : Augmentation
        Probabilities and ranges.
    generator : torch.Generator
        On the CPU; the only source of chance.
    in_plane : bool
        Leave positions along Z as they are.

    Returns
    -------
    Tensor, Tensor
        Of the same shapes and types.
    """
    chance = Chance(generator, len(images))
    warp = draw_warp(settings, tuple(targets.shape[1:]), chance, in_plane=in_plane)
    if warp is not None:
        images, targets = warp.apply(images, targets, NO_MARGIN)
    return change_intensities(images, settings, chance), targets


@dataclass(frozen=True)
class AugmentedPatch:
    """A patch as training may see it.

    Parameters
    ----------
    image : ndarray of float32, shape (C, Z, Y, X)
        Intensities.
    target : ndarray of uint8, shape (Z, Y, X)
        Class indices.
    names : tuple of str
        What was done to it, in order; empty when nothing was.
    """

    image: npt.NDArray[np.float32]
    target: npt.NDArray[np.uint8]
    names: tuple[str, ...]


def show_augmented(
    reads: Sequence[Read],
    settings: Augmentation,
    size: ZYX,
    *,
    in_plane: bool = True,
    seed: Sequence[int] = (0,),
) -> list[AugmentedPatch]:
    """Change patches as training would, each on its own, and say how.

    Parameters
    ----------
    reads : sequence of callable
        One per patch: is given the voxels that are needed around the patch, on each
        side, and returns image (C, Z, Y, X), normalized, and target (Z, Y, X) with
        them.
    settings : Augmentation
        Probabilities and ranges.
    size : ZYX
        Of the patches, voxels; one slice in Z is taken as a patch of a 2D network.
    in_plane : bool
        Leave positions along Z as they are.
    seed : sequence of int
        The only source of chance.
    """
    return [
        _show_one(read, settings, size, in_plane=in_plane, seed=[*seed, number])
        for number, read in enumerate(reads)
    ]


def _show_one(
    read: Read, settings: Augmentation, size: ZYX, *, in_plane: bool, seed: list[int]
) -> AugmentedPatch:
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
    chance = Chance(generator, 1)
    is_2d = size[0] == 1
    warp = draw_warp(settings, size[is_2d:], chance, in_plane=in_plane)
    margin = NO_MARGIN if warp is None else warp.margin()
    names: list[str] = []
    image, target = orient(*read(margin), settings, rng, names)
    images = torch.from_numpy(np.stack([image]))
    targets = torch.from_numpy(np.stack([target]))
    if is_2d:
        images, targets = images.squeeze(2), targets.squeeze(1)
    images, targets = warp_or_crop(images, targets, warp, margin)
    images = change_intensities(images, settings, chance)
    if is_2d:
        images, targets = images.unsqueeze(2), targets.unsqueeze(1)
    return AugmentedPatch(
        images[0].numpy(), targets[0].numpy(), (*names, *chance.names[0])
    )


def warp_or_crop(
    images: torch.Tensor, targets: torch.Tensor, warp: Warp | None, margin: ZYX
) -> tuple[torch.Tensor, torch.Tensor]:
    """Take patches out of their surroundings, warped or as they are."""
    if warp is None:
        return crop(images, margin), crop(targets, margin)
    return warp.apply(images, targets, margin)
