"""Training patches beside what augmentation makes of them, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.data.augment import show_augmented
from napari_segtrain.data.facts import targets_of
from napari_segtrain.data.sampling import PatchReader
from napari_segtrain.evaluation.overlay import Window
from napari_segtrain.training.patches import (
    augmentation_of,
    patch_sampler,
    prepared_pairs,
    warps_in_plane,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.data.dataset import Dataset
    from napari_segtrain.data.sampling import Patch
    from napari_segtrain.training.plan import TrainingPlan

_COLORS = (3, 4)


@dataclass(frozen=True, eq=False)
class ShownVersion:
    """A slice of a patch, as it is or changed.

    Parameters
    ----------
    image : ndarray of uint8, shape (C, Y, X)
        Normalized intensities, brought into the range of a screen as those of the
        unchanged patch are.
    truth : ndarray of uint8, shape (Y, X)
        Class indices, `IGNORE_INDEX` where unlabelled.
    changes : tuple of str
        What was done to it, in order.
    """

    image: npt.NDArray[np.uint8] = field(repr=False)
    truth: npt.NDArray[np.uint8] = field(repr=False)
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ShownPatch:
    """A training patch and versions of it.

    Parameters
    ----------
    name : str
        Of the image.
    z : int
        Slice of the image; of volumes the middle one of the patch.
    versions : tuple of ShownVersion
        The first is unchanged.
    """

    name: str
    z: int
    versions: tuple[ShownVersion, ...]


class AugmentationPreview:
    """Draws training patches of a plan and changes them as the training would.

    Parameters
    ----------
    plan : TrainingPlan
        Patches, normalization and augmentation.
    dataset : Dataset
        What was planned for. All labels are read here, and of the images only what is
        shown.
    """

    def __init__(self, plan: TrainingPlan, dataset: Dataset) -> None:
        self._plan = plan
        facts = plan.facts
        pairs, intensities = prepared_pairs(plan, dataset)
        images = [pair.image for pair in pairs]
        self._is_colored = images[0].n_channels in _COLORS and all(
            image.array.dtype == np.uint8 for image in images
        )
        self._sampler = patch_sampler(plan, pairs)
        self._reader = PatchReader(
            images,
            targets_of(pairs, facts.classes, facts.used, ring=facts.ring),
            intensities,
            cache_bytes=0,
        )

    def draw(
        self, seed: int, *, n_patches: int = 3, n_versions: int = 3
    ) -> tuple[ShownPatch, ...]:
        """Show patches with changed versions; the same seed shows the same."""
        rng = np.random.default_rng([seed, 0])
        patches = [self._sampler.draw(rng) for _ in range(n_patches)]
        return tuple(
            self._show(patch, [seed, number], n_versions)
            for number, patch in enumerate(patches, start=1)
        )

    def _show(self, patch: Patch, seeds: Sequence[int], n_versions: int) -> ShownPatch:
        image, truth = self._reader.read(patch)
        changed = show_augmented(
            [lambda margin: self._reader.read(patch.grown(margin))] * n_versions,
            augmentation_of(self._plan),
            self._plan.patch_size,
            in_plane=warps_in_plane(self._plan),
            seed=seeds,
        )
        windows = self._windows(image)
        versions = [
            (image, truth, ()),
            *((c.image, c.target, c.names) for c in changed),
        ]
        return ShownPatch(
            self._plan.facts.names[patch.pair],
            patch.box[0].start - patch.padding[0][0] + truth.shape[0] // 2,
            tuple(_version(*version, windows) for version in versions),
        )

    def _windows(self, image: npt.NDArray[np.float32]) -> list[Window]:
        """One per channel; colors share one, which keeps their hue."""
        if self._is_colored:
            return [Window.of(image)] * len(image)
        return [Window.of(channel) for channel in image]


def _version(
    image: npt.NDArray[np.float32],
    target: npt.NDArray[np.uint8],
    changes: tuple[str, ...],
    windows: Sequence[Window],
) -> ShownVersion:
    middle = target.shape[0] // 2
    channels: Any = zip(windows, image[:, middle], strict=True)
    shown = np.stack([window.stretch(channel) for window, channel in channels])
    return ShownVersion(shown, target[middle].copy(), changes)
