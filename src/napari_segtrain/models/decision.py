"""How class probabilities become class indices: what a training has chosen."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_segtrain.axes import ZYX, size_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_WINDOW = 99
_EVEN = 0.005
"""Thresholds that differ less from equal ones are called none."""


@dataclass(frozen=True)
class Decision:
    """Rule that is applied to the probabilities of a model.

    A voxel takes the class whose probability is greatest in proportion to its
    threshold; with two classes that is the second one exactly where its probability
    exceeds its threshold. Then it takes the class that most voxels of a window around
    it have (a median, when there are two classes). Then components that are too small
    take the class that most of their neighbors have.

    Parameters
    ----------
    thresholds : tuple of float
        One per class, positive, 1 in sum; equal ones are the most likely class.
    window : ZYX
        Voxels along each axis, odd; 1 changes nothing.
    min_voxels : tuple of int
        One per class: smaller components are given to their neighbors.
    per_slice : bool
        Whether components are those of each slice by itself.
    score, plain_score : float
        Mean IoU of the validation set with this rule, and with the most likely class.
    """

    thresholds: tuple[float, ...]
    window: ZYX = (1, 1, 1)
    min_voxels: tuple[int, ...] = ()
    per_slice: bool = True
    score: float = 0.0
    plain_score: float = 0.0

    @property
    def has_thresholds(self) -> bool:
        """Whether it differs from the most likely class."""
        return float(np.ptp(self.thresholds)) > 0

    @property
    def has_window(self) -> bool:
        """Whether voxels are asked for their neighbors."""
        return max(self.window) > 1

    @property
    def has_minimum(self) -> bool:
        """Whether small components are given away."""
        return max(self.min_voxels, default=0) > 1

    @property
    def reach(self) -> int:
        """Slices on either side that the result in a slice may depend on."""
        reach = self.window[0] // 2
        if self.has_minimum and not self.per_slice:
            reach += 2 * max(self.min_voxels)
        return reach

    def in_voxels(self, ratios: tuple[float, float, float]) -> Decision:
        """Return the same decision for other voxels.

        Parameters
        ----------
        ratios : tuple of float
            Such voxels that one of the training is long, along Z, Y and X.
        """
        z, y, x = map(_odd, self.window, ratios)
        growth = math.prod(ratios)
        sizes = tuple(n if n <= 1 else round(n * growth) for n in self.min_voxels)
        return replace(self, window=(z, y, x), min_voxels=sizes)

    def problems(self, n_classes: int) -> Iterator[str]:
        """Say what no training would have chosen."""
        thresholds = np.array(self.thresholds)
        if len(thresholds) != n_classes or not (
            np.isfinite(thresholds).all() and (thresholds > 0).all()
        ):
            yield f"its decision does not have a positive threshold for {n_classes}"
        if any(n % 2 == 0 or not 1 <= n <= MAX_WINDOW for n in self.window):
            yield f"its decision has a window of {self.window}"
        if self.min_voxels and len(self.min_voxels) != n_classes:
            yield f"its decision has {len(self.min_voxels)} sizes for {n_classes}"
        if min(self.min_voxels, default=0) < 0:
            yield "its decision has a negative size"


def _odd(width: int, ratio: float) -> int:
    """Nearest odd width in other voxels; 1, which changes nothing, stays."""
    if width == 1:
        return 1
    return min(MAX_WINDOW, 2 * max(0, round((width * ratio - 1) / 2)) + 1)


def decision_words(decision: Decision, names: Sequence[str]) -> str:
    """Say what a decision does, and what it gained on the validation set.

    Parameters
    ----------
    decision : Decision
        Of a model.
    names : sequence of str
        Of its classes, in order.
    """
    parts = []
    thresholds = decision.thresholds
    if max(thresholds) - min(thresholds) > _EVEN:
        shown = list(zip(names, thresholds, strict=True))
        shown = shown[1:] if len(shown) == 2 else shown  # noqa: PLR2004 - one tells both
        text = ", ".join(f"{name} {value:.2f}" for name, value in shown)
        parts.append(f"threshold{'s' * (len(shown) > 1)} {text}")
    if decision.has_window:
        sides = [n for n in decision.window if n > 1]
        parts.append(f"median of {size_text(sides)} voxels")
    if decision.has_minimum:
        rows = zip(names, decision.min_voxels, strict=True)
        text = ", ".join(f"{name} {n}" for name, n in rows if n > 1)
        parts.append(f"smallest part in voxels: {text}")
    gain = f"IoU {decision.plain_score:.3f} → {decision.score:.3f} on the held-out part"
    return f"{'; '.join(parts)} ({gain})"
