"""Which part of a slice a preview looks at, and how finely."""

from __future__ import annotations

import math
from dataclasses import dataclass

Window = tuple[slice, slice]

MAX_PIXELS = 1 << 20
"""That are looked at; of a larger part each second, third, ... is."""

_MARGIN = 64
"""Pixels around what is seen, so that objects at its edge look as they will."""


@dataclass(frozen=True)
class PreviewPart:
    """Part of a slice that is looked at.

    Parameters
    ----------
    window : (slice, slice)
        Pixels along Y and X, with explicit start and stop.
    step : int
        Each so manieth pixel along both.
    shape : (int, int)
        Of the whole slice.
    """

    window: Window
    step: int
    shape: tuple[int, int]

    @property
    def key(self) -> tuple[slice, slice]:
        """Index into a slice."""
        y, x = self.window
        return slice(y.start, y.stop, self.step), slice(x.start, x.stop, self.step)


def plan_preview(
    shape: tuple[int, int],
    seen: Window | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
) -> PreviewPart:
    """Choose what is looked at.

    Parameters
    ----------
    shape : (int, int)
        Of the slice, Y and X.
    seen : (slice, slice), optional
        What the viewer shows of it; all without it.
    max_pixels : int
    """
    whole = slice(0, shape[0]), slice(0, shape[1])
    y, x = (
        slice(max(0, part.start - _MARGIN), min(n, part.stop + _MARGIN))
        for part, n in zip(seen or whole, shape, strict=True)
    )
    n_pixels = (y.stop - y.start) * (x.stop - x.start)
    step = max(1, math.ceil(math.sqrt(n_pixels / max_pixels)))
    return PreviewPart((y, x), step, shape)
