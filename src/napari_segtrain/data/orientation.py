"""Reflections and right-angle turns of single patches, which are views of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari_segtrain.config.presets import Augmentation

Names = list[str]


def orient(
    image: npt.NDArray[np.float32],
    target: npt.NDArray[np.uint8],
    settings: Augmentation,
    rng: np.random.Generator,
    names: Names | None = None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Mirror and turn one patch at random.

    Parameters
    ----------
    image : ndarray, shape (C, Z, Y, X)
        Intensities.
    target : ndarray, shape (Z, Y, X)
        Class indices.
    settings : Augmentation
        Whether, and how often.
    rng : Generator
        The only source of chance.
    names : list of str, optional
        What was done is added to it.
    """
    names = [] if names is None else names
    geometry = settings.geometry
    if settings.rotations and target.shape[1] == target.shape[2]:
        turns = int(rng.integers(4))
        is_turned = geometry.turn_probability == 1 or (
            rng.random() < geometry.turn_probability
        )
        if turns and is_turned:
            image = np.rot90(image, turns, (2, 3))
            target = np.rot90(target, turns, (1, 2))
            names.append(f"turn by {90 * turns}°")
    if settings.flips:
        axes = tuple(a for a in range(3) if rng.random() < geometry.flip_probability)
        image = np.flip(image, tuple(axis + 1 for axis in axes))
        target = np.flip(target, axes)
        names += [f"flip {'ZYX'[axis]}" for axis in axes if target.shape[axis] > 1]
    return image, target
