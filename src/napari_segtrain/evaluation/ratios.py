"""Ratios that may be undefined: ``None`` where there is nothing to divide by."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def ratio(part: float, whole: float) -> float | None:
    """Return ``part / whole``, or ``None`` when ``whole`` is 0."""
    return float(part) / float(whole) if whole else None


def mean_of(values: Iterable[float | None]) -> float | None:
    """Mean of the values that are defined, or ``None`` when none is."""
    defined = [value for value in values if value is not None]
    return ratio(sum(defined), len(defined))
